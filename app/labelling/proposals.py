"""Classes that labellers miss: proposed by anybody who labels; made, refused or mapped by a reviewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from app.accounts.models import User
from app.core.clock import now
from app.core.errors import Conflict, NotFound
from app.core.texts import tr
from app.labelling.class_names import add_alias, class_named, clean_name
from app.labelling.classes import class_in_use, create_class
from app.labelling.models import ClassProposal, LabelClass
from app.library.service import get_image


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """A proposal with who made it and what became of it."""

    id: int
    name: str
    note: str
    image_id: int | None
    by: str
    created_at: datetime
    state: str
    class_id: int | None
    class_name: str | None
    reason: str
    settled_by: str | None


def propose(
    session: Session, *, project_id: int, name: str, note: str = "", image_id: int | None = None, user_id: int
) -> ClassProposal:
    """Propose a class, with the image that asks for it. A repeated proposal of a name adds nothing and is given back.

    Raises Conflict where a class, or an alias of one, is called so already.
    """
    cleaned = clean_name(name)
    known = class_named(session, project_id, cleaned)
    if known is not None and known.archived_at is None:
        raise Conflict(tr("that class is there already: %(name)s", name=known.name), detail={"class_id": known.id})
    if image_id is not None:
        get_image(session, image_id, project_id)
    made = ClassProposal(
        project_id=project_id, name=cleaned, note=note, image_id=image_id, proposed_by=user_id, created_at=now()
    )
    try:
        with session.begin_nested():
            session.add(made)
            session.flush()
    except IntegrityError:
        same = (ClassProposal.project_id == project_id, ClassProposal.folded_name == made.folded_name)
        return session.scalars(select(ClassProposal).where(*same, ClassProposal.state == "open")).one()
    return made


def make_proposed(session: Session, proposal_id: int, *, project_id: int, name: str, user_id: int) -> LabelClass:
    """Make the proposed class, under its name or a better one. Raises NotFound for none that is open, and Conflict."""
    found = _open(session, proposal_id, project_id)
    made = create_class(session, project_id=project_id, name=name or found.name, note=found.note, user_id=user_id)
    _settle(session, found, "made", user_id, class_id=made.id)
    return made


def map_proposed(
    session: Session, proposal_id: int, *, project_id: int, class_id: int, keep_as_alias: bool, user_id: int
) -> LabelClass:
    """Say that the proposed class is one that exists; its name may become an alias, so that the next one finds it."""
    found = _open(session, proposal_id, project_id)
    target = class_in_use(session, project_id=project_id, class_id=class_id)
    if keep_as_alias:
        add_alias(session, target, found.name)
    _settle(session, found, "mapped", user_id, class_id=target.id)
    return target


def refuse_proposed(session: Session, proposal_id: int, *, project_id: int, reason: str, user_id: int) -> None:
    """Refuse a proposal, with a word on why."""
    _settle(session, _open(session, proposal_id, project_id), "refused", user_id, reason=reason)


def proposals(session: Session, project_id: int, *, is_open: bool, limit: int = 100) -> Sequence[ProposalRow]:
    """Open proposals, the oldest first; or settled ones, the newest first."""
    proposer, settler = aliased(User), aliased(User)
    made = ClassProposal
    query = (
        select(
            *(made.id, made.name, made.note, made.image_id, proposer.name, made.created_at, made.state),
            *(made.class_id, LabelClass.name, made.reason, settler.name),
        )
        .join(proposer, proposer.id == made.proposed_by)
        .outerjoin(settler, settler.id == made.settled_by)
        .outerjoin(LabelClass, LabelClass.id == made.class_id)
        .where(made.project_id == project_id)
        .limit(limit)
    )
    if is_open:
        query = query.where(made.state == "open").order_by(made.id)
    else:
        query = query.where(made.state != "open").order_by(made.settled_at.desc(), made.id.desc())
    return [ProposalRow(*row) for row in session.execute(query)]


def open_proposals(session: Session, project_id: int) -> int:
    """How many proposals wait for a reviewer."""
    waiting = (ClassProposal.project_id == project_id, ClassProposal.state == "open")
    return session.scalar(select(func.count()).select_from(ClassProposal).where(*waiting)) or 0


def _open(session: Session, proposal_id: int, project_id: int) -> ClassProposal:
    found = session.get(ClassProposal, proposal_id, with_for_update=True)
    if found is None or found.project_id != project_id or found.state != "open":
        raise NotFound(tr("no open proposal %(id)s in this project", id=proposal_id))
    return found


def _settle(
    session: Session, found: ClassProposal, state: str, user_id: int, *, class_id: int | None = None, reason: str = ""
) -> None:
    found.state, found.class_id, found.reason = state, class_id, reason
    found.settled_by, found.settled_at = user_id, now()
    session.flush()
