"""Who may call the routes of webhooks and watched classes, and requests that they accept."""

from __future__ import annotations

from tests.factories.webhooks import PUBLIC_ADDRESS
from tests.security.sent import PROJECT, Sent
from tests.security.world import World

VIEWER = """
GET /projects/{slug}/watching
POST /projects/{slug}/watching
POST /projects/{slug}/classes/{class_id}/watch
POST /projects/{slug}/classes/{class_id}/unwatch
"""
ADMINISTRATOR = """
GET /projects/{slug}/webhooks
POST /projects/{slug}/webhooks
GET /projects/{slug}/webhooks/{webhook_id}
POST /projects/{slug}/webhooks/{webhook_id}/events
POST /projects/{slug}/webhooks/{webhook_id}/test
POST /projects/{slug}/webhooks/{webhook_id}/on
POST /projects/{slug}/webhooks/{webhook_id}/off
POST /projects/{slug}/webhooks/{webhook_id}/deliveries/{delivery_id}/again
POST /projects/{slug}/webhooks/{webhook_id}/remove
"""
_BY_ROLE = {"viewer": VIEWER, "administrator": ADMINISTRATOR}
OF_TELLING = {line: role for role, lines in _BY_ROLE.items() for line in lines.split("\n") if line}


def of_telling(world: World) -> dict[str, Sent]:
    """A request by which the right role gets what it asks for, in the order in which they work."""
    hook = f"{PROJECT}/webhooks/{{webhook_id}}"
    return {
        f"POST {PROJECT}/watching": Sent(form={"name": world.ids["class_name"]}),
        f"POST {PROJECT}/classes/{{class_id}}/watch": Sent(),
        f"POST {PROJECT}/classes/{{class_id}}/unwatch": Sent(),
        f"POST {PROJECT}/webhooks": Sent(form={"address": f"{PUBLIC_ADDRESS}/new", "events": "recipe.ended"}),
        f"POST {hook}/events": Sent(form={"events": "recipe.ended"}),
        f"POST {hook}/deliveries/{{delivery_id}}/again": Sent(),
        f"POST {hook}/test": Sent(),
        f"POST {hook}/off": Sent(),
        f"POST {hook}/on": Sent(),
        f"POST {hook}/remove": Sent(),
    }
