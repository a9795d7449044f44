"""Who may call the routes of data sets, runs, recipes and notices, and requests that they accept."""

from __future__ import annotations

from tests.security.sent import API, CONFLICT, PROJECT, Sent
from tests.security.world import World

SIGNED_IN = """
GET /notices
POST /notices/read
POST /notices/{notice_id}/open
"""
VIEWER = """
GET /projects/{slug}/trunks
GET /projects/{slug}/trunks/reference
GET /projects/{slug}/datasets
GET /projects/{slug}/datasets/preview
GET /projects/{slug}/datasets/totals
GET /projects/{slug}/datasets/leaked
GET /projects/{slug}/datasets/snapshots
GET /projects/{slug}/datasets/compare
GET /projects/{slug}/datasets/{snapshot_id}
GET /projects/{slug}/datasets/{snapshot_id}/images
GET /api/v1/projects/{slug}/datasets/plan
GET /api/v1/projects/{slug}/datasets/snapshots
GET /api/v1/projects/{slug}/datasets/snapshots/{snapshot_id}
GET /api/v1/projects/{slug}/datasets/compare
GET /projects/{slug}/training/of-snapshot/{snapshot_id}
GET /projects/{slug}/runs
GET /projects/{slug}/runs/events
GET /projects/{slug}/runs/{run_id}
GET /projects/{slug}/runs/{run_id}/status
GET /projects/{slug}/runs/{run_id}/events
GET /projects/{slug}/runs/{run_id}/training
GET /projects/{slug}/training/compare
GET /projects/{slug}/training/lineage
GET /api/v1/projects/{slug}/runs/{run_id}
GET /api/v1/projects/{slug}/runs/{run_id}/training
POST /projects/{slug}/follow
POST /projects/{slug}/unfollow
GET /projects/{slug}/recipes
GET /projects/{slug}/recipes/{recipe_id}
POST /projects/{slug}/recipes/{recipe_id}/follow
POST /projects/{slug}/recipes/{recipe_id}/unfollow
GET /api/v1/projects/{slug}/recipes
GET /api/v1/projects/{slug}/recipes/{recipe_id}
"""
ENGINEER = """
POST /projects/{slug}/trunks/measure
POST /projects/{slug}/models/{number}/engines
POST /projects/{slug}/trunks/reference
POST /projects/{slug}/trunks/clean
POST /projects/{slug}/datasets
POST /api/v1/projects/{slug}/datasets/snapshots
GET /projects/{slug}/train
POST /projects/{slug}/train
GET /projects/{slug}/training/augmentation
POST /projects/{slug}/training/augmentation
POST /projects/{slug}/training/augmentation/mirrored
GET /projects/{slug}/training/augmentation/{run_id}
GET /projects/{slug}/training/augmentation/{run_id}/{image_id}/{draw}/picture
GET /projects/{slug}/tensorboard
GET /projects/{slug}/tensorboard/{path:path}
POST /api/v1/projects/{slug}/runs
POST /projects/{slug}/runs/{run_id}/cancel
POST /projects/{slug}/runs/{run_id}/stop
POST /projects/{slug}/runs/{run_id}/resume
GET /projects/{slug}/recipes/new
GET /projects/{slug}/recipes/{recipe_id}/edit
POST /projects/{slug}/recipes
POST /projects/{slug}/recipes/{recipe_id}
POST /projects/{slug}/recipes/{recipe_id}/run
POST /projects/{slug}/recipes/{recipe_id}/pause
POST /projects/{slug}/recipes/{recipe_id}/continue
POST /projects/{slug}/recipes/{recipe_id}/delete
POST /projects/{slug}/recipes/{recipe_id}/restore
POST /api/v1/projects/{slug}/recipes
PUT /api/v1/projects/{slug}/recipes/{recipe_id}
POST /api/v1/projects/{slug}/recipes/{recipe_id}/runs
DELETE /api/v1/projects/{slug}/recipes/{recipe_id}
"""
_BY_ROLE = {"signed_in": SIGNED_IN, "viewer": VIEWER, "engineer": ENGINEER}
OF_RECIPES = {line: role for role, lines in _BY_ROLE.items() for line in lines.split("\n") if line}


def of_training(world: World) -> dict[str, Sent]:
    """A request by which the right role gets what it asks for."""
    tiny = {"start": "random", "trunk": "compact_cnn", "lower": 3}
    one, gone = f"{PROJECT}/recipes/{{recipe_id}}", {"recipe_id": world.ids["deleted_recipe_id"]}
    spare = {"recipe_id": world.ids["spare_recipe_id"]}
    asked = {"choices": {**tiny, "seed": 3}, "parent": "none"}
    preview, pictured = f"{PROJECT}/training/augmentation/{{run_id}}", {"run_id": world.ids["preview_run_id"]}
    return {
        f"POST {PROJECT}/training/augmentation": Sent(form={"flip": "true", "rotate_degrees": 5}),
        f"GET {preview}": Sent(ids=pictured),
        f"GET {preview}/{{image_id}}/{{draw}}/picture": Sent(ids=pictured),
        f"POST {PROJECT}/train": Sent(form=tiny),
        f"POST {API}{PROJECT}/runs": Sent(json={**tiny, "seed": 1}),
        f"POST {PROJECT}/runs/{{run_id}}/resume": Sent(),
        f"POST {PROJECT}/runs/{{run_id}}/stop": Sent(ends=CONFLICT),
        f"POST {PROJECT}/runs/{{run_id}}/cancel": Sent(),
        f"POST {PROJECT}/recipes": Sent(form={**tiny, "name": "By hand", "parent": "none"}),
        f"POST {API}{PROJECT}/recipes": Sent(json={**asked, "name": "By machine"}),
        f"POST {one}": Sent(form={**tiny, "name": "Another recipe", "parent": "none", "seed": 2}),
        f"PUT {API}{one}": Sent(ids=spare, json={**asked, "name": "A spare one"}),
        f"POST {API}{one}/runs": Sent(ids=spare),
        f"DELETE {API}{one}": Sent(ids=spare, ends=frozenset({204})),
        f"POST {one}/restore": Sent(ids=gone),
        f"POST {one}/run": Sent(),
        f"POST {one}/pause": Sent(),
        f"POST {one}/continue": Sent(),
        f"POST {one}/delete": Sent(),
    }
