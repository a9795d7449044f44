"""`winnow evaluate`, `identify`, `promote`, `rollback`: what is done with model versions."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.output import AsJson, ProjectName, described, ended, project_id_of, reported, say
from app.cli.views import view_of
from app.cli.waiting import console, workers_at_hand
from app.core.database import Json, read, write
from app.core.errors import Conflict, InvalidInput, NotFound
from app.identification.estimate import Estimate, estimate
from app.identification.schemas import Selection
from app.identification.service import request_identification
from app.promotion import service as promotion
from app.registry.queries import newest_versions, production, version_by_number

VersionNumber = Annotated[
    int | None, typer.Option("--version", "-v", help="A version's number; the newest by default.")
]
CommandRole = "administrator"


def _version_id(project_id: int, number: int | None) -> int:
    with read() as session:
        if number is not None:
            return version_by_number(session, project_id, number).id
        newest = newest_versions(session, project_id, limit=1, throwaway=False)
    if not newest:
        raise NotFound("this project has no model version yet: `winnow train` makes one")
    return newest[0].id


def evaluate(*, project: ProjectName = "", version: VersionNumber = None, as_json: AsJson = False) -> None:
    """Measure a version on its splits and on every benchmark set."""
    with reported(as_json=as_json), workers_at_hand():
        project_id = project_id_of(project)
        version_id = _version_id(project_id, version)
        with write() as session:
            run_id = promotion.request_evaluation(session, project_id=project_id, version_id=version_id, user_id=None)
        say(described(ended([run_id])[0]), as_json=as_json, text=_figures)


def _figures(result: Json) -> str:
    rows = result["result"]["figures"].items()
    return "\n".join(f"{name:<16} {_accuracy(row)} on {row['images']} images" for name, row in rows)


def _accuracy(row: Json) -> str:
    return "not measured" if row["accuracy"] is None else f"{row['accuracy']:.1%}"


def identify(
    *,
    project: ProjectName = "",
    version: Annotated[
        int | None, typer.Option("--version", "-v", help="A version's number; production by default.")
    ] = None,
    unknowns: Annotated[bool, typer.Option(help="The unknowns instead of the pool.")] = False,
    view: Annotated[str, typer.Option(help="Name of a saved view: its images instead of the pool.")] = "",
    as_json: AsJson = False,
) -> None:
    """Identify the whole pool (or the unknowns, or a saved view) by a version."""
    with reported(as_json=as_json), workers_at_hand():
        project_id = project_id_of(project)
        version_id = None if version is None else _version_id(project_id, version)
        if view and unknowns:
            raise InvalidInput("choose either --view or --unknowns")
        selection = Selection(kind="unknown" if unknowns else "pool", query="")
        if view:
            selection = Selection(kind="filter", query=view_of(project_id, view).query)
        with read() as session:
            foreseen = estimate(session, selection, project_id=project_id, version_id=version_id)
        console.print(_foreseen(foreseen), style="dim", highlight=False, soft_wrap=True)
        with write() as session:
            run_id = request_identification(session, project_id=project_id, version_id=version_id, selection=selection)
        done = described(ended([run_id])[0]) | {"estimate": foreseen.to_public()}
        say(done, as_json=as_json, text=_identified)


def _foreseen(foreseen: Estimate) -> str:
    how_long = (
        "not known yet how long" if foreseen.seconds is None else f"about {foreseen.seconds:,.0f} s with one worker"
    )
    about = "about " if foreseen.is_sampled else ""
    return f"{foreseen.images:,} images, {about}{foreseen.to_embed:,} of them to embed first: {how_long}."


def _identified(result: Json) -> str:
    return f"Identified {result['result'].get('images', 0):,} images ({result['seconds']:.1f} s)."


def promote(
    *,
    project: ProjectName = "",
    version: VersionNumber = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the promotion.")] = "",
    override: Annotated[str, typer.Option(help="The written reason, where the gate is not passed.")] = "",
    as_json: AsJson = False,
) -> None:
    """Put a version into production, if the gate allows it."""
    with reported(as_json=as_json):
        project_id = project_id_of(project)
        version_id = _version_id(project_id, version)
        with write() as session:
            serving = production(session, project_id)
            judged = promotion.gate(session, version_id, project_id)
            deployment_id = promotion.promote(
                session,
                project_id=project_id,
                version_id=version_id,
                user_id=None,
                role=CommandRole,
                reason=reason,
                override_reason=override or None,
                expected_deployment_id=serving.deployment_id if serving else None,
            )
        result: Json = {**_production(project_id), "deployment": deployment_id, "gate": judged.verdict}
        result["findings"] = judged.as_json()
        say(result, as_json=as_json, text=lambda each: f"v{each['production']} is in production; gate: {each['gate']}.")


def roll_back(
    *,
    project: ProjectName = "",
    reason: Annotated[str, typer.Option(help="Why; kept with the roll-back.")] = "",
    as_json: AsJson = False,
) -> None:
    """Put the version that served before back into production."""
    with reported(as_json=as_json):
        project_id = project_id_of(project)
        with write() as session:
            serving = production(session, project_id)
            if serving is None:
                raise Conflict("nothing is in production, so there is nothing to roll back")
            promotion.roll_back(
                session,
                project_id=project_id,
                user_id=None,
                role=CommandRole,
                reason=reason,
                expected_deployment_id=serving.deployment_id,
            )
        result: Json = {**_production(project_id), "from": serving.number}
        say(result, as_json=as_json, text=lambda each: f"v{each['production']} is back in production.")


def _production(project_id: int) -> Json:
    with read() as session:
        serving = production(session, project_id)
    return {"production": serving.number if serving else None}
