"""CSV for spreadsheets, in which no cell is taken for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

MAX_CELL: Final = 2**20
csv.field_size_limit(MAX_CELL)  # Of the whole process: notes and lists in a cell may be longer than Python's default.

# With the wide forms, which Japanese and Chinese editions take for the plain ones (OWASP, "CSV Injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would read a formula; `plain_cell` takes it off."""
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA_STARTS) else text


def plain_cell(cell: str) -> str:
    """The text that `safe_cell` was given."""
    guarded = cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA_STARTS)
    return cell[1:] if guarded else cell


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Rows of text as CSV (RFC 4180), every cell made safe."""
    target = io.StringIO()
    csv.writer(target, lineterminator="\r\n").writerows([[safe_cell(cell) for cell in row] for row in rows])
    return target.getvalue()
