"""Who may call the routes beside an identification's results, and requests that they accept."""

from __future__ import annotations

from tests.security.sent import PROJECT, Sent
from tests.security.world import World

VIEWER = """
GET /projects/{slug}/identify/views
GET /projects/{slug}/identify/{job_id}/why
GET /projects/{slug}/identify/{job_id}/count
"""
LABELLER = """
POST /projects/{slug}/identify/{job_id}/views
"""
_BY_ROLE = {"viewer": VIEWER, "labeller": LABELLER}
OF_RESULTS = {line: role for role, lines in _BY_ROLE.items() for line in lines.split("\n") if line}


def of_results(world: World) -> dict[str, Sent]:
    """A request by which the right role gets what it asks for."""
    one = f"{PROJECT}/identify/{{job_id}}"
    return {
        f"GET {one}/why": Sent(query={"class_id": str(world.class_ids[0])}),
        f"POST {one}/views": Sent(form={"name": "Doubtful ones", "query": "high=0.5"}),
    }
