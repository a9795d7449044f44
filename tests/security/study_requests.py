"""Who may call the routes of studies and smaller versions, and requests that they accept."""

from __future__ import annotations

from tests.security.sent import API, PROJECT, Sent
from tests.security.world import World

VIEWER = """
GET /projects/{slug}/studies
GET /projects/{slug}/studies/{study_id}
GET /projects/{slug}/studies/{study_id}/progress
GET /projects/{slug}/runs/{run_id}/compression
GET /api/v1/projects/{slug}/studies
GET /api/v1/projects/{slug}/studies/{study_id}
"""
ENGINEER = """
GET /projects/{slug}/models/{number}/smaller
POST /projects/{slug}/models/{number}/smaller
POST /api/v1/projects/{slug}/models/{number}/smaller
GET /projects/{slug}/studies/new
POST /projects/{slug}/studies
POST /projects/{slug}/studies/{study_id}/pause
POST /projects/{slug}/studies/{study_id}/go-on
POST /projects/{slug}/studies/{study_id}/end
POST /api/v1/projects/{slug}/studies
"""
_BY_ROLE = {"viewer": VIEWER, "engineer": ENGINEER}
OF_STUDIES = {line: role for role, lines in _BY_ROLE.items() for line in lines.split("\n") if line}

_RATES = {"name": "learning_rate", "kind": "number", "low": 0.001, "high": 0.01, "is_log": True}


def of_studies(world: World) -> dict[str, Sent]:
    """A request by which the right role gets what it asks for."""
    tiny = {"start": "random", "trunk": "compact_cnn"}
    searched = {"search.dropout": "true", "low.dropout": "0", "high.dropout": "0.5"}
    one = f"{PROJECT}/studies/{{study_id}}"
    frozen = {"snapshot_id": world.ids["snapshot_id"]}
    return {
        f"POST {PROJECT}/studies": Sent(form={**tiny, **searched, "name": "By hand", **frozen}),
        f"POST {API}{PROJECT}/studies": Sent(json={"name": "By machine", "base": tiny | frozen, "space": [_RATES]}),
        f"POST {one}/pause": Sent(),
        f"POST {one}/go-on": Sent(),
        f"POST {one}/end": Sent(),
        f"POST {PROJECT}/models/{{number}}/smaller": Sent(form={"method": "int8"}),
        f"POST {API}{PROJECT}/models/{{number}}/smaller": Sent(json={"method": "pruned"}),
    }
