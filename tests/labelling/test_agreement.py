"""Kappa equals scikit-learn's and the published example's; the report sorts second opinions by class and by pair."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from app.core.clock import now
from app.core.database import write
from app.labelling.agreement import kappa, report
from app.labelling.models import SecondOpinion
from tests.factories import labelling as make

# Fleiss, Cohen and Everitt 1969, table 1: 200 cases by two psychiatrists.
PUBLISHED = {(1, 1): 106, (1, 2): 10, (1, 3): 4, (2, 1): 22, (2, 2): 28, (2, 3): 10, (3, 1): 2, (3, 2): 12, (3, 3): 6}


def test_kappa_and_its_interval_are_the_published_ones():
    found = kappa(PUBLISHED)
    assert found is not None
    assert found.value == pytest.approx(0.429, abs=0.001)
    assert (found.high - found.low) / 2 / 1.96 == pytest.approx(0.0537, abs=0.0002)


@given(st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 3)), st.integers(1, 9), min_size=2))
def test_kappa_is_scikit_learns(table: dict[tuple[int, int], int]):
    first = [one for (one, _), count in table.items() for _ in range(count)]
    second = [two for (_, two), count in table.items() for _ in range(count)]
    found = kappa(table)
    assert found is not None
    assert found.value == pytest.approx(cohen_kappa_score(first, second), abs=1e-9)
    assert -1 <= found.low <= found.value <= found.high <= 1


def test_kappa_of_nothing_or_of_one_answer_is_not_measured():
    assert kappa({}) is None
    assert kappa({(1, 1): 5}) is None


@pytest.mark.usefixtures("installation")
def test_the_report_goes_by_class_and_by_pair_whoever_was_first():
    with write() as session:
        place = make.workplace(session)
        image_ids = make.images(session, place.project_id, 5)
        said = [
            (place.ann, place.lion, place.ben, place.lion),
            (place.ben, place.tiger, place.ann, place.tiger),
            (place.ben, place.lion, place.ann, place.tiger),
            (place.ann, None, place.rita, None),
        ]
        for image_id, (first, class_1, second, class_2) in zip(image_ids, said, strict=False):
            state_1, state_2 = ("labelled" if each else "unknown" for each in (class_1, class_2))
            session.add(
                SecondOpinion(
                    project_id=place.project_id,
                    image_id=image_id,
                    why="asked",
                    asked_at=now(),
                    state="agreed" if class_1 == class_2 else "disagreed",
                    first_state=state_1,
                    first_class_id=class_1,
                    first_user_id=first,
                    second_state=state_2,
                    second_class_id=class_2,
                    second_user_id=second,
                    second_at=now(),
                )
            )
        session.flush()
        found = report(session, place.project_id)
        of_rita = report(session, place.project_id, user_id=place.rita)
    assert (found.overall.share.hits, found.overall.pairs) == (3, 4)
    assert [(each.what, each.share.hits, each.pairs) for each in found.by_class] == [
        ("Lion", 3, 4),
        ("Tiger", 3, 4),
        ("unknown", 4, 4),
    ]
    assert [(each.what, each.share.hits, each.pairs) for each in found.by_pair] == [
        ("ann and ben", 2, 3),
        ("ann and rita", 1, 1),
    ]
    assert of_rita.overall.pairs == 1
