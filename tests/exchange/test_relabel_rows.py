"""What one row of an edited table asks of an image."""

from __future__ import annotations

import pytest

from app.exchange.formats.columns import LABEL_COLUMNS, TableRow, label_check
from app.exchange.relabel_rows import BadRow, Now, Wanted, is_unedited, wanted

LION = Now(1, "1.jpg", "labelled", "Lion", "cub", "good", is_small_subject=False, rotation=0, version=3)
POOL = Now(2, "2.jpg", "pool", "", "", "", is_small_subject=False, rotation=90, version=0)


def row(**cells: str) -> TableRow:
    return TableRow(2, {name: cell for name, cell in cells.items() if name != "class_"} | _class(cells), {})


def _class(cells: dict[str, str]) -> dict[str, str]:
    return {"class": cells["class_"]} if "class_" in cells else {}


@pytest.mark.parametrize(
    ("now", "cells", "expected"),
    [
        (LION, {}, Wanted()),
        (LION, {"class_": "lion", "sub_class": "CUB", "state": "labelled", "quality": "good"}, Wanted()),
        (LION, {"class_": "Tiger"}, Wanted(class_name="Tiger")),
        (LION, {"class_": "Tiger", "sub_class": "cub"}, Wanted(class_name="Tiger", sub_class="cub")),
        (LION, {"class_": "Lion", "sub_class": ""}, Wanted(class_name="Lion", sub_class="")),
        (LION, {"sub_class": "male"}, Wanted(class_name="Lion", sub_class="male")),
        (LION, {"class_": "", "state": "labelled"}, Wanted(state="pool")),
        (LION, {"class_": "Lion", "state": "unknown"}, Wanted(state="unknown")),
        (LION, {"class_": "", "state": "none"}, Wanted(state="none")),
        (LION, {"state": "Removed "}, Wanted(state="removed")),
        (LION, {"quality": "dark", "rotation": "180"}, Wanted(quality="dark", rotation=180)),
        (LION, {"quality": "", "small_subject": "YES"}, Wanted(quality="", is_small_subject=True)),
        (POOL, {"class_": "Lion", "state": "pool"}, Wanted(class_name="Lion")),
        (POOL, {"class_": "  ", "state": "pool", "rotation": "90"}, Wanted()),
        (POOL, {"state": "unknown"}, Wanted(state="unknown")),
    ],
)
def test_a_row_asks_for_what_differs(now: Now, cells: dict[str, str], expected: Wanted):
    assert wanted(row(**cells), now) == expected


@pytest.mark.parametrize(
    ("now", "cells", "rule"),
    [
        (LION, {"class_": "Tiger", "state": "unknown"}, "both the class"),
        (POOL, {"state": "labelled"}, "needs a class"),
        (LION, {"state": "quarantined"}, "state is one of"),
        (LION, {"quality": "nice"}, "quality is one of"),
        (LION, {"rotation": "45"}, "rotation is one of"),
        (LION, {"small_subject": "perhaps"}, "small_subject is one of"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused_with_the_rule(now: Now, cells: dict[str, str], rule: str):
    with pytest.raises(BadRow, match=rule):
        wanted(row(**cells), now)


def test_a_row_is_unedited_while_its_check_fits():
    cells = dict.fromkeys(LABEL_COLUMNS, "x")
    check = label_check(list(cells.values()))
    assert is_unedited(TableRow(2, {**cells, "label_check": check}, {}))
    assert not is_unedited(TableRow(2, {**cells, "class": "y", "label_check": check}, {}))
    assert not is_unedited(TableRow(2, cells, {}))
    assert not is_unedited(TableRow(2, {"class": "x", "label_check": check}, {}))
