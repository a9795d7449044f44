"""Whether an answer is one that we formulate, or a fault."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

from tests.web_client import Browser

FORMULATED = frozenset({200, 201, 303, 403, 404, 409, 413, 422})


def fault_of(
    browser: Browser, method: str, address: str, *, also: AbstractSet[int] = frozenset(), **options: Any
) -> str | None:
    """What went wrong with a request, if its answer is none that we formulate (nor one of `also`)."""
    try:
        status = browser.request(method, address, **options).status_code
    except Exception as error:  # noqa: BLE001 - a fault of the application, which the client passes on
        return repr(error)[:200]
    return None if status in FORMULATED | also else str(status)
