"""Who may call what, written out by hand from the product's table of rights, and a request that each route accepts.

The router declares the same rules in code; a test compares the two, so that no rule changes unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastapi.routing import iter_route_contexts
from pydantic import BaseModel

from app.assembly.routers import ROUTERS
from app.datasets.forms import (
    CompareQuery,
    Cutoffs,
    ListedClasses,
    PreviewQuery,
    SnapshotImagesQuery,
    SnapshotListQuery,
)
from app.evaluation.schemas import JudgedFilter
from app.identification.schemas import ResultFilter
from app.library.grammar import fields
from app.reports.schemas import ReportFilter
from app.serving.schemas import TransactionFilter
from app.training.forms import TrainingForm
from tests.factories.serving import small_image
from tests.security.acting_requests import OF_ACTING, of_acting
from tests.security.identification_requests import OF_IDENTIFICATION, of_identification
from tests.security.prediction_requests import OF_PREDICTIONS
from tests.security.results_requests import OF_RESULTS, of_results
from tests.security.review_requests import of_review
from tests.security.sent import API, CONFLICT, PROJECT, Sent
from tests.security.study_requests import OF_STUDIES, of_studies
from tests.security.telling_requests import OF_TELLING, of_telling
from tests.security.training_requests import OF_RECIPES, of_training
from tests.security.world import World

PUBLIC = """
GET /
GET /health
GET /ready
GET /sign-in
POST /sign-in
GET /setup/{token}
GET /texts/{language}.json
POST /setup/{token}
GET /api/v1/openapi.json
"""
SIGNED_IN = """
POST /sign-out
POST /language
GET /account
GET /account/password
POST /account/password
POST /account/sessions/{session_id}/end
POST /account/tokens
POST /account/tokens/{token_id}/revoke
GET /projects
"""
ROOT = """
GET /users
POST /users
POST /users/{user_id}/password
POST /users/{user_id}/deactivate
POST /users/{user_id}/activate
GET /projects/new
POST /projects
"""
VIEWER = """
GET /projects/{slug}
GET /projects/{slug}/reports
GET /projects/{slug}/reports/{table}.csv
GET /projects/{slug}/transactions
GET /projects/{slug}/library
GET /projects/{slug}/library/filters
GET /projects/{slug}/library/count
GET /projects/{slug}/library/find
GET /projects/{slug}/library/views
GET /projects/{slug}/library/conflicts
GET /projects/{slug}/library/conflicts/list
GET /projects/{slug}/library/duplicates
GET /projects/{slug}/library/duplicates/list
GET /projects/{slug}/library/quality
GET /projects/{slug}/library/quality/list
GET /projects/{slug}/library/cells
GET /projects/{slug}/library/around
GET /projects/{slug}/library/frames
GET /projects/{slug}/images/{image_id}
GET /projects/{slug}/images/{image_id}/thumbnail
GET /projects/{slug}/images/{image_id}/rendition
GET /projects/{slug}/images/{image_id}/large
GET /projects/{slug}/images/{image_id}/original
GET /projects/{slug}/images/{image_id}/panel
GET /projects/{slug}/images/{image_id}/history
GET /projects/{slug}/images/{image_id}/neighbours
GET /projects/{slug}/similar
GET /projects/{slug}/map
GET /projects/{slug}/map/{layout_id}/points
GET /projects/{slug}/map/{layout_id}/confidences
GET /projects/{slug}/images/{image_id}/predictions
GET /projects/{slug}/imports
GET /projects/{slug}/imports/{batch_id}
GET /projects/{slug}/imports/{batch_id}/figures
GET /projects/{slug}/classes
GET /projects/{slug}/classes.json
GET /projects/{slug}/classes.csv
GET /projects/{slug}/classes/{class_id}
GET /projects/{slug}/classes/{class_id}/standard
GET /projects/{slug}/history
GET /projects/{slug}/history/meanwhile
GET /projects/{slug}/identify/{job_id}
GET /projects/{slug}/identify/{job_id}/cells
GET /projects/{slug}/identify/{job_id}/classes
GET /projects/{slug}/benchmarks
GET /projects/{slug}/benchmarks/{set_id}
GET /projects/{slug}/models
GET /projects/{slug}/models/{number}
GET /projects/{slug}/models/{number}/confusion
GET /projects/{slug}/models/{number}/images
GET /projects/{slug}/models/{number}/compare
GET /projects/{slug}/models/{number}/gate
GET /projects/{slug}/production
GET /api/v1/projects/{slug}/models
GET /api/v1/projects/{slug}/models/{number}
GET /api/v1/projects/{slug}/models/{number}/gate
POST /api/v1/identify
POST /api/v1/projects/{slug}/identify
"""
LABELLER = """
GET /projects/{slug}/label
POST /projects/{slug}/library/quality/settle
POST /projects/{slug}/library/quality/decisions/{decision_id}/undo
POST /projects/{slug}/label
POST /projects/{slug}/label/next
POST /projects/{slug}/label/skip
GET /projects/{slug}/label/grid
POST /projects/{slug}/label/grid/next
POST /projects/{slug}/label/grid/accept
POST /projects/{slug}/library/views
POST /projects/{slug}/library/views/{view_id}/rename
POST /projects/{slug}/library/views/{view_id}/delete
POST /projects/{slug}/library/views/{view_id}/restore
POST /projects/{slug}/label/undo
GET /projects/{slug}/label/mix
GET /projects/{slug}/label/summary
GET /projects/{slug}/label/keys
POST /projects/{slug}/label/keys
POST /projects/{slug}/label/keys/usual
POST /projects/{slug}/images/{image_id}/notes
POST /projects/{slug}/labels
GET /projects/{slug}/suggestions
POST /projects/{slug}/actions/{action_id}/undo
POST /projects/{slug}/identify/{job_id}/accept
GET /projects/{slug}/label/pictures/{image_id}
POST /projects/{slug}/classes/propose
GET /projects/{slug}/classes/proposals
GET /projects/{slug}/review
POST /projects/{slug}/review/next
POST /projects/{slug}/review/{opinion_id}/answer
POST /projects/{slug}/review/{opinion_id}/take-back
GET /projects/{slug}/people/{user_id}
"""
REVIEWER = """
GET /projects/{slug}/grade
GET /projects/{slug}/grade/more
POST /projects/{slug}/grades
POST /projects/{slug}/grades/undo
POST /projects/{slug}/conflicts/{conflict_id}/settle
POST /projects/{slug}/conflicts/{conflict_id}/take
POST /projects/{slug}/labels/many
POST /projects/{slug}/library/conflicts/keep
POST /projects/{slug}/library/conflicts/take
POST /projects/{slug}/library/decisions/{decision_id}/undo
POST /projects/{slug}/library/duplicates/{bundle}/keep
POST /projects/{slug}/library/duplicates/{bundle}/split
POST /projects/{slug}/library/duplicates/{bundle}/representative
POST /projects/{slug}/library/duplicates/{bundle}/label
POST /projects/{slug}/classes
POST /projects/{slug}/classes/{class_id}
POST /projects/{slug}/classes/{class_id}/sub-classes
POST /projects/{slug}/classes/{class_id}/sub-classes/{sub_class_id}
POST /projects/{slug}/classes/{class_id}/merge
POST /projects/{slug}/classes/{class_id}/train-as
POST /projects/{slug}/classes/{class_id}/part
POST /projects/{slug}/classes/{class_id}/split
POST /projects/{slug}/classes/{class_id}/delete
POST /projects/{slug}/classes/{class_id}/examples
POST /projects/{slug}/classes/{class_id}/examples/{image_id}/remove
POST /projects/{slug}/classes/{class_id}/look-alikes
POST /projects/{slug}/classes/{class_id}/look-alikes/{other_class_id}/remove
POST /projects/{slug}/classes/split
POST /projects/{slug}/classes/proposals/{proposal_id}
GET /projects/{slug}/classes/list
POST /projects/{slug}/classes/list
POST /projects/{slug}/review/ask
POST /projects/{slug}/review/ask-newest
POST /projects/{slug}/review/withdraw
POST /projects/{slug}/review/{opinion_id}/settle
GET /projects/{slug}/review/disagreements
GET /projects/{slug}/review/checks
GET /projects/{slug}/review/agreement
GET /projects/{slug}/review/agreement.csv
GET /projects/{slug}/people
POST /projects/{slug}/classes/{class_id}/archive
POST /projects/{slug}/classes/{class_id}/bring-back
GET /projects/{slug}/benchmarks/choice
POST /projects/{slug}/benchmarks
"""
ENGINEER = """
GET /projects/{slug}/imports/new
POST /projects/{slug}/imports
POST /projects/{slug}/imports/uploads
GET /projects/{slug}/imports/uploads/{upload_id}
POST /projects/{slug}/imports/uploads/{upload_id}/files
POST /projects/{slug}/imports/uploads/{upload_id}/large
GET /projects/{slug}/imports/uploads/{upload_id}/large/{file_id}
PATCH /projects/{slug}/imports/uploads/{upload_id}/large/{file_id}
GET /projects/{slug}/imports/previews/{preview_id}
GET /projects/{slug}/imports/previews/{preview_id}/look
POST /projects/{slug}/imports/previews/{preview_id}/choices
POST /projects/{slug}/imports/previews/{preview_id}/start
POST /projects/{slug}/imports/previews/{preview_id}/give-up
GET /projects/{slug}/exports
POST /projects/{slug}/exports
GET /projects/{slug}/exports/{run_id}/file
POST /api/v1/projects/{slug}/exports
GET /api/v1/projects/{slug}/exports/{run_id}
GET /api/v1/projects/{slug}/exports/{run_id}/file
GET /projects/{slug}/relabel
POST /projects/{slug}/relabel
GET /projects/{slug}/relabel/{run_id}
POST /projects/{slug}/relabel/{run_id}/apply
POST /projects/{slug}/embeddings
POST /projects/{slug}/map
POST /projects/{slug}/library/duplicates/search
POST /projects/{slug}/library/duplicates/search-embeddings
POST /projects/{slug}/library/quality/measure-subjects
GET /projects/{slug}/library/capture
POST /projects/{slug}/library/capture
POST /projects/{slug}/models/{number}/evaluate
POST /projects/{slug}/models/{number}/promote
POST /projects/{slug}/production/rollback
POST /api/v1/projects/{slug}/models/{number}/promote
POST /api/v1/projects/{slug}/rollback
"""
ADMINISTRATOR = """
GET /projects/{slug}/settings
POST /projects/{slug}/settings
POST /projects/{slug}/members
POST /projects/{slug}/members/{user_id}/remove
POST /projects/{slug}/archive
POST /projects/{slug}/unarchive
"""
_BY_ROLE = {
    "public": PUBLIC,
    "signed_in": SIGNED_IN,
    "root": ROOT,
    "viewer": VIEWER,
    "labeller": LABELLER,
    "reviewer": REVIEWER,
    "engineer": ENGINEER,
    "administrator": ADMINISTRATOR,
}
DECLARED = {line: role for role, lines in _BY_ROLE.items() for line in lines.split("\n") if line} | OF_RECIPES
DECLARED |= OF_STUDIES | OF_ACTING | OF_TELLING | OF_IDENTIFICATION | OF_RESULTS | OF_PREDICTIONS

FILTERS: dict[str, type[BaseModel]] = {
    f"GET {PROJECT}/identify/{{job_id}}": ResultFilter,
    f"GET {PROJECT}/datasets/totals": Cutoffs,
    f"GET {PROJECT}/datasets": PreviewQuery,
    f"GET {PROJECT}/datasets/preview": PreviewQuery,
    f"GET {PROJECT}/datasets/snapshots": SnapshotListQuery,
    f"GET {PROJECT}/datasets/compare": CompareQuery,
    f"GET {PROJECT}/datasets/{{snapshot_id}}": ListedClasses,
    f"GET {PROJECT}/datasets/{{snapshot_id}}/images": SnapshotImagesQuery,
    f"GET {PROJECT}/transactions": TransactionFilter,
    f"GET {PROJECT}/reports": ReportFilter,
    f"GET {PROJECT}/reports/{{table}}.csv": ReportFilter,
    f"GET {PROJECT}/models/{{number}}/images": JudgedFilter,
    f"GET {PROJECT}/models/{{number}}/confusion": JudgedFilter,
    f"GET {PROJECT}/train": TrainingForm,
}


def acceptable(world: World) -> dict[str, Sent]:
    """For each route that needs more than its address: a request by which the right role gets what it asks for.

    In the order in which they work: a merge ends a class, archiving ends everything. The gate is not passed, and
    nothing served before what serves now.
    """
    ids, images = world.ids, world.images
    exported, compared = {"run_id": ids["export_run_id"]}, {"run_id": ids["compare_run_id"]}
    name, frozen = {"name": "Another name"}, str(ids["snapshot_id"])
    move = {"reason": "better", "expected_deployment_id": ids["deployment_id"]}
    return {
        **of_training(world),
        **of_telling(world),
        **of_results(world),
        f"POST {API}/identify": Sent(content=small_image()),
        f"POST {API}{PROJECT}/identify": Sent(content=small_image()),
        f"POST {PROJECT}/label/next": Sent(json={"count": 2}),
        f"POST {PROJECT}/label/skip": Sent(json={"image_ids": images[6:7]}),
        f"POST {PROJECT}/label/grid/next": Sent(json={}),
        f"POST {PROJECT}/label/grid/accept": Sent(
            json={"taken_out": [{"image_id": images[-1], "class_id": ids["class_id"]}], "request_key": "a-page-answer"}
        ),
        f"POST {PROJECT}/label/undo": Sent(json={"action_key": "never-sent", "request_key": "undo-of-it"}),
        f"POST {PROJECT}/label/keys": Sent(form={"command": "unknown", "key": "q"}),
        f"POST {PROJECT}/images/{{image_id}}/notes": Sent(json={"text": "<b>Look</b> again"}),
        f"POST {PROJECT}/labels": Sent(json={"image_ids": images[6:7], "act": "unknown"}),
        f"POST {PROJECT}/labels/many": Sent(
            json={"selection": {"filter": "state=unknown"}, "act": "none"}, ends=frozenset({202})
        ),
        f"POST {PROJECT}/label": Sent(form={"image_id": images[5], "version": 0, "act": "none"}),
        f"GET {PROJECT}/similar": Sent(query={"ids": str(images[0])}),
        f"GET {PROJECT}/library/around": Sent(query={"image": str(images[0])}),
        f"GET {PROJECT}/library/frames": Sent(query={"ids": f"{images[0]},{images[1]}"}),
        f"GET {PROJECT}/suggestions": Sent(query={"ids": str(images[0])}),
        f"POST {PROJECT}/identify/{{job_id}}/accept": Sent(json={"image_ids": images[7:8]}),
        f"POST {PROJECT}/actions/{{action_id}}/undo": Sent(ids={"action_id": ids["own_action_id"]}),
        f"POST {PROJECT}/conflicts/{{conflict_id}}/take": Sent(ids={"conflict_id": ids["other_conflict_id"]}),
        f"POST {PROJECT}/library/quality/settle": Sent(form={"reason": "dark", "shown": f"{images[4]}:0"}),
        f"POST {PROJECT}/library/quality/decisions/{{decision_id}}/undo": Sent(ids={"decision_id": ids["subjects_id"]}),
        f"POST {PROJECT}/library/conflicts/keep": Sent(form={"conflict_ids": ids["third_conflict_id"]}),
        f"POST {PROJECT}/library/duplicates/search": Sent(),
        f"POST {PROJECT}/library/capture": Sent(form={"by": "folders"}),
        f"POST {PROJECT}/trunks/reference": Sent(form={"choice": "pretrained:efficientnet_lite0"}),
        f"GET {PROJECT}/grade/more": Sent(query={"after": str(ids["transaction_id"])}),
        f"POST {PROJECT}/grades": Sent(json={"transaction_id": ids["transaction_id"], "verdict": "correct"}),
        f"POST {PROJECT}/grades/undo": Sent(json={"grade_id": ids["own_grade_id"]}),
        f"POST {PROJECT}/benchmarks": Sent(json={**name, "image_ids": [ids["labelled_id"]]}),
        **of_review(world),
        **of_identification(world),
        f"POST {PROJECT}/classes": Sent(form={"name": "A new class"}),
        f"POST {PROJECT}/classes/{{class_id}}": Sent(form=name),
        f"POST {PROJECT}/classes/{{class_id}}/sub-classes": Sent(form=name),
        f"POST {PROJECT}/classes/{{class_id}}/sub-classes/{{sub_class_id}}": Sent(form={"name": "A third"}),
        f"POST {PROJECT}/classes/{{class_id}}/archive": Sent(ids={"class_id": ids["empty_class_id"]}),
        f"POST {PROJECT}/classes/{{class_id}}/bring-back": Sent(ids={"class_id": ids["empty_class_id"]}),
        f"POST {PROJECT}/imports/uploads/{{upload_id}}/files": Sent(content=small_image(), query={"name": "a.png"}),
        f"POST {PROJECT}/imports/uploads/{{upload_id}}/large": Sent(query={"name": "b.png", "size": "9"}),
        f"PATCH {PROJECT}/imports/uploads/{{upload_id}}/large/{{file_id}}": Sent(content=b"12", query={"offset": "0"}),
        f"POST {PROJECT}/imports/previews/{{preview_id}}/choices": Sent(json={"groups": "none"}),
        f"POST {PROJECT}/imports/previews/{{preview_id}}/start": Sent(),  # after the choices, which it closes
        f"POST {PROJECT}/imports/previews/{{preview_id}}/give-up": Sent(ids={"preview_id": ids["idle_preview_id"]}),
        f"POST {PROJECT}/imports": Sent(form={"kind": "upload", "path": ids["upload_id"]}),
        f"POST {PROJECT}/library/views": Sent(form={"name": "A new view", "query": "state=pool"}),
        f"POST {PROJECT}/library/views/{{view_id}}/rename": Sent(form={"name": "Renamed"}),
        f"POST {PROJECT}/library/views/{{view_id}}/delete": Sent(),
        f"POST {PROJECT}/library/views/{{view_id}}/restore": Sent(ids={"view_id": ids["deleted_view_id"]}),
        f"POST {PROJECT}/exports": Sent(form={"format": "coco"}),
        f"POST {API}{PROJECT}/exports": Sent(json={"format": "coco"}, ends=frozenset({202})),
        f"GET {PROJECT}/exports/{{run_id}}/file": Sent(ids=exported),
        f"GET {API}{PROJECT}/exports/{{run_id}}": Sent(ids=exported),
        f"GET {API}{PROJECT}/exports/{{run_id}}/file": Sent(ids=exported),
        f"POST {PROJECT}/relabel": Sent(files={"file": ("labels.csv", b"file,class\na.jpg,Lion\n")}),
        f"GET {PROJECT}/relabel/{{run_id}}": Sent(ids=compared),
        f"POST {PROJECT}/relabel/{{run_id}}/apply": Sent(ids=compared),
        f"POST {PROJECT}/datasets": Sent(form={"lower": 2, "upper": 50}),
        f"POST {API}{PROJECT}/datasets/snapshots": Sent(json={"lower": 2, "upper": 50}, ends=frozenset({201})),
        f"GET {API}{PROJECT}/datasets/compare": Sent(query={"earlier": frozen, "later": frozen}),
        f"GET {PROJECT}/datasets/compare": Sent(query={"earlier": frozen, "later": frozen}),
        f"POST {PROJECT}/library/conflicts/take": Sent(form={"conflict_ids": ids["fourth_conflict_id"]}),
        f"POST {PROJECT}/library/duplicates/{{bundle}}/label": Sent(form={"image_ids": images[1]}),
        f"POST {PROJECT}/library/duplicates/{{bundle}}/representative": Sent(form={"image_ids": images[1]}),
        f"POST {PROJECT}/library/duplicates/{{bundle}}/split": Sent(),
        **of_studies(world),
        **of_acting(ids),
        f"POST {PROJECT}/models/{{number}}/promote": Sent(form=move, ends=CONFLICT),
        f"POST {API}{PROJECT}/models/{{number}}/promote": Sent(json=move, ends=CONFLICT),
        f"POST {PROJECT}/production/rollback": Sent(form=move, ends=CONFLICT),
        f"POST {API}{PROJECT}/rollback": Sent(json=move, ends=CONFLICT),
        f"POST {PROJECT}/classes/{{class_id}}/train-as": Sent(form={"as_id": world.class_ids[1]}),
        f"POST {PROJECT}/classes/{{class_id}}/part": Sent(),
        f"POST {PROJECT}/classes/{{class_id}}/split": Sent(
            form={"sub_class_id": ids["sub_class_id"], f"name-{ids['sub_class_id']}": "Parted"}
        ),
        f"POST {PROJECT}/classes/{{class_id}}/merge": Sent(form={"target_id": world.class_ids[1]}),
        f"POST {PROJECT}/classes/{{class_id}}/delete": Sent(
            ids={"class_id": world.class_ids[2]}, form={"labels_go": "pool"}
        ),
        f"POST {PROJECT}/settings": Sent(form={**name, "lower_cutoff": 5, "upper_cutoff": 50}),
        f"POST {PROJECT}/members": Sent(form={"name": ids["outsider"], "role": "viewer"}),
        f"POST {PROJECT}/archive": Sent(),
        f"POST {PROJECT}/unarchive": Sent(),
    }


def query_names(name: str) -> Iterable[str]:
    """The parameters that a route reads from its address's query."""
    routes = (route for router in ROUTERS for route in iter_route_contexts(router.routes))
    (route,) = (each for each in routes if f"{next(iter(each.methods or ()))} {each.path}" == name)
    plain = [field.alias for field in route.dependant.query_params]
    filtered = [field.alias or key for key, field in FILTERS[name].model_fields.items()] if name in FILTERS else []
    if name in (f"GET {PROJECT}/library", f"GET {PROJECT}/exports"):
        filtered = [field.name for field in fields()]
    return dict.fromkeys([*plain, *filtered])
