"""Unknowns, identified again by each version that is promoted: what they look like now and did not before.

An unknown now looks like a class when the version in production names it at its upper threshold and the version
before it did not; or, for a class that the earlier version did not know, when it is named at all: at the lower
threshold or above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, func, insert, not_, or_, select
from sqlalchemy.orm import Session, aliased

from app.core.clock import now
from app.core.database import Json, id_rows
from app.identification.chunk_models import UnknownsChange, UnknownsLook
from app.identification.standing import standing_job
from app.labelling.watching import watchers
from app.library.models import Image, ImageState
from app.predictions.models import Prediction, ScoringJob
from app.projects.notices import tell
from app.projects.webhook_events import announce_event
from app.registry.models import Deployment, ModelVersion
from app.registry.queries import version_classes

SHOWN: Final = 12
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be kept of a first look; `changes` are (class id, images, whether the class is new), most first."""

    job_id: int
    project_id: int
    version_id: int
    previous_job_id: int
    previous_version_id: int
    unknowns: int
    changes: Sequence[tuple[int, int, bool]]


def look_again(session: Session, project_id: int, job_id: int, version_id: int) -> Look | None:
    """Compare a standing job's unknowns with the one before it; None where that is known or nothing served before.

    `session` is one for reading.
    """
    if session.get(UnknownsLook, job_id) is not None:
        return None
    serving, previous = _last_two(session, project_id, version_id)
    if serving is None or previous is None:
        return None
    before_id = standing_job(session, project_id, previous.version_id)
    if before_id is None:
        return None
    new, old = aliased(Prediction), aliased(Prediction)
    known = sorted({entry.class_id for entry in version_classes(session, previous.version_id)})
    is_new_class = new.class_1.not_in(id_rows(session, known))
    was_same = and_(old.class_1 == new.class_1, old.confidence_1 >= previous.upper_threshold)
    looks_like = or_(
        and_(is_new_class, new.confidence_1 >= serving.lower_threshold),
        and_(new.confidence_1 >= serving.upper_threshold, not_(was_same)),
    )
    rows = session.execute(
        select(new.class_1, func.count(), func.count().filter(looks_like))
        .select_from(Image)
        .join(new, and_(new.image_id == Image.id, new.job_id == job_id))
        .join(old, and_(old.image_id == Image.id, old.job_id == before_id))
        .where(Image.project_id == project_id, Image.state == ImageState.UNKNOWN)
        .group_by(new.class_1)
    ).all()
    changes = [(class_id, changed, class_id not in known) for class_id, _, changed in rows if changed]
    changes.sort(key=lambda change: (-change[1], change[0]))
    unknowns = sum(images for _, images, _ in rows)
    return Look(job_id, project_id, version_id, before_id, previous.version_id, unknowns, changes)


def _last_two(session: Session, project_id: int, version_id: int) -> tuple[Deployment | None, Deployment | None]:
    """The deployment that serves, if it is of this version, and the newest before it of another version."""
    of_project = select(Deployment).where(Deployment.project_id == project_id).order_by(Deployment.id.desc())
    serving = session.scalar(of_project.where(Deployment.is_active, Deployment.version_id == version_id).limit(1))
    if serving is None:
        return None, None
    before = of_project.where(Deployment.id < serving.id, Deployment.version_id != version_id)
    return serving, session.scalar(before.limit(1))


def keep_look(session: Session, look: Look) -> None:
    """Keep the change, and tell whoever promoted the version and who follows the project; within a write session."""
    changed = sum(images for _, images, _ in look.changes)
    session.execute(
        insert(UnknownsLook).values(
            job_id=look.job_id,
            project_id=look.project_id,
            version_id=look.version_id,
            previous_job_id=look.previous_job_id,
            previous_version_id=look.previous_version_id,
            unknowns=look.unknowns,
            changed=changed,
            created_at=now(),
        )
    )
    if not look.changes:
        return
    rows = [
        {"job_id": look.job_id, "class_id": class_id, "images": images, "is_new_class": is_new}
        for class_id, images, is_new in look.changes
    ]
    session.connection().execute(insert(UnknownsChange), rows)
    shown = newest_look(session, look.project_id)
    if shown is not None:
        _tell(session, look, shown)


