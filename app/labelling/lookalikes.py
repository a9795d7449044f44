"""Labelling by pages of look-alikes: which page is next, and a labeller's answer to it as one action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import insert_into
from app.core.errors import InvalidInput
from app.core.texts import tr
from app.labelling.lookalike_pool import Pool, pool_of
from app.labelling.lookalike_schemas import PageAnswer, PageRequest, Proposed, ProposedSection, TakenOut
from app.labelling.models import LabelAction, LabelClass, LabelRejection
from app.labelling.propagation import Places, Section
from app.labelling.queue import shown
from app.labelling.queue_models import QueueLease
from app.labelling.schemas import UNSET, ActionResult, Change
from app.labelling.service import apply_labels
from app.labelling.suggested import ShownSuggestions, shown_suggestions
from app.library.models import Image, ImageState

_MOST_REJECTIONS: Final = 1000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A section of the next page before its images are leased: class id (None: none proposed), (image id, how sure)."""

    class_id: int | None
    images: list[tuple[int, float]]


def next_candidates(session: Session, asked: PageRequest, *, project_id: int, user_id: int) -> list[Candidate]:
    """What the next page should show to this labeller; empty where nothing waits that has an embedding.

    `session` is one for reading. Images in hand, with others or skipped are left out; the page is ranked as if the
    supposed labels were given.
    """
    pool = pool_of(session, project_id, asked.view)
    in_use = set(session.scalars(select(LabelClass.id).where(*_in_use(project_id))))
    busy = set(_busy(session, user_id)) | set(asked.have)
    in_hand = [one for one in asked.supposed if one.class_id in in_use]
    supposed = {image_id: one.class_id for one in in_hand for image_id in one.image_ids}
    with pool.lock:
        propagation = pool.supposing(supposed)
        waiting = pool.is_waiting.copy()
        waiting[pool.places([*busy, *supposed])] = False
        rejected = _rejections(session, pool)
        sections = propagation.page(np.flatnonzero(waiting), rejected, size=asked.size, one_class=asked.one_class)
        return [_candidate(pool, section, in_use) for section in sections]


def _candidate(pool: Pool, section: Section, in_use: set[int]) -> Candidate:
    class_id = pool.class_ids[section.class_place] if section.class_place >= 0 else None
    images = [(pool.ids[place], sure) for place, sure in zip(section.pool_places, section.confidences, strict=True)]
    return Candidate(class_id if class_id in in_use else None, images)


def proposed_sections(
    session: Session, candidates: list[Candidate], held: set[int], *, project_id: int
) -> tuple[list[ProposedSection], ShownSuggestions]:
    """The candidates that were leased (`held`), with what a page shows of them and what production thinks."""
    wanted = [image_id for one in candidates for image_id, _ in one.images if image_id in held]
    images = {image.id: image for image in shown(session, project_id, wanted)}
    suggested = shown_suggestions(session, project_id, wanted)
    names = dict(session.execute(select(LabelClass.id, LabelClass.name).where(*_in_use(project_id))).all())
    sections = [
        ProposedSection(
            one.class_id,
            names.get(one.class_id or 0),
            [
                Proposed(images[image_id], sure, _agreeing(suggested, image_id, one.class_id))
                for image_id, sure in one.images
                if image_id in images
            ],
        )
        for one in candidates
    ]
    return [section for section in sections if section.images], suggested


def accept_page(session: Session, answer: PageAnswer, *, project_id: int, user_id: int) -> ActionResult:
    """Label what stays on a page, as one action, and keep what was taken out. Needs a write session.

    Where nothing stays, the action's id is 0. Raises NotFound, Conflict or InvalidInput for classes as `apply_labels`.
    """
    _require_classes(session, project_id, {one.class_id for one in answer.taken_out})
    changes = [
        Change(
            image.id,
            class_id=section.class_id,
            sub_class_id=UNSET if section.sub_class_id is None else section.sub_class_id,
            expected_version=image.version,
            suggested_by_version_id=answer.version_id if image.confidence is not None else None,
            suggestion_confidence=image.confidence,
        )
        for section in answer.sections
        for image in section.images
    ]
    result = ActionResult(action_id=0, changed=0)
    if changes:
        result = apply_labels(
            session,
            project_id=project_id,
            user_id=user_id,
            how="grid",
            changes=changes,
            kind="label",
            summary=_summary(session, answer),
            request_key=answer.request_key,
        )
    _reject(session, answer.taken_out, project_id=project_id, user_id=user_id, action_id=result.action_id or None)
    return result


