"""JSON documents of strangers, read piece by piece."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import ijson

from app.core.errors import InvalidInput
from app.exchange.formats.rows import REPORT_NAME
from app.exchange.schemas import Listing

HEAD_BYTES: Final = 4096


@contextmanager
def refused(name: str) -> Iterator[None]:
    """Turns what a broken document raises into InvalidInput with its name."""
    try:
        yield
    except (ijson.JSONError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise InvalidInput(f"{name[:80]!r} is no JSON document that can be read: {str(error)[:200]}") from error


def entries(name: str, content: bytes, prefix: str) -> Iterator[Any]:
    """The values at a prefix of ijson, such as "images.item". Raises InvalidInput for what is no JSON."""
    with refused(name):
        yield from ijson.items(io.BytesIO(content), prefix, use_float=True)


def members(name: str, content: bytes, prefix: str) -> Iterator[tuple[str, Any]]:
    """Key and value of each member of the object at a prefix. Raises InvalidInput for what is no JSON."""
    with refused(name):
        yield from ijson.kvitems(io.BytesIO(content), prefix, use_float=True)


def documents(listing: Listing) -> list[str]:
    """The JSON files of a source, the least deep first."""
    return sorted((name for name in listing.names if name.lower().endswith(".json")), key=lambda n: n.count("/"))


def first_with(listing: Listing, *wanted: str) -> str | None:
    """The first JSON file that is an object and in which all of these names occur: a guess that costs no parsing."""
    for name in documents(listing):
        try:
            content = listing.read(name)
        except InvalidInput:
            continue
        is_object = content[:HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
        if is_object and all(f'"{word}"'.encode() in content for word in wanted):
            return name
    return None


def describing(listing: Listing, *names: str, also: str = REPORT_NAME) -> list[str]:
    """The names of describing files and of those that an export of ours puts beside them, which are no pictures."""
    others = {REPORT_NAME, also}
    return [*names, *(name for name in listing.names if name.rsplit("/", 1)[-1] in others)]


def beside(describing: str, file: str) -> str:
    """A name that a document writes relative to itself, relative to the source."""
    inside = describing.rpartition("/")[0]
    return f"{inside}/{file}" if inside else file