def _tell(session: Session, look: Look, shown: LookView) -> None:
    """A notice to who promoted the version and who watches a class that unknowns look like; an event to webhooks."""
    active = (Deployment.project_id == look.project_id, Deployment.is_active)
    promoted_by = session.scalars(select(Deployment.user_id).where(*active)).all()
    watched = watchers(session, look.project_id)
    concerned = {user_id for user_id in promoted_by if user_id is not None}
    concerned |= {user_id for class_id, _, _ in look.changes for user_id in watched.get(class_id, [])}
    text = f"v{shown.version_number} looked at the unknowns again: {shown.words}."
    key, project_id = f"unknowns:{look.job_id}", look.project_id
    tell(session, project_id=project_id, user_ids=concerned, text=text, path=shown.path, tone="info", key=key)
    facts: Json = {"job_id": look.job_id, "unknowns": shown.unknowns, "changed": shown.changed}
    facts["classes"] = [asdict(change) for change in shown.changes]
    announce_event(
        session, project_id=project_id, event="unknowns.changed", key=key, text=text, path=shown.path, facts=facts
    )


@dataclass(frozen=True, slots=True)
class ClassChange:
    """Unknowns that now look like a class."""

    class_id: int
    name: str
    images: int
    is_new_class: bool


@dataclass(frozen=True, slots=True)
class LookView:
    """The newest look at the unknowns, as pages show it; `changes` holds SHOWN classes at most, most images first."""

    job_id: int
    version_number: int
    previous_number: int
    unknowns: int
    changed: int
    changes: Sequence[ClassChange]
    created_at: datetime

    @property
    def path(self) -> str:
        """Where the unknowns are, behind the project's address."""
        return f"/identify/{self.job_id}?view=unknowns&state=unknown"

    def path_of(self, change: ClassChange) -> str:
        """The unknowns that look like a class."""
        return f"{self.path}&class_id={change.class_id}"

    @property
    def words(self) -> str:
        """In the words of a notice: 12 unknowns now look like kangaroo, 3 like lion."""
        first, *rest = self.changes[:_NAMED]
        told = f"{first.images:,} unknown{'s' if first.images != 1 else ''} now look{'' if first.images != 1 else 's'}"
        told += f" like {first.name}" + "".join(f", {each.images:,} like {each.name}" for each in rest)
        others = self.changed - sum(each.images for each in self.changes[:_NAMED])
        return told + (f", {others:,} like other classes" if others else "")


def newest_look(session: Session, project_id: int) -> LookView | None:
    """What the newest promoted version made of the unknowns, if anything changed."""
    look = session.scalar(
        select(UnknownsLook)
        .join(ScoringJob, ScoringJob.id == UnknownsLook.job_id)
        .where(UnknownsLook.project_id == project_id, ScoringJob.dropped_at.is_(None))
        .order_by(UnknownsLook.job_id.desc())
        .limit(1)
    )
    if look is None or not look.changed:
        return None
    both = (look.version_id, look.previous_version_id)
    versions = session.execute(select(ModelVersion.id, ModelVersion.number).where(ModelVersion.id.in_(both)))
    numbers = {version_id: number for version_id, number in versions}  # noqa: C416 - rows are no tuples to mypy
    names = {entry.class_id: entry.name for entry in version_classes(session, look.version_id)}
    rows = session.execute(
        select(UnknownsChange.class_id, UnknownsChange.images, UnknownsChange.is_new_class)
        .where(UnknownsChange.job_id == look.job_id)
        .order_by(UnknownsChange.images.desc(), UnknownsChange.class_id)
        .limit(SHOWN)
    )
    changes = [
        ClassChange(class_id, names.get(class_id, f"class {class_id}"), images, is_new)
        for class_id, images, is_new in rows
    ]
    return LookView(
        look.job_id,
        numbers[look.version_id],
        numbers[look.previous_version_id],
        look.unknowns,
        look.changed,
        changes,
        look.created_at,
    )
