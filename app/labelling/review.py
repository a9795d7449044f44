"""Second opinions: handed out blind to somebody else, compared with the first label, settled by a reviewer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from app.core.texts import tr
from app.labelling.classes import class_in_use, sub_class_of
from app.labelling.models import SecondOpinion
from app.labelling.review_asking import JUDGED
from app.labelling.schemas import ActionResult, Change
from app.labelling.service import apply_labels
from app.library.models import Image, ImageState
from app.library.service import change_images

HOLD = timedelta(minutes=10)
WAITING_CAP = 10_000
_LOOKED_THROUGH = 200


@dataclass(frozen=True, slots=True)
class Judgement:
    """What somebody says an image shows: a state of JUDGED, and the class of a labelled one."""

    state: str
    class_id: int | None = None
    sub_class_id: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """An image in front of the second person: nothing of what the first one said."""

    id: int
    image_id: int
    rotation: int


def next_asked(session: Session, *, project_id: int, user_id: int, after: int = 0, count: int = 2) -> list[Asked]:
    """The next images that this person may give a second opinion on, held for them for HOLD. Needs a write session.

    Never one that they labelled themselves, nor one in front of somebody else. `after` passes over those up to that id.
    """
    _drop_overtaken(session, project_id, after)
    moment = now()
    free = or_(SecondOpinion.held_until.is_(None), SecondOpinion.held_until <= moment, SecondOpinion.held_by == user_id)
    wanted = (
        select(SecondOpinion.id)
        .where(SecondOpinion.project_id == project_id, SecondOpinion.state == "waiting", SecondOpinion.id > after)
        .where(SecondOpinion.first_user_id.is_distinct_from(user_id), free)
        .order_by(SecondOpinion.id)
        .limit(count)
        .with_for_update(skip_locked=True)
    )
    ids = list(session.scalars(wanted))
    held = update(SecondOpinion).where(SecondOpinion.id.in_(ids))
    session.execute(held.values(held_by=user_id, held_until=moment + HOLD))
    rows = session.execute(
        select(SecondOpinion.id, Image.id, Image.rotation)
        .join(Image, Image.id == SecondOpinion.image_id)
        .where(SecondOpinion.id.in_(ids))
        .order_by(SecondOpinion.id)
    )
    return [Asked(*row) for row in rows]


def waiting(session: Session, project_id: int, user_id: int) -> int:
    """How many images wait for this person's opinion, counted up to WAITING_CAP."""
    mine = SecondOpinion.first_user_id.is_distinct_from(user_id)
    return _count(session, project_id, "waiting", mine)


def disagreements(session: Session, project_id: int) -> int:
    """How many disagreements wait for a reviewer, counted up to WAITING_CAP."""
    return _count(session, project_id, "disagreed")


def answer(session: Session, opinion_id: int, said: Judgement, *, project_id: int, user_id: int) -> None:
    """Give a second opinion. Where it agrees, the image counts as reviewed; else a reviewer settles it.

    Labels agree where state and class do, and sub-classes where both name one. No label changes. Raises Forbidden for
    who gave the first label, Conflict where it is answered already or the label has changed since it was asked for.
    """
    found = _locked(session, opinion_id, project_id)
    if found.state != "waiting":
        raise Conflict(tr("this was answered meanwhile, or is not asked any more"))
    if found.first_user_id == user_id:
        raise Forbidden(tr("a second opinion is somebody else's: this label is yours"))
    _check(session, project_id, said)
    image = session.get_one(Image, found.image_id)
    if (image.state, image.class_id, image.sub_class_id) != _first(found):
        raise Conflict(tr("the label changed since the opinion was asked for; there is nothing to compare"))
    found.second_state, found.second_class_id = said.state, said.class_id
    found.second_sub_class_id, found.second_user_id, found.second_at = said.sub_class_id, user_id, now()
    found.held_by = found.held_until = None
    found.state = "agreed" if agree(Judgement(*_first(found)), said) else "disagreed"
    session.flush()
    if found.state == "agreed":
        change_images(session, [found.image_id], project_id=project_id, is_reviewed=True)


def take_back(session: Session, opinion_id: int, *, project_id: int, user_id: int) -> None:
    """Take one's own second opinion back, as long as nobody has settled it; it is in front of one again.

    Raises Forbidden for another's, Conflict where it is settled or not answered.
    """
    found = _locked(session, opinion_id, project_id)
    if found.second_user_id != user_id:
        raise Forbidden(tr("only who gave a second opinion takes it back"))
    if found.state not in {"agreed", "disagreed"}:
        raise Conflict(tr("it is settled already, or was never answered"))
    if found.state == "agreed":
        change_images(session, [found.image_id], project_id=project_id, is_reviewed=False)
    found.state, found.held_by, found.held_until = "waiting", user_id, now() + HOLD
    found.second_state = found.second_class_id = found.second_sub_class_id = None
    found.second_user_id = found.second_at = None
    session.flush()


