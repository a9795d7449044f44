"""Something on the pages of review: a standard, aliases, a proposal, second opinions, a hidden check, two at once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from app.core.clock import now
from app.core.database import read, write
from app.labelling import class_merge, class_standard, classes, proposals, review, review_asking
from app.labelling.models import QualityCheck, SecondOpinion
from app.labelling.review import Judgement
from app.labelling.schemas import Change
from app.labelling.service import apply_labels
from tests.browser.library import Fruit
from tests.factories.accounts import make_user
from tests.factories.projects import add_member


def stock_review(fruit: Fruit, user_id: int, labelled: list[tuple[int, int]], pool: list[int]) -> None:
    """Have somebody else agree on some labels and disagree on others, and the rest of what review shows."""
    apple, melon, orange = fruit.classes.values()
    who: dict[str, Any] = {"project_id": fruit.id, "user_id": user_id}
    image_ids = [image_id for image_id, _ in labelled]
    with write() as session:
        other = make_user(session).id
        add_member(session, project_id=fruit.id, user_id=other, role="labeller")
        class_standard.add_examples(session, **who, class_id=apple, image_ids=image_ids[:3], is_good=True, note="Whole")
        class_standard.add_examples(session, **who, class_id=apple, image_ids=image_ids[-2:], is_good=False)
        class_standard.set_look_alike(session, **who, class_id=apple, other_id=orange, note="Apples shine")
        values = {"aliases": ["Malus", "Apfel"], "colour": "#c02020", "key": "a"}
        classes.change_class(session, **who, class_id=apple, name="Apple", note="A round fruit.", **values)
        classes.create_sub_class(session, **who, class_id=apple, name="green")
        class_merge.train_as(session, **who, class_id=melon, as_id=orange)
        proposals.propose(
            session, project_id=fruit.id, name="Pomelo", note="Too large", image_id=pool[0], user_id=other
        )
        review_asking.ask(session, **who, image_ids=image_ids[:8])
    with read() as session:
        asked = session.execute(select(SecondOpinion.id, SecondOpinion.first_class_id).order_by(SecondOpinion.id)).all()
    with write() as session:
        for place, (opinion_id, class_id) in enumerate(asked[:6]):
            said = Judgement("labelled", orange if place % 3 == 0 else class_id)
            review.answer(session, opinion_id, said, project_id=fruit.id, user_id=other)
        late = [Change(pool[1], class_id=apple, expected_version=9), Change(pool[2], class_id=apple)]
        apply_labels(session, **who, how="grid", changes=late, kind="label", summary="Labelled Apple")
        for image_id, said_class in zip(image_ids[8:12], (apple, apple, orange, apple), strict=True):
            check = QualityCheck(
                project_id=fruit.id, user_id=other, image_id=image_id, truth_class_id=apple, shown_at=now()
            )
            check.answered_at, check.answer_state, check.answer_class_id = now(), "labelled", said_class
            check.is_right = said_class == apple
            session.add(check)
