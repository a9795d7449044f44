"""Hidden checks: benchmark images with settled truth among what a labeller labels, to measure how well they do.

The labeller cannot tell one from the rest: it looks like any image of the pool, its answer takes the same way through
the same statements and leaves the same act in the history. It changes no image; the answer is a row of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from random import SystemRandom
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.labelling import service
from app.labelling.actions import label_text, result_of
from app.labelling.check_answers import take_answer
from app.labelling.models import LabelAction, LabelClass, QualityCheck
from app.labelling.own_day import EarlierAnswer
from app.labelling.queue import QueueImage, shown
from app.labelling.queue import waiting as all_waiting
from app.labelling.schemas import Act, ActionResult, LabelRequest
from app.library.models import Image, ImageState
from app.projects.models import Project

# Benchmark sets belong to data sets, which lie above labelling; they are read here by name, and never written.
_SET: Final = sa.table("benchmark_set", sa.column("id", sa.Integer), sa.column("project_id"), sa.column("name"))
_TRUTH: Final = sa.table("benchmark_image", sa.column("set_id"), sa.column("image_id"), sa.column("class_id"))
_FINAL: Final = {
    Act.LABEL: ImageState.LABELLED,
    Act.UNKNOWN: ImageState.UNKNOWN,
    Act.NONE: ImageState.NONE,
    Act.POOL: ImageState.POOL,
    Act.REMOVE: ImageState.REMOVED,
}
_NO_IMAGE: Final = 2**62
_TENS: Final = 10
_chance = SystemRandom()


def is_on(session: Session, project_id: int) -> bool:
    """Whether the project mixes checks in."""
    return session.get_one(Project, project_id).check_percent > 0


def waiting(session: Session, project_id: int) -> int:
    """How many images wait, as screens tell it: in full tens where checks are on, which go on waiting."""
    exact = all_waiting(session, project_id)
    return -(-exact // _TENS) * _TENS if is_on(session, project_id) else exact


def mix_in(
    session: Session, images: Sequence[QueueImage], *, project_id: int, user_id: int, have: Sequence[int]
) -> list[QueueImage]:
    """Checks to put among the images handed out: the project's share of them, drawn by chance.

    What was shown and not answered comes first, but for what is in hand (`have`). Needs a write session.
    """
    percent = session.get_one(Project, project_id).check_percent
    wanted = sum(_chance.random() * 100 < percent for _ in images)
    if not wanted:
        return []
    open_ones = _open(session, project_id, user_id, [*have, *(each.id for each in images)], wanted)
    fresh = _fresh(session, project_id, user_id, wanted - len(open_ones)) if len(open_ones) < wanted else {}
    for image_id, truth in fresh.items():
        values: dict[str, Any] = {"project_id": project_id, "user_id": user_id, "image_id": image_id}
        session.add(QualityCheck(**values, truth_class_id=truth, shown_at=now()))
    session.flush()
    versions = {check.image_id: check.version for check in open_ones} | dict.fromkeys(fresh, 0)
    return [disguised(image, versions[image.id]) for image in shown(session, project_id, list(versions))]


def among(
    images: Sequence[QueueImage], checks: Sequence[QueueImage], suggested: Mapping[int, object]
) -> list[QueueImage]:
    """The images with the checks at places drawn by chance.

    Left out, to be shown another time, are checks that nothing is suggested for where something is for the others.
    """
    mixed = list(images)
    is_suggesting = any(image.id in suggested for image in images)
    for check in checks:
        if check.id in suggested or not is_suggesting:
            mixed.insert(_chance.randrange(len(mixed) + 1), check)
    return mixed


def disguised(image: QueueImage, version: int, state: str = ImageState.POOL) -> QueueImage:
    """An image as one of the pool looks."""
    return replace(image, state=state, label_version=version, quality=None, is_small_subject=False)


def check_of(session: Session, *, user_id: int, image_ids: Sequence[int]) -> QualityCheck | None:
    """The check that an act of the labelling screen is about, if it is about one."""
    if len(image_ids) != 1:
        return None
    newest = select(QualityCheck).where(QualityCheck.user_id == user_id, QualityCheck.image_id == image_ids[0])
    check = session.scalar(newest.order_by(QualityCheck.id.desc()).limit(1).with_for_update())
    if check is None or check.answered_at is None:
        return check
    is_waiting = session.scalar(select(Image.id).where(Image.id == image_ids[0], Image.state == ImageState.POOL))
    return None if is_waiting else check  # Somebody put it back to the pool since: now it is a real one.


def act_on_check(session: Session, check: QualityCheck, request: LabelRequest) -> ActionResult:
    """Take an act on a check: kept as an act like any other, and as the answer. Once for a request key.

    Raises as `service.act_on` does for classes and versions.
    """
    who: dict[str, Any] = {"project_id": check.project_id, "user_id": check.user_id, "may_remove_many": False}
    done = service.act_on(session, request, **who, image_ids=[_NO_IMAGE])
    action = session.get_one(LabelAction, done.action_id)
    if action.images:
        return done
    action.images, action.skipped, action.skipped_count = 1, [], 0
    check.version += 1
    check.action_id = action.id
    if request.act in _FINAL:
        take_answer(session, check, _FINAL[request.act], request.class_id)
    elif request.act is Act.NOT_GOOD:
        check.answer_quality = request.reason
        take_answer(session, check, ImageState.POOL, None)
    session.flush()
    return result_of(action)


def skip(session: Session, *, user_id: int, image_ids: Sequence[int]) -> list[int]:
    """Put off those of the images that are checks, and give the others back."""
    rest = []
    for image_id in image_ids:
        check = check_of(session, user_id=user_id, image_ids=[image_id])
        if check is None:
            rest.append(image_id)
        else:
            check.answered_at = now()
    session.flush()
    return rest


def earlier_answers(
    session: Session, *, project_id: int, user_id: int, since: datetime
) -> dict[int, tuple[EarlierAnswer, QualityCheck]]:
    """The answers to checks that still stand since a moment, by act: they belong among the labeller's other answers."""
    rows = session.execute(
        select(QualityCheck, LabelAction.kind, LabelClass.name)
        .join(LabelAction, LabelAction.id == QualityCheck.action_id)
        .outerjoin(LabelClass, LabelClass.id == QualityCheck.answer_class_id)
        .where(QualityCheck.project_id == project_id, QualityCheck.user_id == user_id)
        .where(LabelAction.created_at >= since, QualityCheck.answered_at.is_not(None))
    )
    return {
        check.action_id or 0: (
            EarlierAnswer(
                check.action_id or 0,
                check.image_id,
                kind,
                check.answer_class_id,
                None,
                label_text(check.answer_state or "", name, None),
                check.answer_quality,
            ),
            check,
        )
        for check, kind, name in rows
    }


