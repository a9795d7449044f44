"""The part of a catalogue that page scripts use, as one file a language."""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import sha256
from typing import Any

from app.core.texts import SOURCE, language, read_catalogue


@lru_cache(maxsize=16)
def script_texts(code: str) -> bytes:
    """JSON `{message: translation}`, plural ones `{message: [forms]}`, of the messages that come from a script."""
    texts: dict[str, Any] = {}
    for message in read_catalogue(code):
        if message.string and any(place.startswith("static/js/") for place, _ in message.locations):
            key = message.id if isinstance(message.id, str) else message.id[0]
            texts[key] = message.string
    return json.dumps(texts, ensure_ascii=False, sort_keys=True).encode()


def texts_address() -> str:
    """Where scripts find the texts of the language in use; empty for English. It changes with them, to be kept."""
    code = language()
    return "" if code == SOURCE else f"/texts/{code}.json?v={sha256(script_texts(code)).hexdigest()[:12]}"
