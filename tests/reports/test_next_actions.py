"""The next action follows from where the project stands: one rule after the other, with its reason and its role."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.registry.schemas import Production, TrunkRef, VersionRef
from app.reports.home import Candidates, ClassCount, Standing
from app.reports.loop import stops
from app.reports.next_actions import advise

TRUNK = TrunkRef(1, "d", "compact_cnn", 24, 12, "v1", "w", "e", "d", 100)
V3 = VersionRef(
    3, 1, 3, 7, False, "candidate", None, 1, "head_only", "h", "d", 1.0, datetime(2026, 5, 1, tzinfo=UTC), TRUNK
)
APPLE, PEAR, PLUM = ClassCount(1, "Apple", 90, 90), ClassCount(2, "Pear", 60, 60), ClassCount(3, "Plum", 37, 37)

EMPTY = Standing(lower_cutoff=40, images={})
IMPORTED = replace(EMPTY, images={"pool": 300}, waiting_for_label=300)
LABELLING = replace(IMPORTED, classes=(APPLE, PLUM), images={"pool": 173, "labelled": 127})
READY = replace(LABELLING, classes=(APPLE, PEAR, PLUM))
TRAINED = replace(READY, newest=V3, newest_knows=frozenset({1, 2}), versions=1, snapshots=1, newest_is_measured=True)
BENCHMARKED = replace(TRAINED, benchmark_sets=1)
SERVING = replace(BENCHMARKED, production=Production(3, 3, 1, 0.8, 0.4), served=200)


@pytest.mark.parametrize(
    ("standing", "act", "words"),
    [
        (EMPTY, "Import images", "library is empty"),
        (IMPORTED, "Make the classes", "300 images and no class yet"),
        (LABELLING, "Label images", "1 reach that now. The closest: Plum 37"),
        (READY, "Train the first version", "2 classes have at least 40"),
        (TRAINED, "Choose benchmark images", "there is none yet"),
        (BENCHMARKED, "See whether v3 passes the gate", "nothing serves yet"),
        (replace(SERVING, production=Production(2, 2, 1, 0.8, 0.4)), "See whether v3 passes the gate", "v2 serves now"),
        (replace(SERVING, newest_knows=frozenset({1})), "Train with the new classes", "Pear has reached 40"),
        (replace(SERVING, labelled_since=120), "Train the next version", "120 images labelled since v3"),
        (SERVING, "Find images for small classes", "Plum 37 of 40"),
        (
            replace(SERVING, candidates=Candidates(9, {"Plum": 17})),
            "Look through 17 candidates",
            "classes below the cutoff: Plum 17",
        ),
        (replace(SERVING, classes=(APPLE, PEAR), conflicts=1), "Settle label conflicts", "1 image arrived again"),
        (replace(SERVING, classes=(APPLE, PEAR), waiting_for_grade=1000), "Grade answers", "1,000+ answers"),
        (replace(SERVING, classes=(APPLE, PEAR)), "Label the pool", "v3 suggests a class"),
        (
            replace(SERVING, classes=(APPLE, PEAR), waiting_for_label=0, served=0),
            "See how a client asks",
            "no request came",
        ),
    ],
)
def test_the_first_rule_that_applies_leads(standing: Standing, act: str, words: str):
    first = advise(standing, "administrator")[0]
    assert first.act == act
    assert words in first.reason
    assert first.is_allowed


def test_nothing_to_do_says_nothing():
    assert advise(replace(SERVING, classes=(APPLE, PEAR), waiting_for_label=0), "administrator") == []


def test_a_training_under_way_is_not_asked_for_again():
    training = {"training.train": "running"}
    for standing in (READY, replace(SERVING, labelled_since=120), SERVING):
        acts = [one.act for one in advise(replace(standing, open_runs=training), "engineer")]
        assert not [act for act in acts if act.startswith(("Train", "Find images"))]


def test_a_rejected_or_older_version_is_not_sent_to_the_gate_again():
    for standing in (
        replace(BENCHMARKED, newest=replace(V3, state="rejected")),
        replace(BENCHMARKED, newest_is_measured=False),
        replace(BENCHMARKED, production=Production(4, 4, 1, 0.8, 0.4)),
    ):
        assert not [one for one in advise(standing, "engineer") if "gate" in one.act]


@pytest.mark.parametrize(("role", "mine"), [("viewer", False), ("labeller", False), ("engineer", True)])
def test_what_a_role_may_not_do_is_marked(role: str, mine: bool):
    first = advise(EMPTY, role)[0]  # type: ignore[arg-type]
    assert (first.role, first.is_allowed) == ("engineer", mine)


def test_the_loop_shows_each_stop_with_its_figure_and_run():
    drawn = {stop.key: stop for stop in stops(replace(SERVING, open_runs={"training.train": "queued"}))}
    assert list(drawn) == [
        "import", "label", "snapshot", "train", "evaluate", "benchmark", "promote", "serve", "identify"
    ]  # fmt: skip
    assert (drawn["label"].figure, drawn["label"].note) == ("127", "2 of 3 classes at 40")
    assert (drawn["promote"].figure, drawn["train"].run_state, drawn["evaluate"].run_state) == ("v3", "queued", None)
    assert [stop.is_reached for stop in stops(EMPTY)] == [False] * 9
