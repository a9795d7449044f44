"""Looking up versions, trunks and what is in production."""

from __future__ import annotations

from dataclasses import fields

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.core.errors import NotFound
from app.registry.models import Deployment, ModelVersion, ReferenceTrunk, Trunk, VersionClass, VersionState
from app.registry.schemas import FrozenClass, Production, TrunkRef, VersionRef

_TRUNK_FIELDS = tuple(field.name for field in fields(TrunkRef))
_VERSION_FIELDS = tuple(field.name for field in fields(VersionRef) if field.name != "trunk")


def _trunk_ref(trunk: Trunk) -> TrunkRef:
    return TrunkRef(**{name: getattr(trunk, name) for name in _TRUNK_FIELDS})


def _version_ref(version: ModelVersion, trunk: Trunk) -> VersionRef:
    values = {name: getattr(version, name) for name in _VERSION_FIELDS}
    return VersionRef(**values, trunk=_trunk_ref(trunk))


def _versions() -> Select[ModelVersion, Trunk]:
    return select(ModelVersion, Trunk).join(Trunk, Trunk.id == ModelVersion.trunk_id)


def get_trunk(session: Session, trunk_id: int) -> TrunkRef:
    """A trunk by id. Raises NotFound."""
    trunk = session.get(Trunk, trunk_id)
    if trunk is None:
        raise NotFound(f"no trunk {trunk_id}")
    return _trunk_ref(trunk)


def reference_trunk(session: Session, project_id: int) -> TrunkRef | None:
    """The project's trunk for duplicates, similarity and map; None until there is one."""
    trunk = session.scalar(
        select(Trunk)
        .join(ReferenceTrunk, ReferenceTrunk.trunk_id == Trunk.id)
        .where(ReferenceTrunk.project_id == project_id)
    )
    return None if trunk is None else _trunk_ref(trunk)


def get_version(session: Session, version_id: int, project_id: int | None = None) -> VersionRef:
    """A version by id, of this project where one is given. Raises NotFound."""
    query = _versions().where(ModelVersion.id == version_id)
    if project_id is not None:
        query = query.where(ModelVersion.project_id == project_id)
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"no model version {version_id} here")
    return _version_ref(row[0], row[1])


def version_by_number(session: Session, project_id: int, number: int) -> VersionRef:
    """A version by the number people see. Raises NotFound."""
    query = _versions().where(ModelVersion.project_id == project_id, ModelVersion.number == number)
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"this project has no version {number}")
    return _version_ref(row[0], row[1])


def newest_versions(
    session: Session,
    project_id: int,
    *,
    before: int | None = None,
    limit: int = 50,
    throwaway: bool | None = None,
) -> list[VersionRef]:
    """Versions of a project, newest first; `before` is a version number, for the next page."""
    query = _versions().where(ModelVersion.project_id == project_id)
    if before is not None:
        query = query.where(ModelVersion.number < before)
    if throwaway is not None:
        query = query.where(ModelVersion.throwaway == throwaway)
    rows = session.execute(query.order_by(ModelVersion.number.desc()).limit(limit))
    return [_version_ref(row[0], row[1]) for row in rows]


def version_classes(session: Session, version_id: int) -> list[FrozenClass]:
    """The frozen class list of a version, in the order of its head's scores."""
    columns = [getattr(VersionClass, field.name) for field in fields(FrozenClass)]
    rows = session.execute(
        select(*columns).where(VersionClass.version_id == version_id).order_by(VersionClass.position)
    )
    return [FrozenClass(*row) for row in rows]


def production(session: Session, project_id: int) -> Production | None:
    """What serves this project now; None before the first promotion."""
    row = session.execute(
        select(
            Deployment.version_id,
            ModelVersion.number,
            Deployment.id,
            Deployment.upper_threshold,
            Deployment.lower_threshold,
        )
        .join(ModelVersion, ModelVersion.id == Deployment.version_id)
        .where(Deployment.project_id == project_id, Deployment.is_active)
    ).one_or_none()
    return None if row is None else Production(*row)


def suggesting(session: Session, project_id: int) -> int | None:
    """The version that suggests labels: what serves, and before the first promotion the newest that may ever serve."""
    serving = production(session, project_id)
    if serving is not None:
        return serving.version_id
    may_serve = (ModelVersion.throwaway.is_(False), ModelVersion.state != VersionState.REJECTED)
    query = select(ModelVersion.id).where(ModelVersion.project_id == project_id, *may_serve)
    return session.scalar(query.order_by(ModelVersion.number.desc()).limit(1))
