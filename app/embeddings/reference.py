"""The project's reference trunk changed by hand: what may take its place, what that costs, and the run that does it.

The library is embedded by the new trunk first, and only then does it take over: until the last step, and if the run is
stopped or fails, similarity, clusters and map go on with the present one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.accounts import audit
from app.core.database import Json, read, write
from app.core.errors import Conflict, InvalidInput
from app.core.settings import get_settings
from app.embeddings import alike, maps, subjects
from app.embeddings.models import Embedding
from app.embeddings.queries import library_ids, library_size
from app.embeddings.service import follow_up
from app.embeddings.states import EMBEDDED_STATES
from app.embeddings.work import embed_missing
from app.library.models import Image
from app.registry.artifacts import load_trunk
from app.registry.models import ModelVersion, Trunk
from app.registry.queries import get_trunk, reference_trunk
from app.registry.service import set_reference_trunk
from app.registry.speeds import inference_rate
from app.registry.trunks import TRUNKS
from app.registry.weights import weights_at_hand
from app.runs.context import RunContext
from app.runs.kinds import RUN_KINDS
from app.runs.models import Run, RunState
from app.runs.service import request_run

KIND: Final = "embeddings.reference"
_REDONE: Final = (maps.KIND, alike.KIND, subjects.KIND)
"""What is done again after a change where it was done before."""

PrepareTrunk = Callable[[str, int], int]
"""Gives the id of the pretrained trunk of (architecture, input size), made and registered where it is not."""


@dataclass(frozen=True, slots=True)
class ReferenceChoice:
    """A trunk that may become the reference, and what that costs. `key` is what the form sends."""

    key: str
    title: str
    origin: str
    input_size: int
    width: int
    to_embed: int
    """Images of the library without an embedding by it."""
    minutes: float | None
    """To embed them at the measured rate; None: this trunk has not been measured here."""


def reference_choices(session: Session, project_id: int) -> list[ReferenceChoice]:
    """Trunks of the project's own versions, then pretrained ones whose weights are at hand; not the present one."""
    total = library_size(session, project_id)
    present = reference_trunk(session, project_id)
    choices = [
        _choice(
            session,
            key=f"trunk:{trunk.id}",
            architecture=trunk.architecture,
            origin=f"as version {newest} has it",
            input_size=trunk.input_size,
            to_embed=total - _embedded(session, project_id, trunk.id),
        )
        for trunk, newest in _trunks_of_versions(session, project_id)
        if present is None or trunk.id != present.id
    ]
    folder = get_settings().trunk_weights_dir
    choices += [
        _choice(
            session,
            key=f"pretrained:{name}",
            architecture=name,
            origin="pretrained on ImageNet",
            input_size=kind.default_input_size,
            to_embed=total,
        )
        for name, kind in TRUNKS.items()
        if weights_at_hand(name, folder).is_here
    ]
    return choices


def _choice(
    session: Session, *, key: str, architecture: str, origin: str, input_size: int, to_embed: int
) -> ReferenceChoice:
    kind = TRUNKS[architecture]
    rate = inference_rate(session, architecture, input_size)
    minutes = None if rate is None else to_embed / rate / 60
    return ReferenceChoice(key, kind.title, origin, input_size, kind.embedding_width, to_embed, minutes)


def _trunks_of_versions(session: Session, project_id: int) -> list[tuple[Trunk, int]]:
    newest = func.max(ModelVersion.number)
    of_project = ModelVersion.project_id == project_id
    rows = session.execute(
        select(Trunk, newest)
        .join(ModelVersion, ModelVersion.trunk_id == Trunk.id)
        .where(of_project, ~ModelVersion.throwaway, Trunk.architecture.in_(list(TRUNKS)))
        .group_by(Trunk.id)
        .order_by(newest.desc())
        .limit(20)
    )
    return [(row[0], row[1]) for row in rows]


