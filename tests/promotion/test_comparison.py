"""Two versions side by side: changes by class as the truth was settled, and what was left out."""

from __future__ import annotations

import pytest

from app.core.database import read
from app.promotion.comparison import class_changes, paired_sets, unmeasured_sets
from app.promotion.queries import other_to_compare
from app.registry.queries import get_version, production
from tests.factories.evaluation import answers, benchmark_set, evaluated
from tests.factories.registry import deploy, tiny_version
from tests.promotion.conftest import Bench


def test_changes_are_counted_by_settled_class_over_all_sets_what_got_worse_first(bench: Bench):
    apple, pear = bench.first.class_ids
    wider = tiny_version(bench.project_id, ["Apple", "Pear", "Kiwi"])
    kiwi = wider.class_ids[2]
    kiwis, kiwi_ids = benchmark_set(bench.project_id, 6, kiwi, name="Kiwis")
    bench_subset, kiwi_subset = bench.subset, f"benchmark:{kiwis}"
    evaluated(bench.project_id, bench.first, {bench_subset: bench.answers(5), kiwi_subset: answers(kiwi_ids, 0, pear)})
    evaluated(bench.project_id, wider, {bench_subset: bench.answers(8), kiwi_subset: answers(kiwi_ids, kiwi, kiwi)})
    with read() as session:
        changes = class_changes(session, bench.project_id, wider.id, bench.first.id)
        pairs = {each.set_name: each for each in paired_sets(session, bench.project_id, wider.id, bench.first.id)}
        reverse = class_changes(session, bench.project_id, bench.first.id, wider.id)
    assert [(each.name, each.images, each.fixed, each.broken) for each in changes] == [
        ("Apple", 400, 0, 3),
        ("Kiwi", 6, 6, 0),
    ]
    assert [(each.name, each.fixed, each.broken) for each in reverse] == [("Kiwi", 0, 6), ("Apple", 3, 0)]
    assert (pairs["Kiwis"].right, pairs["Kiwis"].p_value) == (6, pytest.approx(2 / 64))
    assert (pairs["Field"].right, pairs["Field"].still_wrong) == (392, 5)
    assert apple != pear


def test_none_of_the_classes_is_a_truth_of_its_own(bench: Bench):
    pear = bench.first.class_ids[1]
    set_id, ids = benchmark_set(bench.project_id, 4, None, name="Strange")
    evaluated(bench.project_id, bench.first, {f"benchmark:{set_id}": answers(ids, 0, pear, 0.9)})
    evaluated(bench.project_id, bench.second, {f"benchmark:{set_id}": answers(ids, 0, pear, 0.5)})
    with read() as session:
        (change,) = class_changes(session, bench.project_id, bench.second.id, bench.first.id)
        assert unmeasured_sets(session, bench.project_id, bench.second.id) == ["Field"]
    assert (change.name, change.fixed, change.broken) == ("none of the classes", 4, 0)


def test_versions_without_a_set_in_common_have_no_changes(bench: Bench):
    with read() as session:
        assert class_changes(session, bench.project_id, bench.second.id, bench.first.id) == []
        assert paired_sets(session, bench.project_id, bench.second.id, bench.first.id) == []


def test_unasked_a_version_is_held_against_production_else_its_parent_else_the_one_before(bench: Bench):
    child = tiny_version(bench.project_id, ["Apple", "Pear"], parent_id=bench.first.id, start="warm")

    def other(version_id: int) -> int | None:
        with read() as session:
            serving = production(session, bench.project_id)
            return other_to_compare(session, get_version(session, version_id), serving)

    assert (other(child.id), other(bench.second.id), other(bench.first.id)) == (1, 1, None)
    deploy(bench.project_id, bench.second.id)
    assert (other(child.id), other(bench.first.id), other(bench.second.id)) == (2, 2, 1)
