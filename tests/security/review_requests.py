"""Requests that the routes of classes, proposals and review accept, in the order in which they work."""

from __future__ import annotations

from tests.security.sent import PROJECT, Sent
from tests.security.world import World


def of_review(world: World) -> dict[str, Sent]:
    """A request by which the right role gets what it asks for."""
    return {
        f"POST {PROJECT}/classes/propose": Sent(form={"name": "A missing class"}),
        f"POST {PROJECT}/classes/proposals/{{proposal_id}}": Sent(form={"verdict": "refuse"}),
        f"POST {PROJECT}/classes/list": Sent(form={"text": "A listed class"}),
        f"POST {PROJECT}/classes/split": Sent(json={"name": "Split off", "image_ids": world.images[7:8]}),
        f"POST {PROJECT}/classes/{{class_id}}/examples": Sent(form={"images": str(world.images[1])}),
        f"POST {PROJECT}/classes/{{class_id}}/look-alikes": Sent(form={"other_id": world.class_ids[2]}),
        f"POST {PROJECT}/classes/{{class_id}}/look-alikes/{{other_class_id}}/remove": Sent(),
        f"POST {PROJECT}/review/next": Sent(json={}),
        f"POST {PROJECT}/review/{{opinion_id}}/answer": Sent(json={"state": "unknown"}),
        f"POST {PROJECT}/review/{{opinion_id}}/take-back": Sent(),
        f"POST {PROJECT}/review/ask": Sent(json={"selection": {"image_ids": world.images[:2]}}),
        f"POST {PROJECT}/review/ask-newest": Sent(form={"count": 2}),
        f"POST {PROJECT}/review/{{opinion_id}}/settle": Sent(
            ids={"opinion_id": world.ids["disagreed_id"]}, form={"state": "none"}
        ),
        f"POST {PROJECT}/review/withdraw": Sent(),
        f"GET {PROJECT}/people/{{user_id}}": Sent(ids={"user_id": world.ids["own_user_id"]}),
    }
