"""A list of addresses as the source of an import: each file is fetched under the rules of `core.egress`.

The list is text with one address a line, or a CSV table with a column `url`. A table also stands among the files as a
CSV file of its own, with the name of each file added, so that its other columns label and describe like any table's.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final
from urllib.parse import unquote, urlsplit

from app.core.egress import get_egress, parse_address
from app.core.errors import InvalidInput, TooLarge, WinnowError
from app.core.settings import get_settings
from app.library.listing import Entry, Skipped, safe_name
from app.library.uploads import StagedWriter, open_upload, staged_files, upload_folder

TABLE_NAME: Final = "addresses.csv"
MAX_LIST_BYTES: Final = 32 * 2**20
_URL_COLUMNS: Final = ("url", "address", "image_url", "uri", "link")
_FILE_COLUMNS: Final = ("file", "file_name", "filename", "path", "image")


def stage_addresses(project_id: int, content: bytes) -> str:
    """Put a list into an upload of its own; returns the upload's id. Raises InvalidInput, TooLarge."""
    if not read_list(content).rows:
        raise InvalidInput("a list needs at least one address; received none")
    upload_id = open_upload(project_id)
    with StagedWriter(upload_folder(upload_id, project_id), name="addresses.txt", max_bytes=MAX_LIST_BYTES) as file:
        file.write(content)
    return upload_id


class AddressList:
    """The rows of a list: address, and the table's other cells."""

    def __init__(self, rows: list[dict[str, str]], url_column: str, columns: list[str]) -> None:
        self.rows, self.url_column, self.columns = rows, url_column, columns


def read_list(content: bytes) -> AddressList:
    """Parse a list. Raises InvalidInput where it is no UTF-8 text or no table, TooLarge over the caps."""
    if len(content) > MAX_LIST_BYTES:
        raise TooLarge(f"a list of addresses may have at most {MAX_LIST_BYTES:,} bytes; received {len(content):,}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"a list of addresses must be UTF-8; byte {error.start:,} is not") from error
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    header = lines[0].lower() if lines else ""
    delimiter = max((",", ";", "\t"), key=header.count)
    names = [name.strip().strip('"') for name in header.split(delimiter)]
    url_column = next((name for name in _URL_COLUMNS if name in names), None)
    if url_column is None:
        return _within_cap(AddressList([{"url": line} for line in lines], "url", ["url"]))
    try:
        table = csv.DictReader(io.StringIO(text), fieldnames=names, delimiter=delimiter, strict=True)
        next(table)
        rows = [{name: (row.get(name) or "").strip() for name in names} for row in table]
    except csv.Error as error:
        raise InvalidInput(f"the table of addresses cannot be read: {error}") from error
    return _within_cap(AddressList([row for row in rows if row[url_column]], url_column, names))


def _within_cap(found: AddressList) -> AddressList:
    most = get_settings().max_list_addresses
    if len(found.rows) > most:
        raise TooLarge(f"a list may have at most {most:,} addresses; this one has {len(found.rows):,}")
    return found


class AddressSource:
    """The files behind a staged list. Nothing is fetched before an entry is opened."""

    readers = 8

    def __init__(self, folder: Path) -> None:
        """Raises InvalidInput, TooLarge, NotFound."""
        files = staged_files(folder)
        if len(files) != 1:
            raise InvalidInput(f"a list of addresses is one file; received {len(files):,}")
        self._list = read_list((folder / files[0].stored_as).read_bytes())

    def files(self) -> Iterator[Entry | Skipped]:
        """A table's CSV file first, then each address in the list's order."""
        names = self._names()
        if len(self._list.columns) > 1:
            yield Entry(TABLE_NAME, partial(io.BytesIO, self._table(names)))
        for row, name in zip(self._list.rows, names, strict=True):
            url = row[self._list.url_column]
            try:
                parse_address(url)
            except InvalidInput as error:
                yield Skipped(name, error.message)
                continue
            yield Entry(name, partial(_fetch, url))

    def close(self) -> None:
        """Nothing is held open."""

    def _names(self) -> list[str]:
        """A distinct name for each address: the table's own, else the path, numbered where it comes again."""
        seen: dict[str, int] = {TABLE_NAME: 1}
        names = []
        for row in self._list.rows:
            name = _name_of(row, row[self._list.url_column])
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > 1:
                path = PurePosixPath(name)
                name = str(path.with_name(f"{path.stem} ({seen[name]}){path.suffix}"))
            names.append(name)
        return names

    def _table(self, names: list[str]) -> bytes:
        columns = [name for name in self._list.columns if name not in _FILE_COLUMNS]
        text = io.StringIO()
        table = csv.DictWriter(text, ["file", *columns], extrasaction="ignore")
        table.writeheader()
        for row, name in zip(self._list.rows, names, strict=True):
            table.writerow({**row, "file": name})
        return text.getvalue().encode()


def _name_of(row: dict[str, str], url: str) -> str:
    own = next((row[column] for column in _FILE_COLUMNS if row.get(column)), None)
    if own is not None and (checked := safe_name(own)) is not None:
        return checked
    try:
        path = unquote(urlsplit(url).path).strip("/")
    except ValueError:
        path = ""
    return safe_name(path) or "file"


def _fetch(url: str) -> BinaryIO:
    try:
        return get_egress().fetch(url, max_bytes=get_settings().max_upload_bytes)
    except WinnowError as error:
        # One address that may not be reached never ends an import: it is skipped with the reason.
        raise OSError(error.message) from error
