"""Who may call the routes of identification's jobs, and requests that they accept."""

from __future__ import annotations

from tests.security.sent import API, PROJECT, Sent
from tests.security.world import World

VIEWER = """
GET /projects/{slug}/identify
GET /projects/{slug}/identify/estimate
GET /projects/{slug}/identify/{job_id}/progress
GET /api/v1/projects/{slug}/identifications/estimate
GET /api/v1/projects/{slug}/identifications/standing
"""
ENGINEER = """
POST /projects/{slug}/identify
POST /projects/{slug}/identify/chosen
POST /api/v1/projects/{slug}/identifications
"""
_BY_ROLE = {"viewer": VIEWER, "engineer": ENGINEER}
OF_IDENTIFICATION = {line: role for role, lines in _BY_ROLE.items() for line in lines.split("\n") if line}


def of_identification(world: World) -> dict[str, Sent]:
    """A request by which the right role gets what it asks for."""
    chosen = {"selection": {"image_ids": world.images[7:8]}}
    return {
        f"POST {PROJECT}/identify/chosen": Sent(json=chosen, ends=frozenset({202})),
        f"POST {PROJECT}/identify": Sent(form={"kind": "pool"}),
        f"POST {API}{PROJECT}/identifications": Sent(json={"kind": "open"}, ends=frozenset({202})),
    }
