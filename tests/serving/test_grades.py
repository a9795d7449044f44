"""Grades: each verdict keeps what is known, contradictions are refused, one grade a transaction, undo of one's own."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput, NotFound
from app.library.models import Image
from app.projects.models import Project
from app.serving import queries
from app.serving.models import Grade, Transaction
from app.serving.schemas import TransactionFilter
from app.serving.service import grade, is_right, undo_grade
from tests.factories.accounts import make_user
from tests.factories.labelling import images
from tests.factories.registry import make_classes
from tests.factories.serving import Production, in_production, make_transaction

ANSWERED, CHOICES, UNABLE = "answered", "choices", "unable"


@pytest.fixture
def serving(project: Project) -> Production:
    return in_production(project.id)


@pytest.fixture
def user_id(serving: Production) -> int:  # noqa: ARG001 - the project serves first
    with write() as session:
        return make_user(session).id


def graded(
    project: Project, serving: Production, user_id: int, decision: str, verdict: str, true_class_id: int | None = None
) -> tuple[str, int | None]:
    """What is kept of a verdict on a transaction whose best class is the first."""
    with write() as session:
        transaction_id = make_transaction(session, project.id, serving, decision=decision)
        grade_id = grade(
            session,
            project_id=project.id,
            transaction_id=transaction_id,
            user_id=user_id,
            verdict=verdict,
            true_class_id=true_class_id,
        )
    with read() as session:
        kept = session.get_one(Grade, grade_id)
        assert session.get_one(Transaction, transaction_id).graded_at is not None
        return kept.verdict, kept.true_class_id


def test_correct_implies_the_true_class(project: Project, serving: Production, user_id: int):
    first, second, _ = serving.version.class_ids
    assert graded(project, serving, user_id, ANSWERED, "correct") == ("correct", first)
    assert graded(project, serving, user_id, CHOICES, "correct") == ("correct", first)
    assert graded(project, serving, user_id, CHOICES, "correct", second) == ("correct", second)
    assert graded(project, serving, user_id, UNABLE, "correct") == ("correct", None)


def test_wrong_goes_with_the_true_class(project: Project, serving: Production, user_id: int):
    _, second, _ = serving.version.class_ids
    assert graded(project, serving, user_id, ANSWERED, "wrong", second) == ("wrong", second)
    assert graded(project, serving, user_id, UNABLE, "wrong", second) == ("wrong", second)
    with pytest.raises(InvalidInput, match="with the true class"):
        graded(project, serving, user_id, ANSWERED, "wrong")


def test_a_list_that_held_the_true_class_was_right(project: Project, serving: Production, user_id: int):
    _, second, _ = serving.version.class_ids
    assert graded(project, serving, user_id, CHOICES, "wrong", second) == ("correct", second)


def test_a_class_the_version_does_not_know_is_not_in_the_model(project: Project, serving: Production, user_id: int):
    with write() as session:
        (later,) = make_classes(session, project.id, ["Quince"])
    assert graded(project, serving, user_id, ANSWERED, "wrong", later) == ("class_not_in_model", later)
    assert graded(project, serving, user_id, ANSWERED, "class_not_in_model") == ("class_not_in_model", None)
    assert graded(project, serving, user_id, UNABLE, "class_not_in_model", later) == ("class_not_in_model", later)


@pytest.mark.parametrize(
    ("decision", "verdict", "place"),
    [
        (ANSWERED, "wrong", 0),
        (ANSWERED, "correct", 1),
        (UNABLE, "correct", 0),
        (ANSWERED, "class_not_in_model", 1),
        (ANSWERED, "not_usable", 0),
    ],
)
def test_contradictions_are_refused(
    project: Project, serving: Production, user_id: int, decision: str, verdict: str, place: int
):
    with pytest.raises(InvalidInput):
        graded(project, serving, user_id, decision, verdict, serving.version.class_ids[place])


def test_classes_and_transactions_of_others_do_not_exist(project: Project, serving: Production, user_id: int):
    with pytest.raises(NotFound):
        graded(project, serving, user_id, ANSWERED, "wrong", 999)
    with write() as session:
        transaction_id = make_transaction(session, project.id, serving)
    with pytest.raises(NotFound), write() as session:
        grade(session, project_id=project.id + 1, transaction_id=transaction_id, user_id=user_id, verdict="correct")


@pytest.mark.parametrize(
    ("decision", "verdict", "right"),
    [
        (ANSWERED, "correct", True),
        (ANSWERED, "wrong", False),
        (ANSWERED, "class_not_in_model", False),
        (UNABLE, "class_not_in_model", True),
        (UNABLE, "wrong", False),
        (CHOICES, "correct", True),
        (ANSWERED, "not_usable", None),
    ],
)
def test_unable_is_right_where_the_class_is_unknown(decision: str, verdict: str, right: bool | None):
    assert is_right(decision, verdict) is right


def test_one_grade_a_transaction_and_undo_opens_it_again(project: Project, serving: Production, user_id: int):
    with write() as session:
        other_id = make_user(session).id
        transaction_id = make_transaction(session, project.id, serving)
        asked = {"project_id": project.id, "transaction_id": transaction_id, "verdict": "correct"}
        grade_id = grade(session, user_id=user_id, **asked)  # type: ignore[arg-type]
    with pytest.raises(Conflict), write() as session:
        grade(session, user_id=other_id, **asked)  # type: ignore[arg-type]
    with pytest.raises(NotFound), write() as session:
        undo_grade(session, project_id=project.id, grade_id=grade_id, user_id=other_id)
    with write() as session:
        assert undo_grade(session, project_id=project.id, grade_id=grade_id, user_id=user_id) == transaction_id
    with write() as session:
        grade(session, user_id=other_id, **asked)  # type: ignore[arg-type]
    with read() as session:
        assert session.scalars(select(Grade.user_id)).all() == [other_id]


def test_the_queue_is_one_random_order_without_what_is_graded_or_kept_no_image(
    project: Project, serving: Production, user_id: int
):
    with write() as session:
        image_ids = images(session, project.id, 20)
        with_image = [make_transaction(session, project.id, serving, image_id=image_id) for image_id in image_ids]
        make_transaction(session, project.id, serving)
        grade(session, project_id=project.id, transaction_id=with_image[7], user_id=user_id, verdict="correct")
    seen: list[str] = []
    with read() as session:
        assert queries.waiting_for_grade(session, project.id) == 19
        while batch := queries.to_grade(session, project.id, after=seen[-1] if seen else None, limit=6):
            seen += [one.id for one in batch]
    assert sorted(seen) == sorted(set(with_image) - {with_image[7]})
    assert seen != sorted(seen)


def test_pages_of_transactions_go_both_ways_without_gap_or_repeat(project: Project, serving: Production):
    with write() as session:
        made = [
            make_transaction(session, project.id, serving, client=f"client {number % 3}", decision=decision)
            for number, decision in enumerate([ANSWERED, UNABLE] * 8)
        ]
    newest_first = sorted(made, reverse=True)
    chosen = TransactionFilter()
    with read() as session:
        first = queries.page(session, project.id, chosen, limit=6)
        second = queries.page(session, project.id, chosen, before=first.older, limit=6)
        third = queries.page(session, project.id, chosen, before=second.older, limit=6)
        back = queries.page(session, project.id, chosen, after=third.newer, limit=6)
        top = queries.page(session, project.id, chosen, after=back.newer, limit=6)
        assert queries.count(session, project.id, TransactionFilter(decision=UNABLE)) == "8"
        assert queries.count(session, project.id, chosen, cap=10) == "10+"
        assert queries.clients(session, project.id) == ["client 0", "client 1", "client 2"]
    assert [one.id for each in (first, second, third) for one in each.lines] == newest_first
    assert (first.newer, third.older) == (None, None)
    assert [one.id for one in back.lines] == [one.id for one in second.lines]
    assert (top.newer, [one.id for one in top.lines]) == (None, newest_first[:6])


def test_filters_combine(project: Project, serving: Production, user_id: int):
    with write() as session:
        made = [
            make_transaction(session, project.id, serving, client=client, decision=decision)
            for client in ("till", "app")
            for decision in (ANSWERED, UNABLE)
        ]
        grade(session, project_id=project.id, transaction_id=made[0], user_id=user_id, verdict="correct")

    def found(**fields: object) -> list[str]:
        with read() as session:
            lines = queries.page(session, project.id, TransactionFilter.model_validate(fields)).lines
            return sorted(one.id for one in lines)

    assert found(client="till", decision=ANSWERED) == [made[0]]
    assert found(graded="yes") == found(graded="correct") == [made[0]]
    assert found(graded="wrong") == []
    assert found(graded="no", client="till") == [made[1]]
    assert found(version=serving.version.number) == sorted(made)
    assert found(version=99) == []
    with read() as session:
        assert session.scalars(select(Image.id)).all() == []
