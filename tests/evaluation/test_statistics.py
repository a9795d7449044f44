"""Intervals and tests equal SciPy's; the smallest detectable drop is what a simulation detects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from app.core.shares import wilson
from app.evaluation.statistics import (
    holm_broken,
    mcnemar_worse,
    share_json,
    smallest_detectable_drop,
)

shares = st.integers(1, 3000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@settings(max_examples=100, deadline=None)
@given(shares, st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_scipys(share: tuple[int, int], confidence: float):
    hits, total = share
    ours = wilson(hits, total, confidence=confidence)
    theirs = stats.binomtest(hits, total).proportion_ci(confidence, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0.0 <= ours.low <= ours.value <= ours.high <= 1.0
    assert ours.margin == pytest.approx((theirs.high - theirs.low) / 2)


def test_nothing_measured_may_be_anything():
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)
    assert share_json(0, 0) is None
    assert share_json(3, 3) == pytest.approx(
        {"hits": 3, "total": 3, "low": 0.4385, "high": 1.0, "value": 1.0}, abs=1e-4
    )


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_the_exact_binomial_test(broken: int, fixed: int):
    expected = stats.binomtest(broken, broken + fixed, 0.5, "greater").pvalue if broken + fixed else 1.0
    assert mcnemar_worse(broken, fixed) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("broken", [1020, 1100, 1300])
def test_mcnemar_by_its_normal_limit_agrees_with_the_exact_one(broken: int):
    expected = stats.binomtest(broken, 2001, 0.5, "greater").pvalue
    assert mcnemar_worse(broken, 2001 - broken) == pytest.approx(expected, abs=2e-3)


@settings(max_examples=100, deadline=None)
@given(shares, st.floats(0.05, 0.95))
def test_a_single_floor_is_broken_exactly_when_the_upper_bound_lies_below_it(share: tuple[int, int], floor: float):
    upper_bound = wilson(*share).high
    if abs(upper_bound - floor) > 1e-9:
        assert holm_broken([(*share, floor)]) == [upper_bound < floor]


@settings(max_examples=60, deadline=None)
@given(st.lists(shares, min_size=1, max_size=8), st.floats(0.1, 0.9))
def test_holm_rejects_step_by_step(counts: list[tuple[int, int]], floor: float):
    levels = [
        2 * stats.norm.cdf((hits / total - floor) / np.sqrt(floor * (1 - floor) / total))
        if hits / total < floor
        else 1.0
        for hits, total in counts
    ]
    order = np.argsort(levels, kind="stable")
    rejected = [False] * len(levels)
    for rank, place in enumerate(order.tolist()):
        if levels[place] * (len(levels) - rank) >= 0.05:
            break
        rejected[place] = True
    assert holm_broken([(*share, floor) for share in counts]) == rejected


def test_one_low_class_among_many_needs_more_evidence_than_one_alone():
    low = (4, 40, 0.25)
    assert holm_broken([low]) == [True]
    assert holm_broken([low, *[(30, 40, 0.25)] * 30])[0] is False
    assert holm_broken([(0, 0, 0.5), (0, 5, 0.0)]) == [False, False]


@pytest.mark.parametrize(("pairs", "disagreement"), [(120, 0.0), (300, 0.03), (400, 0.15), (1500, 0.05)])
def test_the_smallest_detectable_drop_is_detected_about_four_times_in_five(pairs: int, disagreement: float):
    discordant = round(pairs * disagreement)
    drop = smallest_detectable_drop(discordant // 2, discordant - discordant // 2, pairs)
    disagree = max(disagreement, drop)
    random = np.random.default_rng(7)
    rows = random.multinomial(pairs, [(disagree + drop) / 2, (disagree - drop) / 2, 1 - disagree], size=1500)
    power = np.mean([mcnemar_worse(int(broken), int(fixed)) < 0.05 for broken, fixed, _ in rows])
    assert 0.76 <= power <= 0.95


def test_more_pairs_see_smaller_drops_and_none_sees_nothing():
    drops = [smallest_detectable_drop(5, 5, pairs) for pairs in (20, 100, 500, 5000)]
    assert drops == sorted(drops, reverse=True)
    assert smallest_detectable_drop(0, 0, 0) == 1.0
    assert smallest_detectable_drop(0, 0, 3) == 1.0
