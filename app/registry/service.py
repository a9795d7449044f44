"""Registering trunks and versions; the project's reference trunk. Everything here may be repeated."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import Json, insert_into
from app.core.errors import Conflict, InvalidInput, NotFound
from app.projects.models import Project
from app.registry.models import (
    ModelVersion,
    ReferenceTrunk,
    Trunk,
    VersionClass,
    VersionState,
    VersionTransition,
)
from app.registry.schemas import ClassEntry

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def register_trunk(
    session: Session,
    *,
    digest: str,
    architecture: str,
    input_size: int,
    width: int,
    preprocessing: str,
    weights_file: str,
    exported_file: str,
    exported_digest: str,
    byte_count: int,
    precision: str = "float32",
) -> int:
    """Register a trunk by the digest of its weights, once; a known digest gives the id it already has.

    One of another precision than float32 goes by the digest of its exported file. `preprocessing` becomes a folder's
    name (`app.imaging.model_input.PREPROCESSING_VERSION`); the files lie in the folder "artifacts". Raises
    InvalidInput.
    """
    for name, value in (("digest", digest), ("exported_digest", exported_digest)):
        if not _DIGEST.match(value):
            raise InvalidInput(f"a trunk's {name} is 64 lower-case hex digits; received {value[:80]!r}")
    if not _FOLDER_NAME.match(preprocessing) or ".." in preprocessing:
        raise InvalidInput(f"a preprocessing version is a plain name; received {preprocessing[:80]!r}")
    row = {
        "digest": digest,
        "architecture": architecture,
        "input_size": input_size,
        "width": width,
        "preprocessing": preprocessing,
        "weights_file": weights_file,
        "exported_file": exported_file,
        "exported_digest": exported_digest,
        "byte_count": byte_count,
        "precision": precision,
        "created_at": now(),
    }
    session.connection().execute(insert_into(session, Trunk).on_conflict_do_nothing(), [row])
    return session.scalars(select(Trunk.id).where(Trunk.digest == digest)).one()


def register_version(
    session: Session,
    *,
    project_id: int,
    run_id: int,
    throwaway: bool,
    trunk_id: int,
    parent_id: int | None,
    snapshot_id: int,
    start: str,
    head_file: str,
    head_digest: str,
    classes: Sequence[ClassEntry | tuple[int, str, int, bool]],
    lineage: Json,
    card: Json,
    temperature: float = 1.0,
) -> tuple[int, int]:
    """Register what a run made, once; returns (version id, number). A repeated call gives the same pair.

    `classes` are (class_id, name, usable, below_cutoff) in the order of the head's scores. Numbers have no gaps within
    a project. Raises InvalidInput, NotFound, and Conflict for a throw-away parent.
    """
    _lock_project(session, project_id)
    known = session.execute(
        select(ModelVersion.id, ModelVersion.number).where(ModelVersion.run_id == run_id)
    ).one_or_none()
    if known is not None:
        return known.id, known.number
    if not classes:
        raise InvalidInput("a version has at least one class; received none")
    if not _DIGEST.match(head_digest):
        raise InvalidInput(f"a head's digest is 64 lower-case hex digits; received {head_digest[:80]!r}")
    version: Json = {
        "project_id": project_id,
        "number": _next_number(session, project_id),
        "run_id": run_id,
        "throwaway": throwaway,
        "trunk_id": trunk_id,
        "parent_id": parent_id,
        "parent_throwaway": _parent_throwaway(session, parent_id, project_id),
        "snapshot_id": snapshot_id,
        "start": start,
        "head_file": head_file,
        "head_digest": head_digest,
        "temperature": temperature,
        "lineage": lineage,
        "card": card,
    }
    version_id = _insert_candidate(session, version)
    _insert_classes(session, version_id, classes)
    if start == "pretrained" or (start == "head_only" and parent_id is None):
        _set_first_reference_trunk(session, project_id, trunk_id)
    return version_id, int(version["number"])


def _next_number(session: Session, project_id: int) -> int:
    highest = select(func.max(ModelVersion.number)).where(ModelVersion.project_id == project_id)
    return 1 + (session.scalar(highest) or 0)


def _insert_candidate(session: Session, version: Json) -> int:
    made = {"state": VersionState.CANDIDATE, "created_at": now()}
    version_id = session.scalars(insert(ModelVersion).returning(ModelVersion.id), {**version, **made}).one()
    session.execute(
        insert(VersionTransition).values(
            version_id=version_id,
            from_state=None,
            to_state=VersionState.CANDIDATE,
            reason=f"made by run {version['run_id']}",
            user_id=None,
            at=now(),
        )
    )
    return version_id


def set_reference_trunk(session: Session, *, project_id: int, trunk_id: int) -> None:
    """Change the project's trunk for duplicates, similarity and map, by hand. Raises NotFound.

    The library has to be embedded by it afterwards: `app.embeddings.service.request_embedding`.
    """
    if session.get(Trunk, trunk_id) is None:
        raise NotFound(f"no trunk {trunk_id}")
    _set_first_reference_trunk(session, project_id, trunk_id)
    session.execute(update(ReferenceTrunk).where(ReferenceTrunk.project_id == project_id).values(trunk_id=trunk_id))


def _set_first_reference_trunk(session: Session, project_id: int, trunk_id: int) -> None:
    row = {"project_id": project_id, "trunk_id": trunk_id}
    session.connection().execute(insert_into(session, ReferenceTrunk).on_conflict_do_nothing(), [row])


def _lock_project(session: Session, project_id: int) -> None:
    """Number one version at a time: PostgreSQL locks the row, SQLite's write session already holds its lock."""
    if session.scalar(select(Project.id).where(Project.id == project_id).with_for_update()) is None:
        raise NotFound(f"no project {project_id}")


def _parent_throwaway(session: Session, parent_id: int | None, project_id: int) -> bool | None:
    if parent_id is None:
        return None
    parent = session.execute(
        select(ModelVersion.throwaway).where(ModelVersion.id == parent_id, ModelVersion.project_id == project_id)
    ).one_or_none()
    if parent is None:
        raise NotFound(f"no model version {parent_id} in this project")
    if parent.throwaway:
        raise Conflict("a throw-away version is never a parent")
    return False


def _insert_classes(
    session: Session, version_id: int, classes: Sequence[ClassEntry | tuple[int, str, int, bool]]
) -> None:
    entries = [entry if isinstance(entry, ClassEntry) else ClassEntry(*entry) for entry in classes]
    if len({entry.class_id for entry in entries}) != len(entries):
        raise InvalidInput("a class stands once in a version's class list")
    session.execute(
        insert(VersionClass),
        [
            {
                "version_id": version_id,
                "position": position,
                "class_id": entry.class_id,
                "name": entry.name,
                "usable": entry.usable,
                "below_cutoff": entry.below_cutoff,
            }
            for position, entry in enumerate(entries)
        ],
    )