def _agreeing(suggested: ShownSuggestions, image_id: int, class_id: int | None) -> float | None:
    """How sure production is of this class, where it is its first choice."""
    first = next(iter(suggested.by_image.get(image_id, [])), None)
    return first.confidence if first is not None and first.class_id == class_id else None


def _summary(session: Session, answer: PageAnswer) -> str:
    classes = {section.class_id for section in answer.sections}
    if len(classes) > 1:
        return tr("Labelled a page of %(n)s classes", n=len(classes))
    found = session.get(LabelClass, next(iter(classes)))
    return tr("Labelled %(name)s", name=found.name if found else "")


def _require_classes(session: Session, project_id: int, class_ids: set[int]) -> None:
    known = set(session.scalars(select(LabelClass.id).where(LabelClass.project_id == project_id)))
    if class_ids - known:
        raise InvalidInput(tr("an image is taken out of a class of this project; received one that is none"))


def _reject(
    session: Session, taken_out: list[TakenOut], *, project_id: int, user_id: int, action_id: int | None
) -> None:
    """Keep that images are not of a class; images of other projects are passed over."""
    ours = {image.id for image in shown(session, project_id, [one.image_id for one in taken_out])}
    rows = [
        {
            "image_id": one.image_id,
            "class_id": one.class_id,
            "project_id": project_id,
            "action_id": action_id,
            "user_id": user_id,
            "at": now(),
        }
        for one in sorted(taken_out, key=lambda one: (one.image_id, one.class_id))
        if one.image_id in ours
    ]
    if rows:
        statement = insert_into(session, LabelRejection)
        replaced = {name: statement.excluded[name] for name in ("action_id", "user_id", "at")}
        session.connection().execute(
            statement.on_conflict_do_update(index_elements=["image_id", "class_id"], set_=replaced), rows
        )


def _rejections(session: Session, pool: Pool) -> Places:
    """(pool place, class place) of what was taken out and still waits, the newest."""
    rows = session.execute(
        select(LabelRejection.image_id, LabelRejection.class_id)
        .join(Image, Image.id == LabelRejection.image_id)
        .outerjoin(LabelAction, LabelAction.id == LabelRejection.action_id)
        .where(LabelRejection.project_id == pool.project_id, LabelAction.undone_by_action_id.is_(None))
        .where(Image.state == ImageState.POOL)
        .order_by(LabelRejection.at.desc(), LabelRejection.image_id.desc())
        .limit(_MOST_REJECTIONS)
    )
    places = [(pool.place_of[row.image_id], row.class_id) for row in rows if row.image_id in pool.place_of]
    known = [(place, pool.class_ids.index(class_id)) for place, class_id in places if class_id in pool.class_ids]
    return np.array(known, dtype=np.int64).reshape(-1, 2)


def _busy(session: Session, user_id: int) -> list[int]:
    """Images that this labeller cannot get now: with somebody else, or skipped."""
    with_others = and_(QueueLease.user_id != user_id, QueueLease.is_skipped.is_(False))
    skipped = and_(QueueLease.user_id == user_id, QueueLease.is_skipped.is_(True))
    return list(session.scalars(select(QueueLease.image_id).where(QueueLease.until > now(), or_(with_others, skipped))))


def _in_use(project_id: int) -> tuple[ColumnElement[bool], ...]:
    return (LabelClass.project_id == project_id, LabelClass.archived_at.is_(None))