def _embedded(session: Session, project_id: int, trunk_id: int) -> int:
    query = select(func.count()).select_from(Embedding).join(Image, Image.id == Embedding.image_id)
    of_project = query.where(Embedding.trunk_id == trunk_id, Image.project_id == project_id)
    return session.scalar(of_project.where(Image.state.in_(EMBEDDED_STATES), Embedding.rotation == Image.rotation)) or 0


def request_reference(session: Session, project_id: int, key: str, *, user_id: int) -> int:
    """Change the reference trunk to the choice of that key, in the background; the run.

    Raises InvalidInput for what is no choice here, and Conflict while another change waits or runs.
    """
    choice = next((each for each in reference_choices(session, project_id) if each.key == key), None)
    if choice is None:
        raise InvalidInput(f"A reference trunk is one of those listed; received {key[:80]!r}.")
    open_states = (RunState.QUEUED, RunState.RUNNING)
    of_project = (Run.project_id == project_id, Run.kind == KIND)
    if other := session.scalar(select(Run.id).where(*of_project, Run.state.in_(open_states))):
        raise Conflict(f"Run {other} is changing the reference trunk; cancel it, or wait until it has ended.")
    origin, _, name = key.partition(":")
    wanted = {"trunk_id": int(name)} if origin == "trunk" else {"architecture": name, "input_size": choice.input_size}
    return request_run(
        session,
        project_id=project_id,
        kind=KIND,
        title=f"Make {choice.title} the reference trunk",
        parameters=wanted,
        created_by=user_id,
        follow_ups=[follow_up(project_id), *_redone(session, project_id)],
    )


def redone_titles(session: Session, project_id: int) -> list[str]:
    """What a change does again in this project, beside the clusters."""
    return [each["title"] for each in _redone(session, project_id)]


def _redone(session: Session, project_id: int) -> list[Json]:
    """Follow-ups for the map, the search for duplicates and the size of subjects, each if it was ever done here."""
    done = select(func.max(Run.id)).where(
        Run.project_id == project_id, Run.kind.in_(_REDONE), Run.state == RunState.SUCCEEDED
    )
    rows = session.scalars(select(Run).where(Run.id.in_(done.group_by(Run.kind))).order_by(Run.kind)).all()
    again: list[Json] = [
        {
            "kind": run.kind,
            "title": RUN_KINDS[run.kind].title,
            "parameters": run.parameters,
            "coalesce_key": f"{run.kind}:{project_id}",
        }
        for run in rows
    ]
    return again


def change_reference(context: RunContext, prepare: PrepareTrunk) -> None:
    """The run kind `embeddings.reference`: embed the library by the new trunk, then let it take over."""
    wanted = context.parameters
    trunk_id = wanted.get("trunk_id") or prepare(wanted["architecture"], int(wanted["input_size"]))
    with read() as session:
        total = library_size(session, context.project_id)
    done = embed_missing(
        load_trunk(trunk_id),
        library_ids(context.project_id),
        on_progress=lambda settled: context.progress(settled, total, "Embedding by the new trunk"),
        should_stop=lambda: context.wants() is not None,
    )
    context.raise_if_cancelled()
    result: Json = {"trunk_id": trunk_id, "computed": done.computed, "unreadable": len(done.unreadable)}
    with write() as session:
        if done.is_complete:
            _take_over(session, context, trunk_id, result)
        context.complete(session, {**result, "changed": done.is_complete}, stopped_early=not done.is_complete)


def _take_over(session: Session, context: RunContext, trunk_id: int, result: Json) -> None:
    before = reference_trunk(session, context.project_id)
    trunk = get_trunk(session, trunk_id)
    set_reference_trunk(session, project_id=context.project_id, trunk_id=trunk_id)
    audit.write(
        session,
        action="reference_trunk.set",
        subject=f"{TRUNKS[trunk.architecture].title}, {trunk.input_size} px",
        user_id=context.created_by,
        project_id=context.project_id,
        detail={"from": before.id if before else None, "run_id": context.run_id, **result},
    )