def agree(first: Judgement, second: Judgement) -> bool:
    """Whether two people say the same."""
    if (first.state, first.class_id) != (second.state, second.class_id):
        return False
    named = {first.sub_class_id, second.sub_class_id} - {None}
    return len(named) <= 1


def settle(
    session: Session, opinion_id: int, said: Judgement, *, project_id: int, user_id: int, version: int | None = None
) -> ActionResult:
    """Settle a disagreement: the image gets this label as a reviewer's act that undo takes back, and is reviewed.

    `version` is the label version that the reviewer saw. Raises Conflict where it is settled already, where somebody
    changed the label since, or where the image was removed.
    """
    found = _locked(session, opinion_id, project_id)
    if found.state != "disagreed":
        raise Conflict(tr("there is no disagreement here, or it is settled already"))
    _check(session, project_id, said)
    result = apply_labels(
        session,
        project_id=project_id,
        user_id=user_id,
        how="review",
        changes=[_change(found.image_id, said, version)],
        kind="settle",
        summary="Settled a second opinion",
    )
    if result.skipped:
        raise Conflict(tr("the image cannot take this label: %(why)s", why=result.skipped[0].why))
    change_images(session, [found.image_id], project_id=project_id, is_reviewed=True)
    found.state, found.settled_by, found.settled_at = "settled", user_id, now()
    found.settled_action_id = result.action_id
    session.flush()
    return result


def withdraw(session: Session, *, project_id: int) -> int:
    """Take back every question that nobody has answered yet; returns how many."""
    waiting = (SecondOpinion.project_id == project_id, SecondOpinion.state == "waiting")
    gone = session.execute(update(SecondOpinion).where(*waiting).values(state="void").returning(SecondOpinion.id))
    return len(gone.all())


def _change(image_id: int, said: Judgement, version: int | None) -> Change:
    if said.class_id is None:
        return Change(image_id, to_state=said.state, expected_version=version)
    return Change(image_id, class_id=said.class_id, sub_class_id=said.sub_class_id, expected_version=version)


def _check(session: Session, project_id: int, said: Judgement) -> None:
    if said.state not in JUDGED or (said.state == ImageState.LABELLED) != (said.class_id is not None):
        raise InvalidInput(tr("say a class, unknown, or none of the classes"))
    if said.class_id is not None:
        class_in_use(session, project_id=project_id, class_id=said.class_id)
        if said.sub_class_id is not None:
            sub_class_of(session, class_id=said.class_id, sub_class_id=said.sub_class_id)


def _locked(session: Session, opinion_id: int, project_id: int) -> SecondOpinion:
    found = session.get(SecondOpinion, opinion_id, with_for_update=True)
    if found is None or found.project_id != project_id:
        raise NotFound(tr("no second opinion %(id)s in this project", id=opinion_id))
    return found


def _first(found: SecondOpinion) -> tuple[str, int | None, int | None]:
    return found.first_state, found.first_class_id, found.first_sub_class_id


def _drop_overtaken(session: Session, project_id: int, after: int) -> None:
    """Questions whose image has another label by now are void: among the next few, so that the cost stays the same."""
    next_few = (
        select(SecondOpinion.id)
        .where(SecondOpinion.project_id == project_id, SecondOpinion.state == "waiting", SecondOpinion.id > after)
        .order_by(SecondOpinion.id)
        .limit(_LOOKED_THROUGH)
        .subquery()
    )
    as_asked = exists().where(
        Image.id == SecondOpinion.image_id,
        Image.state == SecondOpinion.first_state,
        Image.class_id.is_not_distinct_from(SecondOpinion.first_class_id),
        Image.sub_class_id.is_not_distinct_from(SecondOpinion.first_sub_class_id),
    )
    overtaken = and_(SecondOpinion.id.in_(select(next_few.c.id)), ~as_asked)
    session.execute(
        update(SecondOpinion).where(overtaken).values(state="void"), execution_options={"synchronize_session": False}
    )


def _count(session: Session, project_id: int, state: str, *conditions: ColumnElement[bool]) -> int:
    of_project = (SecondOpinion.project_id == project_id, SecondOpinion.state == state)
    some = select(SecondOpinion.id).where(*of_project, *conditions).limit(WAITING_CAP).subquery()
    return session.scalar(select(func.count()).select_from(some)) or 0
