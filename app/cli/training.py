"""`winnow train`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from sqlalchemy import select

from app.cli.output import AsJson, ProjectName, described, ended, project_id_of, reported, say
from app.cli.views import view_of
from app.cli.waiting import follow_ups_of, workers_at_hand
from app.core.database import Json, read
from app.core.errors import InvalidInput
from app.registry.queries import newest_versions, version_by_number
from app.runs.models import Run
from app.training.fit_settings import GivenSettings, Start
from app.training.models import Epoch
from app.training.schemas import TrainingRequest
from app.training.service import start_training
from app.web.forms import refusal


class StartChoice(StrEnum):
    """Where a run's weights come from; `auto` is warm from the newest version, or head only without one."""

    AUTO = "auto"
    RANDOM = "random"
    PRETRAINED = "pretrained"
    WARM = "warm"
    HEAD_ONLY = "head-only"


_STARTS: dict[StartChoice, Start] = {
    StartChoice.RANDOM: "random",
    StartChoice.PRETRAINED: "pretrained",
    StartChoice.WARM: "warm",
    StartChoice.HEAD_ONLY: "head_only",
}


def train(
    *,
    project: ProjectName = "",
    start: Annotated[StartChoice, typer.Option(help="Where the weights come from.")] = StartChoice.AUTO,
    throw_away: Annotated[bool, typer.Option(help="A run that finds candidates and can never be promoted.")] = False,
    trunk: Annotated[str | None, typer.Option(help="Architecture; `winnow doctor` lists them.")] = None,
    input_size: Annotated[int | None, typer.Option(help="Side of the network's input, pixels.")] = None,
    parent: Annotated[int | None, typer.Option(help="Number of the version to start from; the newest.")] = None,
    lower: Annotated[int | None, typer.Option(help="Lower image cutoff; the project's by default.")] = None,
    upper: Annotated[int | None, typer.Option(help="Upper image cutoff; the project's by default.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Most epochs; the plateau usually ends it earlier.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="First learning rate.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other setting: ema=0.99, augmentation.zoom=0.2."),
    ] = None,
    view: Annotated[str, typer.Option(help="Name of a saved view: its images alone.")] = "",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    identify: Annotated[bool, typer.Option(help="Identify the pool afterwards.")] = False,
    again: Annotated[bool, typer.Option(help="Train even if an identical run has finished.")] = False,
    as_json: AsJson = False,
) -> None:
    """Freeze a snapshot, train on it, and evaluate what came out."""
    with reported(as_json=as_json):
        given = given_settings(settings or [], epochs=epochs, learning_rate=learning_rate)
    with reported(as_json=as_json), workers_at_hand():
        project_id = project_id_of(project)
        chosen, parent_id = start_and_parent(project_id, start, parent, trunk)
        request = TrainingRequest(
            project_id=project_id,
            start=chosen,
            purpose="throwaway" if throw_away else "normal",
            trunk=trunk,
            input_size=input_size,
            parent_version_id=parent_id,
            lower=lower,
            upper=upper,
            **given,
            view_id=view_of(project_id, view).id if view else None,
            seed=seed,
            then_identify=identify,
            again=again,
        )
        runs = run_chain(start_training(request))
        result: Json = {
            **described(runs[0]),
            "epochs": _epochs(runs[0].id),
            "then": [described(run) for run in runs[1:]],
        }
        say(result, as_json=as_json, text=_as_text)


def run_chain(run_id: int) -> list[Run]:
    """Wait for a run and for all that follows from it, in the order of their ending."""
    runs = ended([run_id])
    for following in follow_ups_of(run_id):
        runs += run_chain(following)
    return runs


def given_settings(settings: list[str], **named: Any) -> dict[str, Any]:
    """Settings as the request takes them. Raises InvalidInput for one that is unknown, malformed or out of range."""
    values: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput(f"--set takes NAME=VALUE; received {text!r}.")
        outer, dot, inner = name.partition(".")
        if dot:
            values.setdefault(outer, {})[inner] = value
        else:
            values[name] = value
    try:
        given: dict[str, Any] = GivenSettings(**values).model_dump(exclude_none=True)
    except ValidationError as error:
        raise refusal(error) from error
    return given


def start_and_parent(
    project_id: int, choice: StartChoice, parent: int | None, trunk: str | None
) -> tuple[Start, int | None]:
    """The start and its parent; a trunk named with head only means its packaged weights, without a parent."""
    with read() as session:
        if parent is not None:
            version_id: int | None = version_by_number(session, project_id, parent).id
        else:
            newest = newest_versions(session, project_id, limit=1, throwaway=False)
            version_id = newest[0].id if newest else None
    if choice is StartChoice.AUTO:
        return ("warm", version_id) if version_id else ("head_only", None)
    is_fresh_head = choice is StartChoice.HEAD_ONLY and trunk is not None and parent is None
    if is_fresh_head or choice in {StartChoice.RANDOM, StartChoice.PRETRAINED}:
        return _STARTS[choice], None
    return _STARTS[choice], version_id


def _epochs(run_id: int) -> list[Json]:
    with read() as session:
        rows = session.scalars(select(Epoch).where(Epoch.run_id == run_id).order_by(Epoch.number))
        return [{"epoch": row.number, "loss": row.loss, "validation_accuracy": row.validation_accuracy} for row in rows]


def _as_text(result: Json) -> str:
    trained = result["result"]
    lines = [f"v{trained['number']}: {len(result['epochs'])} epochs in {result['seconds']:.0f} s."]
    for run in result["then"]:
        for name, row in run["result"].get("figures", {}).items():
            lines.append(f"  {name:<14} {row['accuracy']:.1%} on {row['images']} images")
        for name, count in (run["result"].get("candidates") or {}).items():
            lines.append(f"  class {name}: {count} candidates found")
    return "\n".join(lines)
