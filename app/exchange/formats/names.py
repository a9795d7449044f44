"""Names as parts of paths: what an archive may hold on every system, whatever a class or a file is called."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from app.library.listing import safe_name

PART_BYTES: Final = 120
SUFFIXES: Final = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "gif": ".gif", "bmp": ".bmp"} | {
    "tiff": ".tif",
    "heif": ".heic",
    "avif": ".avif",
}
_FORBIDDEN: Final = re.compile(r'[\\/:*?"<>|]+')
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def safe_part(text: str) -> str:
    """The text as one part of a path: no separator, no control character, no reserved name, at most PART_BYTES."""
    composed = unicodedata.normalize("NFC", text)
    plain = "".join(sign for sign in composed if not unicodedata.category(sign).startswith("C"))
    part = _FORBIDDEN.sub("_", plain)
    part = part.encode("utf-8", "replace")[:PART_BYTES].decode("utf-8", "ignore").strip(" .")
    return f"_{part}" if not part or _RESERVED.match(part) else part


def file_part(name: str, image_format: str) -> str:
    """A file's own name as a part of a path, with the suffix of what it really is."""
    base = name.rsplit("/", 1)[-1]
    suffix = SUFFIXES.get(image_format, ".bin")
    stem = base.rsplit(".", 1)[0] if "." in base.strip(".") else base
    return f"{safe_part(stem)}{suffix}"


def numbered(path: str, number: int) -> str:
    """The path with a number before its suffix, for a second file of that name."""
    stem, dot, suffix = path.rpartition(".")
    return f"{stem}~{number}{dot}{suffix}"


def heard_name(written: str) -> str | None:
    """A file's name as a description writes it, as a relative one; None where it tries to lead elsewhere."""
    flat = written.strip().replace("\\", "/")
    flat = re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*://|[A-Za-z]:)", "", flat)
    return safe_name(flat.lstrip("/"))


class Folders:
    """A folder for each class and sub-class, different ones for different names whatever their case."""

    def __init__(self, *reserved: str) -> None:
        self._parts: dict[tuple[str, str], str] = {}
        self._taken = {f"/{name}".casefold() for name in reserved}

    def part(self, inside: str, name: str) -> str:
        """The folder of `name` inside another one; the same for the same name."""
        known = self._parts.get((inside, name))
        if known is not None:
            return known
        plain = safe_part(name)
        if plain.lower().endswith((*SUFFIXES.values(), ".bin")):  # a file beside it may have that name
            plain += "_"
        part, number = plain, 1
        while f"{inside}/{part}".casefold() in self._taken:
            number += 1
            part = f"{plain} ({number})"
        self._taken.add(f"{inside}/{part}".casefold())
        self._parts[inside, name] = part
        return part
