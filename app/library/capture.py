"""Capture groups: images of one burst, session or site, which are not independent of each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.library.grouping import join
from app.library.models import CaptureGroup, Image, ImageMeasure

BURST_SECONDS: Final = 3
_CAMERA_YEARS: Final = range(1995, 2200)


@dataclass(frozen=True, slots=True)
class Shot:
    """When and with what a picture was taken: the camera's own clock, `YYYY-MM-DDTHH:MM:SS`."""

    camera: str
    captured_at: str


def assign_named(session: Session, project_id: int, group_by_image: Mapping[int, str]) -> None:
    """Put images into the groups that an import names (a CSV column); groups of that name are shared."""
    for name in sorted(set(group_by_image.values())):
        group_id = _group(session, project_id, f"group:{name}")
        members = [image_id for image_id, group in group_by_image.items() if group == name]
        session.execute(
            update(Image)
            .where(Image.id.in_(members), Image.capture_group_id.is_(None))
            .values(capture_group_id=group_id),
            execution_options={"synchronize_session": False},
        )


def assign_bursts(session: Session, project_id: int, shots: Mapping[int, Shot]) -> list[int]:
    """Join images that one camera took within BURST_SECONDS of each other; returns the groups touched."""
    timed = {image_id: shot for image_id, shot in shots.items() if _is_set(shot.captured_at)}
    if not timed:
        return []
    taken: dict[Shot, list[int]] = {}
    seconds = sorted({moment for shot in timed.values() for moment in _around(shot.captured_at)})
    rows = session.execute(
        select(ImageMeasure.image_id, ImageMeasure.camera, ImageMeasure.captured_at).where(
            ImageMeasure.project_id == project_id,
            ImageMeasure.camera.in_(sorted({shot.camera for shot in timed.values()})),
            ImageMeasure.captured_at.in_(seconds),
        )
    )
    for image_id, camera, captured_at in rows:
        if camera and captured_at:
            taken.setdefault(Shot(camera, captured_at), []).append(image_id)
    pairs = [
        (image_id, other)
        for image_id, shot in timed.items()
        for moment in _around(shot.captured_at)
        for other in taken.get(Shot(shot.camera, moment), [])
        if other != image_id
    ]
    if not pairs:
        return []

    def make_groups(firsts: list[int]) -> Sequence[int]:
        rows = [{"project_id": project_id, "key": f"burst:{first}"} for first in firsts]
        made = insert(CaptureGroup).returning(CaptureGroup.id, sort_by_parameter_order=True)
        return session.scalars(made, rows).all()

    return join(session, column=Image.capture_group_id, table=CaptureGroup, pairs=pairs, make_groups=make_groups)


def _group(session: Session, project_id: int, key: str) -> int:
    found = session.scalar(
        select(CaptureGroup.id).where(CaptureGroup.project_id == project_id, CaptureGroup.key == key)
    )
    if found is not None:
        return found
    made = insert(CaptureGroup).values(project_id=project_id, key=key).returning(CaptureGroup.id)
    return session.scalars(made).one()


def _is_set(captured_at: str) -> bool:
    """Whether a camera's clock was set: one that never was starts at midnight of some New Year's Day."""
    return int(captured_at[:4]) in _CAMERA_YEARS and not captured_at[4:].startswith("-01-01T00:0")


def _around(captured_at: str) -> Iterable[str]:
    moment = datetime.fromisoformat(captured_at)
    return [(moment + timedelta(seconds=s)).isoformat() for s in range(-BURST_SECONDS, BURST_SECONDS + 1)]