def versions_of(session: Session, action_id: int) -> dict[int, int]:
    """The label version that the labeller is told after an act on a check, by image."""
    query = select(QualityCheck.image_id, QualityCheck.version).where(QualityCheck.action_id == action_id)
    return dict(session.execute(query).all())


def _open(session: Session, project_id: int, user_id: int, have: Sequence[int], count: int) -> Sequence[QualityCheck]:
    mine = (QualityCheck.project_id == project_id, QualityCheck.user_id == user_id)
    query = select(QualityCheck).where(*mine, QualityCheck.answered_at.is_(None), QualityCheck.image_id.not_in(have))
    return session.scalars(query.order_by(QualityCheck.id).limit(count)).all()


def _fresh(session: Session, project_id: int, user_id: int, count: int) -> dict[int, int | None]:
    """Settled images that this labeller was not asked about, with their truth, drawn by chance."""
    newest = select(func.max(_SET.c.id)).where(_SET.c.project_id == project_id).group_by(_SET.c.name)
    asked = select(QualityCheck.image_id).where(QualityCheck.user_id == user_id)
    rows = session.execute(
        select(_TRUTH.c.image_id, _TRUTH.c.class_id)
        .join(Image, Image.id == _TRUTH.c.image_id)
        .where(_TRUTH.c.set_id.in_(newest), _TRUTH.c.image_id.not_in(asked))
        .where(Image.state.in_((ImageState.LABELLED, ImageState.NONE)), Image.labelled_by.is_distinct_from(user_id))
        .order_by(func.random())
        .limit(count)
    )
    return dict(rows.all())
