"""Which embeddings a project keeps, and dropping the others.

Kept: those of the reference trunk, of the version in production and of the newest few versions
(`WINNOW_EMBEDDING_VERSIONS_KEPT`), and of whatever a queued or running run may read. The rest can be computed again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from app.core.database import Json, is_sqlite, read, write
from app.core.settings import get_settings
from app.embeddings.models import Clustering, Embedding, EmbeddingShard, ImageCluster, MapLayout, MapPoint
from app.embeddings.store import sweep_orphans
from app.library.models import Image
from app.projects.models import Project
from app.registry.models import ModelVersion, Trunk
from app.registry.queries import get_version, newest_versions, production, reference_trunk
from app.runs.context import RunContext
from app.runs.models import Run, RunState
from app.runs.service import request_run

KIND: Final = "embeddings.clean"
TITLE: Final = "Clean up embeddings"
_ROWS: Final = 1000
_PAUSE: Final = 0.05
_BYTES_PER_VALUE: Final = 2
_BY_REFERENCE: Final = ("embeddings.", "library.", "labelling.", "exchange.", "registry.")
"""Kinds of runs that read no embeddings, or those of the reference trunk, unless their parameters name another."""


@dataclass(frozen=True, slots=True)
class HeldTrunk:
    """A trunk by which images of the project are embedded. `reasons` says why it keeps them; none: they may go."""

    trunk_id: int
    digest: str
    architecture: str
    input_size: int
    images: int
    byte_count: int
    reasons: tuple[str, ...]


def held_trunks(session: Session, project_id: int) -> list[HeldTrunk]:
    """Every trunk with embeddings of this project's images, the largest first."""
    reasons = reasons_to_keep(session, project_id)
    rows = session.execute(
        select(Trunk, func.count())
        .join(Embedding, Embedding.trunk_id == Trunk.id)
        .join(Image, Image.id == Embedding.image_id)
        .where(Image.project_id == project_id)
        .group_by(Trunk.id)
        .order_by(func.count().desc(), Trunk.id)
    )
    return [
        HeldTrunk(
            trunk_id=trunk.id,
            digest=trunk.digest,
            architecture=trunk.architecture,
            input_size=trunk.input_size,
            images=images,
            byte_count=images * trunk.width * _BYTES_PER_VALUE,
            reasons=tuple(reasons.get(trunk.id, ())),
        )
        for trunk, images in rows
    ]


def reasons_to_keep(session: Session, project_id: int) -> dict[int, list[str]]:
    """Why trunks keep their embeddings of this project's images, by trunk."""
    reasons: dict[int, list[str]] = {}
    if reference := reference_trunk(session, project_id):
        reasons.setdefault(reference.id, []).append("reference trunk")
    if serving := production(session, project_id):
        version = get_version(session, serving.version_id)
        reasons.setdefault(version.trunk.id, []).append(f"version {version.number}, in production")
    if newest := get_settings().embedding_versions_kept:
        for version in newest_versions(session, project_id, limit=newest, throwaway=False):
            reasons.setdefault(version.trunk.id, []).append(f"version {version.number}")
    for run_id, trunk_id in _read_by_runs(session, project_id):
        reasons.setdefault(trunk_id, []).append(f"run {run_id}")
    return reasons


def _read_by_runs(session: Session, project_id: int) -> Iterator[tuple[int, int]]:
    """(run, trunk) for what queued and running runs may read."""
    active = select(Run.id, Run.kind, Run.parameters).where(
        Run.project_id == project_id, Run.state.in_((RunState.QUEUED, RunState.RUNNING))
    )
    for run in session.execute(active).all():
        yield from ((run.id, trunk_id) for trunk_id in _read_by(session, run.kind, run.parameters))


def _read_by(session: Session, kind: str, named: Json) -> Sequence[int]:
    """The trunks that a run may read beside the reference trunk. A kind that is not known here may read any."""
    held = select(Trunk.id).where(Trunk.id.in_(select(EmbeddingShard.trunk_id)))
    if isinstance(named.get("trunk_id"), int):
        return [named["trunk_id"]]
    if isinstance(named.get("version_id"), int):
        return session.scalars(select(ModelVersion.trunk_id).where(ModelVersion.id == named["version_id"])).all()
    if isinstance(architecture := named.get("trunk") or named.get("architecture"), str):
        return session.scalars(held.where(Trunk.architecture == architecture)).all()
    return [] if kind.startswith(_BY_REFERENCE) else session.scalars(held).all()


