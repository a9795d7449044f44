"""The gate holds a candidate against production, and against nothing when nothing serves."""

from __future__ import annotations

from sqlalchemy import update

from app.core.clock import now
from app.core.database import read, write
from app.labelling.models import LabelClass
from app.promotion.rules import Verdict
from app.promotion.service import Gate, gate
from tests.factories.evaluation import answers, benchmark_set, evaluated
from tests.factories.registry import TinyVersion, deploy, tiny_version
from tests.promotion.conftest import Bench


def judged(bench: Bench, version: TinyVersion) -> Gate:
    with read() as session:
        return gate(session, version.id, bench.project_id)


def by_rule(found: Gate) -> dict[str, Verdict]:
    return {each.rule: each.verdict for each in found.findings}


def test_without_production_only_floors_and_the_out_of_model_bound_apply(bench: Bench):
    bench.evaluate(bench.first, 20)
    found = judged(bench, bench.first)
    assert found.production_id is None
    assert by_rule(found) == {
        "floor of 50% on Field": Verdict.PASSED,
        "floor of 20% for each class": Verdict.PASSED,
        "false answers at most 25%": Verdict.PASSED,
    }
    bench.evaluate(bench.first, 300)
    assert judged(bench, bench.first).verdict == Verdict.FAILED


def test_a_version_that_was_never_evaluated_or_not_on_every_set_is_not_proven(bench: Bench):
    assert by_rule(judged(bench, bench.first))["measured"] == Verdict.NOT_PROVEN
    bench.evaluate(bench.first)
    assert judged(bench, bench.first).verdict == Verdict.PASSED
    benchmark_set(bench.project_id, 3, bench.first.class_ids[0], name="Hard")
    found = judged(bench, bench.first)
    assert found.verdict == Verdict.NOT_PROVEN
    assert "not measured on: Hard" in found.findings[0].says


def test_equally_good_passes_and_states_what_it_could_have_seen(bench: Bench):
    bench.evaluate(bench.first, 20)
    bench.evaluate(bench.second, 18)
    deploy(bench.project_id, bench.first.id)
    found = judged(bench, bench.second)
    assert (found.verdict, found.production_id) == (Verdict.PASSED, bench.first.id)
    sentence = next(each.says for each in found.findings if each.rule == "not worse on Field")
    assert "400 images: 2 fixed, 0 broken, 18 still wrong" in sentence
    assert "(80% power)" in sentence


def test_significantly_worse_fails_even_above_every_floor(bench: Bench):
    bench.evaluate(bench.first, 20)
    bench.evaluate(bench.second, 45)
    deploy(bench.project_id, bench.first.id)
    found = judged(bench, bench.second)
    assert found.verdict == Verdict.FAILED
    assert by_rule(found)["not worse on Field"] == Verdict.FAILED
    assert by_rule(found)["floor of 50% on Field"] == Verdict.PASSED


def test_a_set_too_small_to_see_the_tolerated_drop_proves_nothing(bench: Bench):
    few = bench.answers()[:50]
    for version in (bench.first, bench.second):
        evaluated(bench.project_id, version, {bench.subset: few})
    deploy(bench.project_id, bench.first.id)
    found = judged(bench, bench.second)
    assert found.verdict == Verdict.NOT_PROVEN
    assert by_rule(found)["enough clean images"] == Verdict.PASSED


def test_too_few_clean_images_prove_nothing(bench: Bench):
    few = bench.answers()[:20]
    for version in (bench.first, bench.second):
        evaluated(bench.project_id, version, {bench.subset: few}, exposed=380)
    deploy(bench.project_id, bench.first.id)
    found = judged(bench, bench.second)
    assert by_rule(found)["enough clean images"] == Verdict.NOT_PROVEN
    assert any("380 left out as seen in training" in each.says for each in found.findings)


def test_images_that_one_of_the_two_learnt_from_count_for_neither_side(bench: Bench):
    bench.evaluate(bench.first, 30)
    rest = bench.answers(30)[30:]
    evaluated(bench.project_id, bench.second, {bench.subset: rest}, exposed=30)
    deploy(bench.project_id, bench.first.id)
    sentence = next(each.says for each in judged(bench, bench.second).findings if each.rule == "not worse on Field")
    assert "370 images: 0 fixed, 0 broken, 0 still wrong" in sentence
    assert "30 left out" in sentence


def test_a_class_that_production_knows_must_not_be_lost_unless_it_is_archived(bench: Bench):
    wider = tiny_version(bench.project_id, ["Apple", "Pear", "Kiwi"])
    bench.evaluate(wider)
    bench.evaluate(bench.second)
    deploy(bench.project_id, wider.id)
    found = judged(bench, bench.second)
    assert by_rule(found)["no class lost"] == Verdict.FAILED
    assert any("Kiwi" in each.says for each in found.findings)
    with write() as session:
        session.execute(update(LabelClass).where(LabelClass.id == wider.class_ids[2]).values(archived_at=now()))
    assert judged(bench, bench.second).verdict == Verdict.PASSED


def test_single_answers_for_images_of_no_known_class_are_bounded(bench: Bench):
    apple = bench.first.class_ids[0]
    set_id, ids = benchmark_set(bench.project_id, 40, None, name="Strange")
    said = {bench.subset: bench.answers(), f"benchmark:{set_id}": answers(ids, 0, apple, 0.9)}
    evaluated(bench.project_id, bench.first, said, upper=0.8)
    assert by_rule(judged(bench, bench.first))["false answers at most 25%"] == Verdict.FAILED
    evaluated(bench.project_id, bench.first, said, upper=0.95)
    assert judged(bench, bench.first).verdict == Verdict.PASSED


def test_a_set_marked_tuning_chooses_thresholds_and_is_never_part_of_the_gate(bench: Bench):
    apple, pear = bench.first.class_ids
    set_id, ids = benchmark_set(bench.project_id, 40, apple, name="Choosing", is_tuning=True)
    said = {bench.subset: bench.answers(), f"benchmark:{set_id}": answers(ids, apple, pear, 0.9)}
    evaluated(bench.project_id, bench.first, said)
    found = judged(bench, bench.first)
    assert found.verdict == Verdict.PASSED
    assert not any("Choosing" in each.rule for each in found.findings)


def test_production_itself_is_judged_as_if_nothing_served(bench: Bench):
    bench.evaluate(bench.first, 20)
    deploy(bench.project_id, bench.first.id)
    assert judged(bench, bench.first).production_id is None
