"""Grades: what a person says of a served answer, in the user's mindset, one grade a transaction.

What is stored says as much as is known: where the verdict implies the true class, it is kept with it, so that figures
need no second rule. Whether a verdict means that the answer was right is decided in one place, `is_right`.
"""

from __future__ import annotations

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.errors import Conflict, InvalidInput, NotFound
from app.inference.ranking import Decision
from app.labelling.models import LabelClass
from app.registry.models import VersionClass
from app.serving.models import Grade, Transaction
from app.serving.schemas import Verdict, as_transaction_id


def get_transaction(session: Session, transaction_id: str, project_id: int) -> Transaction:
    """A transaction of this project. Raises NotFound."""
    found = session.get(Transaction, as_transaction_id(transaction_id))
    if found is None or found.project_id != project_id:
        raise NotFound(f"no transaction {transaction_id[:40]} in this project")
    return found


def grade(
    session: Session,
    *,
    project_id: int,
    transaction_id: str,
    user_id: int,
    verdict: Verdict | str,
    true_class_id: int | None = None,
) -> int:
    """Grade a transaction in a write session; returns the grade's id.

    "wrong" needs the true class. A true class that the version does not know makes it "class not in the model"; one
    that a list of choices held makes it "correct". Raises NotFound; InvalidInput where verdict and class contradict
    each other or the answer; Conflict where somebody graded it before.
    """
    transaction = get_transaction(session, transaction_id, project_id)
    settled, class_id = _settle(session, transaction, Verdict(verdict), true_class_id)
    claimed = session.connection().execute(
        update(Transaction)
        .where(Transaction.id == transaction.id, Transaction.graded_at.is_(None))
        .values(graded_at=now())
    )
    if claimed.rowcount == 0:
        raise Conflict("somebody graded this transaction meanwhile", code="already_graded")
    made = Grade(transaction_id=transaction.id, user_id=user_id, verdict=settled, true_class_id=class_id, at=now())
    session.add(made)
    session.flush()
    return made.id


def undo_grade(session: Session, *, project_id: int, grade_id: int, user_id: int) -> str:
    """Take back a grade of one's own; returns the transaction, which waits for a grade again. Raises NotFound."""
    found = session.get(Grade, grade_id)
    if found is None or found.user_id != user_id:
        raise NotFound("there is no such grade of yours")
    transaction = get_transaction(session, found.transaction_id, project_id)
    session.delete(found)
    session.flush()
    session.execute(update(Transaction).where(Transaction.id == transaction.id).values(graded_at=None))
    return transaction.id


def is_right(decision: str, verdict: str) -> bool | None:
    """Whether the answer was the right one; None where that cannot be said, since the image was not usable.

    "Unable to identify" is the right answer to an image whose class the version does not know.
    """
    if verdict == Verdict.NOT_USABLE:
        return None
    if verdict == Verdict.CLASS_NOT_IN_MODEL:
        return decision == Decision.UNABLE
    return verdict == Verdict.CORRECT


def _settle(
    session: Session, transaction: Transaction, verdict: Verdict, class_id: int | None
) -> tuple[Verdict, int | None]:
    if class_id is not None:
        _require_class(session, transaction.project_id, class_id)
    match verdict:
        case Verdict.CORRECT:
            return verdict, _right_class(transaction, class_id)
        case Verdict.NOT_USABLE:
            _forbid_class(class_id, "an image that is not usable has no true class")
            return verdict, None
        case Verdict.CLASS_NOT_IN_MODEL:
            if class_id is not None and _knows(session, transaction, class_id):
                raise InvalidInput("the version that answered knows this class; the verdict is wrong, or correct")
            return verdict, class_id
        case Verdict.WRONG:
            return _wrong(session, transaction, class_id)


def _right_class(transaction: Transaction, class_id: int | None) -> int | None:
    """The class that was right about a correct answer; None where the refusal was right."""
    if transaction.decision == Decision.UNABLE:
        _forbid_class(class_id, "nothing was answered: where the image shows a known class, the verdict is wrong")
        return None
    if class_id is None or class_id == transaction.class_1:
        return transaction.class_1
    if transaction.decision == Decision.CHOICES and class_id in _offered(transaction):
        return class_id
    raise InvalidInput("the answer was another class; the verdict is wrong")


def _wrong(session: Session, transaction: Transaction, class_id: int | None) -> tuple[Verdict, int]:
    if class_id is None:
        raise InvalidInput("a wrong answer is graded with the true class", detail={"fields": {"true_class_id": ""}})
    if not _knows(session, transaction, class_id):
        return Verdict.CLASS_NOT_IN_MODEL, class_id
    if transaction.decision == Decision.CHOICES and class_id in _offered(transaction):
        return Verdict.CORRECT, class_id
    if transaction.decision == Decision.ANSWERED and class_id == transaction.class_1:
        raise InvalidInput("that is the class that was answered; the verdict is correct")
    return Verdict.WRONG, class_id


def _offered(transaction: Transaction) -> set[int]:
    return {choice["class_id"] for choice in transaction.answer["choices"]}


def _knows(session: Session, transaction: Transaction, class_id: int) -> bool:
    """Whether the version scores this class, or one that was merged into it since."""
    merged = select(LabelClass.id).where(LabelClass.merged_into_id == class_id)
    query = select(VersionClass.class_id).where(
        VersionClass.version_id == transaction.version_id,
        or_(VersionClass.class_id == class_id, VersionClass.class_id.in_(merged)),
    )
    return session.scalar(query.limit(1)) is not None


def _require_class(session: Session, project_id: int, class_id: int) -> None:
    query = select(LabelClass.id).where(LabelClass.id == class_id, LabelClass.project_id == project_id)
    if session.scalar(query) is None:
        raise NotFound(f"no class {class_id} in this project")


def _forbid_class(class_id: int | None, rule: str) -> None:
    if class_id is not None:
        raise InvalidInput(rule)
