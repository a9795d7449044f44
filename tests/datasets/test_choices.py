"""Which images of a large class are taken: real first, reviewed first, spread, and always the same ones."""

from collections import Counter
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.datasets.choosing import EARLIER_CHOICE, EVERY_IMAGE, Standing, in_order, quotas, standing
from app.datasets.schemas import Draw, ImageColumns
from app.datasets.splitting import draw
from tests.datasets.columns import columns_of, libraries, rearranged

NONE = np.zeros(0, dtype=np.int64)


def taken(
    columns: ImageColumns, upper: int, *, clusters: object = None, earlier: object = NONE, seed: int = 0
) -> dict[int, str]:
    """Ids of the images that a snapshot takes, with the reason."""
    decided, now = ready(columns, seed)
    order = in_order(
        columns,
        decided,
        now,
        previous_ids=np.asarray(earlier),
        clusters=np.zeros(len(columns), dtype=np.int64) if clusters is None else np.asarray(clusters),
        seed=seed,
    )
    rows, why = order.chosen(quotas(now.by_split, lower=1, upper=upper), now)
    return dict(zip(columns.id[rows].tolist(), why, strict=True))


def ready(columns: ImageColumns, seed: int) -> tuple[Draw, Standing]:
    decided = draw(columns, seed=seed)
    return decided, standing(columns, decided, np.array([1, 2, 3]), include_small=True)


def trained_on(count: int, **given_columns: object) -> ImageColumns:
    """Images that all train already, so that a choice is of one split."""
    return columns_of(count, split=np.zeros(count, dtype=np.int64), **given_columns)


@given(libraries(), st.integers(1, 12), st.integers(0, 9), st.randoms(use_true_random=False), st.data())
@settings(max_examples=40)
def test_a_choice_does_not_depend_on_the_order_of_rows(
    columns: ImageColumns, upper: int, seed: int, shuffler: Random, more: st.DataObject
):
    count = len(columns)
    clusters = np.array(more.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    order = np.array(shuffler.sample(range(count), count))
    plain = taken(columns, upper, clusters=clusters, seed=seed)
    assert taken(rearranged(columns, order), upper, clusters=clusters[order], seed=seed) == plain


@given(libraries(), st.integers(1, 12), st.sets(st.integers(1, 60), max_size=20))
@settings(max_examples=40)
def test_earlier_then_real_then_reviewed_come_first(columns: ImageColumns, upper: int, earlier: set[int]):
    chosen = taken(columns, upper, earlier=sorted(earlier))
    decided, now = ready(columns, 0)
    standings: dict[tuple[int, int], list[tuple[tuple[bool, int, bool], bool]]] = {}
    for row in np.flatnonzero(now.usable).tolist():
        image_id = int(columns.id[row])
        tier = (image_id not in earlier, int(columns.origin[row]), not columns.reviewed[row])
        group = int(columns.class_id[row]), int(decided.split[row])
        standings.setdefault(group, []).append((tier, image_id in chosen))
    for members in standings.values():
        last = max((tier for tier, is_taken in members if is_taken), default=None)
        assert last is None or all(is_taken for tier, is_taken in members if tier < last)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=5), st.integers(2, 60))
@settings(max_examples=40)
def test_sub_classes_get_equal_shares_as_far_as_they_reach(sizes: list[int], upper: int):
    sub_classes = np.repeat(np.arange(1, len(sizes) + 1), sizes)
    columns = trained_on(len(sub_classes), sub_class_id=sub_classes)
    got = Counter(sub_classes[np.array(sorted(taken(columns, upper)), dtype=np.int64) - 1].tolist())
    most = max(got.values())
    assert sum(got.values()) == min(upper, len(sub_classes))
    assert all(got[at] in (size, most, most - 1) for at, size in enumerate(sizes, start=1))


def test_clusters_take_turns_and_an_image_says_that_it_is_the_first_of_its_own():
    clusters = np.repeat([1, 2, 3, 4], [88, 4, 4, 4])
    spread = taken(trained_on(100), 12, clusters=clusters)
    assert Counter(clusters[np.array(list(spread)) - 1].tolist()) == {1: 3, 2: 3, 3: 3, 4: 3}
    assert Counter(spread.values()) == {"real, first of its cluster": 4, "real": 8}
    assert len(taken(trained_on(100), 12)) == 12


def test_a_burst_gives_one_image_before_it_gives_two_and_that_over_its_clusters():
    burst = np.repeat([1, 0], [60, 11])
    clusters = np.concatenate([np.repeat([1, 2], 30), np.full(11, 3)])
    some = np.array(list(taken(trained_on(71, capture_group=burst), 12, clusters=clusters)))
    assert np.sum(burst[some - 1]) == 1
    more = np.array(list(taken(trained_on(71, capture_group=burst), 21, clusters=clusters)))
    assert Counter(clusters[more - 1].tolist()) == {1: 5, 2: 5, 3: 11}


def test_a_whole_class_and_an_earlier_choice_say_so():
    columns = trained_on(6, reviewed=[True, False, False, False, False, False], origin=[0, 0, 0, 0, 1, 1])
    assert set(taken(columns, 6).values()) == {EVERY_IMAGE}
    assert taken(columns, 3, earlier=[5, 6]) == {5: EARLIER_CHOICE, 6: EARLIER_CHOICE, 1: "reviewed"}
    assert set(taken(columns, 5).values()) == {"reviewed", "real", "staged"}
