"""A bucket, or a part of one, in S3-compatible storage as the source of an import.

Where it lies and with which keys is told by the settings alone; a request names a connection and a prefix.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from app.core.egress import get_egress, parse_address, stream_of
from app.core.errors import InvalidInput, Unavailable, WinnowError
from app.core.settings import S3Connection, get_settings
from app.library.listing import Entry, Skipped, is_junk, safe_name

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

_PIECE: Final = 1024 * 1024


def split_path(path: str) -> tuple[str, str]:
    """Connection and prefix of `connection/prefix`. Raises InvalidInput for a connection that the settings lack."""
    name, _, prefix = path.partition("/")
    connections = get_settings().storage_connections
    if name not in connections:
        known = ", ".join(sorted(connections)) or "none"
        raise InvalidInput(
            f"a connection to object storage is one of those in the settings ({known}); received {name!r}"
        )
    if prefix.strip("/") and safe_name(prefix.strip("/")) != prefix.strip("/"):
        raise InvalidInput(f"a prefix is a plain relative path; received {prefix[:80]!r}")
    return name, prefix.strip("/")


class ObjectSource:
    """The objects below a prefix, listed once."""

    readers = 8

    def __init__(self, path: str) -> None:
        """Raises InvalidInput, Forbidden for an endpoint that may not be reached, Unavailable where it is silent."""
        name, prefix = split_path(path)
        connection = get_settings().storage_connections[name]
        self._store = _open_store(connection)
        whole = "/".join(part for part in (connection.prefix.strip("/"), prefix) if part)
        self._prefix = f"{whole}/" if whole else ""
        self._listed: list[tuple[str, int]] | None = None

    def files(self) -> Iterator[Entry | Skipped]:
        """Every object below the prefix, by key. Raises Unavailable."""
        for key, size in self._objects():
            name = key.removeprefix(self._prefix)
            checked = safe_name(name)
            if checked is None or checked != name:
                yield Skipped(name[:200], "its key is not a plain relative path")
            elif not is_junk(name):
                yield Entry(name, partial(_open, self._store, key), size)

    def close(self) -> None:
        """Nothing is held open."""

    def _objects(self) -> list[tuple[str, int]]:
        if self._listed is None:
            try:
                pages = obstore.list(self._store, prefix=self._prefix or None)
                found = ((entry["path"], entry["size"]) for page in pages for entry in page)
                self._listed = sorted((key, size) for key, size in found if not key.endswith("/"))
            except (BaseError, OSError) as error:
                raise Unavailable(f"the object storage gives no listing: {_words(error)}") from error
        return self._listed


def _open_store(connection: S3Connection) -> S3Store:
    """Check where the endpoint leads, then connect. Addresses of buckets are paths, as most installations have them."""
    is_plain = False
    if connection.endpoint:
        address = parse_address(connection.endpoint)
        is_plain = address.scheme == "http"
        try:
            get_egress().pin(address)
        except OSError as error:
            raise Unavailable(f"the host of the object storage cannot be found: {error}") from error
    config: S3Config = {"region": connection.region}
    if connection.endpoint:
        config["endpoint"] = connection.endpoint
    if key := connection.access_key_id.get_secret_value():
        config |= {"access_key_id": key, "secret_access_key": connection.secret_access_key.get_secret_value()}
    else:
        config["skip_signature"] = True
    options: ClientConfig = {"allow_http": is_plain, "timeout": f"{get_settings().fetch_seconds:g}s"}
    try:
        return S3Store(connection.bucket, config=config, client_options=options, retry_config={"max_retries": 3})
    except (BaseError, ValueError) as error:
        raise InvalidInput(f"the settings of the object storage are unusable: {_words(error)}") from error


def _open(store: S3Store, key: str) -> BinaryIO:
    try:
        pieces = obstore.get(store, key).stream(min_chunk_size=_PIECE)
    except (BaseError, WinnowError) as error:
        raise OSError(_words(error)) from error
    return stream_of(_pieces(pieces), max_bytes=get_settings().max_upload_bytes)


def _pieces(pieces: obstore.BytesStream) -> Iterator[bytes]:
    try:
        for piece in pieces:
            yield bytes(piece)
    except BaseError as error:
        raise OSError(_words(error)) from error


def _words(error: BaseException) -> str:
    """The first line of what was said: further ones carry the whole request."""
    return str(error).strip().split("\n", 1)[0][:200]
