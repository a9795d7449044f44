"""Typed errors. Services raise them; `web.error_handlers` maps each class to an HTTP status once.

A message states the rule and what was received, is safe to show to anyone who may call the service,
and never carries secrets or SQL.
"""

from __future__ import annotations


class WinnowError(Exception):
    """Base of every error that a person may cause or mend. `code` is stable for API clients."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, detail: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.detail = detail or {}


class InvalidInput(WinnowError):
    """What was sent breaks a rule (HTTP 422)."""

    code = "invalid"


class NotFound(WinnowError):
    """No such thing, or none that this caller may know of (HTTP 404)."""

    code = "not_found"


class Conflict(WinnowError):
    """The state has changed meanwhile, or forbids the act (HTTP 409)."""

    code = "conflict"


class Forbidden(WinnowError):
    """Signed in, but the role does not allow it (HTTP 403)."""

    code = "forbidden"


class NotSignedIn(WinnowError):
    """No valid session or token (HTTP 401)."""

    code = "not_signed_in"


class TooLarge(WinnowError):
    """Over a limit on bytes, pixels or entries (HTTP 413)."""

    code = "too_large"


class TooMany(WinnowError):
    """Back-pressure or back-off (HTTP 429). `retry_after_s` says when to try again."""

    code = "too_many"

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(WinnowError):
    """A part that is needed does not answer now (HTTP 503)."""

    code = "unavailable"
