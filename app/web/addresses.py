"""Where one may be sent on to: a path of ours, never another site."""

from __future__ import annotations

from urllib.parse import urlsplit


def own_path(text: str, *, otherwise: str = "/") -> str:
    """`text` when it is a path on this site, else `otherwise`.

    Browsers read a backslash as a slash and drop tabs and line breaks, so anything with those is refused too.
    """
    if not text.startswith("/") or text.startswith("//") or "\\" in text or not text.isprintable():
        return otherwise
    parts = urlsplit(text)
    return otherwise if parts.scheme or parts.netloc else text
