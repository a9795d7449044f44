"""Columns of small libraries for tests of splits and choices, given or drawn at random."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from app.datasets.schemas import ImageColumns

_NUMBERS = ("sub_class_id", "origin", "rotation", "duplicate_group", "capture_group")
_OFF = ("small", "retired", "leaked", "benchmark", "reviewed")
_ON = ("labelled", "good", "representative")


def columns_of(count: int, **given_columns: object) -> ImageColumns:
    """Labelled, good, real images of one class, but for what is given."""
    numbers = {name: np.zeros(count, dtype=np.int64) for name in _NUMBERS}
    numbers["class_id"] = np.ones(count, dtype=np.int64)
    flags = {name: np.zeros(count, dtype=bool) for name in _OFF}
    flags |= {name: np.ones(count, dtype=bool) for name in _ON}
    whole = {
        "id": np.arange(1, count + 1),
        "split": np.full(count, -1, dtype=np.int64),
        **numbers,
        **flags,
        **{name: np.asarray(values) for name, values in given_columns.items()},
    }
    return ImageColumns(**whole)


@st.composite
def libraries(draw_from: st.DrawFn, most: int = 40) -> ImageColumns:
    """Any small library in which nothing has been drawn yet."""
    count = draw_from(st.integers(1, most))

    def each(low: int, high: int) -> list[int]:
        return draw_from(st.lists(st.integers(low, high), min_size=count, max_size=count))

    def rarely() -> np.ndarray:
        return np.array(each(0, 9)) == 0

    return columns_of(
        count,
        class_id=each(1, 3),
        sub_class_id=each(0, 2),
        origin=np.where(np.array(each(0, 5)) == 0, each(0, 2), 0),
        duplicate_group=np.where(np.array(each(0, 2)) == 0, each(1, 15), 0),
        capture_group=np.where(np.array(each(0, 2)) == 0, each(1, 10), 0),
        labelled=~rarely(),
        good=~rarely(),
        representative=~rarely(),
        benchmark=rarely(),
        retired=rarely(),
        reviewed=rarely(),
    )


def rearranged(columns: ImageColumns, order: np.ndarray) -> ImageColumns:
    """The same images in another order."""
    return ImageColumns(**{name: values[order] for name, values in vars(columns).items()})
