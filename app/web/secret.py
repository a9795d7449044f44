"""The installation's own secret: random, made at first use, kept in the data folder for its owner alone."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from functools import lru_cache
from pathlib import Path

from app.core.settings import get_settings

SECRET_BYTES = 32


@lru_cache(maxsize=8)
def _secret_at(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, secrets.token_bytes(SECRET_BYTES))
            os.fsync(handle)
        finally:
            os.close(handle)
        _publish(beside, path)
    secret = path.read_bytes()
    if len(secret) != SECRET_BYTES:
        raise ValueError(
            f"{path.name} must hold {SECRET_BYTES} bytes, found {len(secret)}; delete it to make a new one"
        )
    return secret


def _publish(beside: Path, path: Path) -> None:
    """Give the file its name unless another process was first: then its secret counts."""
    try:
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        beside.unlink()


def keyed_digest(purpose: str, text: str) -> str:
    """HMAC-SHA-256 of the text under the installation's secret, 64 hex digits; `purpose` keeps uses apart."""
    secret = _secret_at(get_settings().data_dir.resolve() / "secret.key")
    return hmac.new(secret, f"{purpose}\0{text}".encode(), hashlib.sha256).hexdigest()
