"""Second opinions: asked or sampled, given blind by somebody else, agreed upon or settled."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from app.labelling import review, review_asking, service
from app.labelling.models import SecondOpinion
from app.labelling.review import Judgement
from app.labelling.schemas import Act, LabelRequest
from app.projects.models import Project
from tests.factories import labelling as make

pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def place() -> make.Workplace:
    with write() as session:
        return make.workplace(session)


def labelled(place: make.Workplace, count: int = 2) -> list[int]:
    """Images that Ann called lions."""
    with write() as session:
        image_ids = make.images(session, place.project_id, count)
    act(place, place.ann, image_ids, class_id=place.lion)
    return image_ids


def act(place: make.Workplace, user_id: int, image_ids: list[int], **values: Any) -> None:
    request = LabelRequest.model_validate(
        {"image_ids": image_ids, "act": Act.LABEL if "class_id" in values else Act.UNKNOWN, "how": "grid", **values}
    )
    with write() as session:
        service.act_on(session, request, project_id=place.project_id, user_id=user_id, may_remove_many=False)


def ask(place: make.Workplace, image_ids: list[int]) -> int:
    with write() as session:
        return review_asking.ask(session, project_id=place.project_id, image_ids=image_ids, user_id=place.rita)


def asked_of(place: make.Workplace, user_id: int, **values: Any) -> list[review.Asked]:
    with write() as session:
        return review.next_asked(session, project_id=place.project_id, user_id=user_id, **values)


def answer(place: make.Workplace, user_id: int, opinion_id: int, *said: Any) -> None:
    with write() as session:
        review.answer(session, opinion_id, Judgement(*said), project_id=place.project_id, user_id=user_id)


def states(place: make.Workplace) -> list[str]:
    with read() as session:
        query = select(SecondOpinion.state).where(SecondOpinion.project_id == place.project_id)
        return list(session.scalars(query.order_by(SecondOpinion.id)))


def test_a_question_goes_to_somebody_else_and_to_one_person_at_a_time(place: make.Workplace):
    image_ids = labelled(place)
    with write() as session:
        pool = make.images(session, place.project_id, 1, start=10)
    assert ask(place, [*image_ids, *pool]) == 2
    assert ask(place, image_ids) == 0
    assert asked_of(place, place.ann) == []
    found = asked_of(place, place.ben, count=1)
    assert [each.image_id for each in found] == image_ids[:1]
    assert [each.image_id for each in asked_of(place, place.rita)] == image_ids[1:]
    assert asked_of(place, place.ben, after=found[0].id) == []
    with pytest.raises(Forbidden):
        answer(place, place.ann, found[0].id, "unknown")
    with pytest.raises(InvalidInput):
        answer(place, place.ben, found[0].id, "labelled")
    with pytest.raises(NotFound):
        answer(place, place.ben, found[0].id + 99, "unknown")


def test_agreement_marks_the_image_reviewed_and_changes_no_label(place: make.Workplace):
    image_ids = labelled(place, 1)
    ask(place, image_ids)
    (found,) = asked_of(place, place.ben)
    with read() as session:
        before = len(make.history(session, image_ids[0]))
    answer(place, place.ben, found.id, "labelled", place.lion, place.cub)
    with read() as session:
        image = make.image(session, image_ids[0])
        assert (image.is_reviewed, image.label_version) == (True, 1)
        assert len(make.history(session, image_ids[0])) == before
    assert states(place) == ["agreed"]
    with pytest.raises(Conflict):
        answer(place, place.ben, found.id, "unknown")


def test_a_disagreement_is_settled_by_a_reviewer_and_undo_opens_it_again(place: make.Workplace):
    image_ids = labelled(place, 1)
    ask(place, image_ids)
    (found,) = asked_of(place, place.ben)
    answer(place, place.ben, found.id, "labelled", place.tiger)
    with write() as session:
        assert make.image(session, image_ids[0]).class_id == place.lion
        who: dict[str, Any] = {"project_id": place.project_id, "user_id": place.rita}
        with pytest.raises(Conflict, match="changed meanwhile"):
            review.settle(session, found.id, Judgement("labelled", place.tiger), **who, version=9)
    with write() as session:
        done = review.settle(session, found.id, Judgement("labelled", place.tiger), **who, version=1)
        image = make.image(session, image_ids[0])
        assert (image.class_id, image.is_reviewed) == (place.tiger, True)
        assert make.history(session, image_ids[0])[-1].how == "review"
        with pytest.raises(Conflict):
            review.settle(session, found.id, Judgement("unknown"), **who)
    assert states(place) == ["settled"]
    with write() as session:
        service.undo(session, done.action_id, **who, may_undo_others=True)
        assert make.image(session, image_ids[0]).class_id == place.lion
    assert states(place) == ["disagreed"]


def test_settling_for_the_first_label_keeps_it_and_calls_it_reviewed(place: make.Workplace):
    image_ids = labelled(place, 1)
    ask(place, image_ids)
    (found,) = asked_of(place, place.ben)
    answer(place, place.ben, found.id, "none")
    with write() as session:
        who: dict[str, Any] = {"project_id": place.project_id, "user_id": place.rita}
        review.settle(session, found.id, Judgement("labelled", place.lion), **who)
        image = make.image(session, image_ids[0])
        assert (image.class_id, image.is_reviewed, image.label_version) == (place.lion, True, 1)


def test_a_question_whose_label_changed_is_asked_no_more(place: make.Workplace):
    image_ids = labelled(place)
    ask(place, image_ids)
    before = asked_of(place, place.ben)
    act(place, place.rita, image_ids[:1], class_id=place.bear)
    with pytest.raises(Conflict, match="label changed"):
        answer(place, place.ben, before[0].id, "unknown")
    assert [each.image_id for each in asked_of(place, place.ben)] == image_ids[1:]
    assert states(place) == ["void", "waiting"]
    assert ask(place, image_ids) == 1


def test_a_share_of_what_people_label_is_sampled_once(place: make.Workplace):
    with write() as session:
        session.get_one(Project, place.project_id).review_percent = 100
    image_ids = labelled(place, 3)
    act(place, place.ann, image_ids[:1])
    assert states(place) == ["waiting"] * 3
    with write() as session:
        session.get_one(Project, place.project_id).review_percent = 0
        assert review.withdraw(session, project_id=place.project_id) == 3
    act(place, place.ann, image_ids[1:])
    assert states(place) == ["void"] * 3
