"""The answer of a hidden check: compared with the settled truth, taken back and given again."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.labelling.models import LabelAction, LabelClass, QualityCheck
from app.library.models import ImageState


def take_answer(session: Session, check: QualityCheck, state: str, class_id: int | None) -> None:
    """Keep what the labeller says; it is right where the class is the one that the truth is known under today."""
    check.answer_state, check.answer_class_id, check.answered_at = state, class_id, now()
    says_something = state in (ImageState.LABELLED, ImageState.NONE)
    said, truth = (_today(session, each) for each in (class_id, check.truth_class_id))
    check.is_right = said == truth if says_something else None


def _today(session: Session, class_id: int | None) -> int | None:
    """The class that a class was merged into, else itself."""
    found = session.get(LabelClass, class_id) if class_id is not None else None
    return found.merged_into_id or found.id if found is not None else None


def turn_back(session: Session, undone: LabelAction, by: LabelAction) -> bool:
    """Take the answer of a check back, or give it again, where that is what an undo undoes; whether it is."""
    check = session.scalar(select(QualityCheck).where(QualityCheck.action_id == undone.id))
    if check is None:
        return False
    check.action_id, check.version, by.images = by.id, check.version + 1, 1
    if check.answered_at is not None:
        check.answered_at = check.is_right = None
    elif check.answer_state is not None:
        take_answer(session, check, check.answer_state, check.answer_class_id)
    session.flush()
    return True
