"""What goes with a request when routes are tried."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PROJECT = "/projects/{slug}"
API = "/api/v1"
CONFLICT = frozenset({409})


@dataclass(frozen=True)
class Sent:
    """What goes with a request: other ids than the world's in its address, its body, what it is to end with."""

    ids: dict[str, Any] = field(default_factory=dict)
    form: dict[str, Any] | None = None
    json: dict[str, Any] | None = None
    content: bytes | None = None
    files: dict[str, tuple[str, bytes]] | None = None
    query: dict[str, str] = field(default_factory=dict)
    ends: frozenset[int] = frozenset({200, 201, 303})

    def options(self) -> dict[str, Any]:
        """As keyword arguments of a test client's request."""
        body = {"data": self.form, "json": self.json, "content": self.content, "files": self.files}
        return {**body, "params": self.query}
