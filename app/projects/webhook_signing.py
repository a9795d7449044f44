"""The signature of what a webhook gets: HMAC-SHA-256 over time and body, so that neither can be changed or replayed."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from app.web.secret import keyed_digest

PREFIX: Final = "whsec_"


def secret_of(salt: str) -> str:
    """The signing key of a webhook. It is nowhere stored: it follows from the salt and the installation's secret."""
    return PREFIX + keyed_digest("webhook", salt)


def signature(secret: str, body: bytes, *, at: int) -> str:
    """The header's value: `t=SECONDS,v1=HEX`. What is signed is the time in seconds since 1970, a dot, and the body."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"