def droppable(session: Session, project_id: int) -> list[int]:
    """Trunks with embeddings of this project's images that nothing keeps."""
    kept = reasons_to_keep(session, project_id)
    trunks = session.scalars(select(EmbeddingShard.trunk_id).distinct().order_by(EmbeddingShard.trunk_id)).all()
    return [trunk_id for trunk_id in trunks if trunk_id not in kept and _some(session, project_id, trunk_id, most=1)]


def _some(session: Session, project_id: int, trunk_id: int, *, most: int) -> list[int]:
    query = select(Embedding.image_id).join(Image, Image.id == Embedding.image_id)
    found = query.where(Embedding.trunk_id == trunk_id, Image.project_id == project_id).order_by(Embedding.image_id)
    return list(session.scalars(found.limit(most)))


def request_cleaning(session: Session, project_id: int, *, user_id: int | None) -> int:
    """Drop what nothing keeps, in the background. Returns the run, or the one queued already."""
    return request_run(
        session,
        project_id=project_id,
        kind=KIND,
        title=TITLE,
        parameters={},
        created_by=user_id,
        coalesce_key=f"{KIND}:{project_id}",
    )


def request_due_cleanings() -> int:
    """Ask for a clean-up in every project with embeddings that nothing keeps; how many were asked for."""
    with read() as session:
        projects = session.scalars(select(Project.id).where(Project.archived_at.is_(None))).all()
        due = [project_id for project_id in projects if droppable(session, project_id)]
    for project_id in due:
        with write() as session:
            request_cleaning(session, project_id, user_id=None)
    return len(due)


def clean_embeddings(context: RunContext) -> None:
    """The run kind `embeddings.clean`. May be killed or repeated at any moment."""
    with read() as session:
        trunks = droppable(session, context.project_id)
    dropped = 0
    for place, trunk_id in enumerate(trunks):
        while gone := _drop_some(context.project_id, trunk_id):
            dropped += gone
            context.progress(place, len(trunks), f"Dropping embeddings: {dropped:,} so far")
            time.sleep(_PAUSE)
        _drop_drawn(context, trunk_id)
    with write() as session:
        context.complete(session, {"trunks": len(trunks), "embeddings": dropped})
    sweep_orphans()


def _drop_some(project_id: int, trunk_id: int) -> int:
    """Drop up to 1,000 embeddings of the trunk, unless something keeps it by now; how many."""
    with write() as session:
        if not is_sqlite(session):
            # No run can be claimed between the look at who reads and the deletion.
            session.execute(text("LOCK TABLE run IN SHARE MODE"))
        if trunk_id in reasons_to_keep(session, project_id):
            return 0
        ids = _some(session, project_id, trunk_id, most=_ROWS)
        if ids:
            between = Embedding.image_id.between(ids[0], ids[-1])
            ours = Embedding.image_id.in_(select(Image.id).where(Image.project_id == project_id))
            session.execute(delete(Embedding).where(Embedding.trunk_id == trunk_id, between, ours))
        return len(ids)


def _drop_drawn(context: RunContext, trunk_id: int) -> None:
    """Clusters and maps by a trunk whose embeddings went."""
    project_id = context.project_id
    of_clusters = (ImageCluster.project_id == project_id, ImageCluster.trunk_id == trunk_id)
    layouts = select(MapLayout.id).where(MapLayout.project_id == project_id, MapLayout.trunk_id == trunk_id)
    while True:
        with write() as session:
            if trunk_id in reasons_to_keep(session, project_id):
                return
            images = session.scalars(select(ImageCluster.image_id).where(*of_clusters).limit(_ROWS)).all()
            points = session.execute(
                select(MapPoint.layout_id, MapPoint.image_id).where(MapPoint.layout_id.in_(layouts)).limit(_ROWS)
            ).all()
            if images:
                session.execute(delete(ImageCluster).where(*of_clusters, ImageCluster.image_id.in_(images)))
            if points:
                of_layout = MapPoint.layout_id == points[0].layout_id
                chosen = [point.image_id for point in points if point.layout_id == points[0].layout_id]
                session.execute(delete(MapPoint).where(of_layout, MapPoint.image_id.in_(chosen)))
            if not images and not points:
                session.execute(
                    delete(Clustering).where(Clustering.project_id == project_id, Clustering.trunk_id == trunk_id)
                )
                session.execute(delete(MapLayout).where(MapLayout.id.in_(layouts)))
                return
        context.raise_if_cancelled()
        time.sleep(_PAUSE)
