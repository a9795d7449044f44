"""`winnow snapshot`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.assembly import fields as _filter_fields  # noqa: F401 - filters know every domain's fields by it
from app.cli.output import AsJson, ProjectName, project_id_of, reported, say
from app.core.database import Json, read, write
from app.datasets.schemas import SPLITS, Preview
from app.datasets.service import freeze, make_plan
from app.library.views import view_named
from app.projects.models import Project


def snapshot(
    *,
    project: ProjectName = "",
    lower: Annotated[int, typer.Option(min=0, help="Fewest usable images of a class; the project's by default.")] = 0,
    upper: Annotated[int, typer.Option(min=0, help="Most images of a class; the project's by default.")] = 0,
    small: Annotated[bool, typer.Option("--include-small", help="Take small subjects too.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Another choice among equals.")] = 0,
    view: Annotated[str, typer.Option(help="Only images of this saved view.")] = "",
    dry_run: Annotated[bool, typer.Option(help="Say what it would hold, and freeze nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Freeze a snapshot: classes, cutoffs, images and splits. An unchanged one is given again."""
    with reported(as_json=as_json):
        project_id = project_id_of(project)
        with read() as session:
            known = session.get_one(Project, project_id)
            at_least = lower or known.lower_cutoff
            given: Json = {
                "lower": at_least,
                "upper": upper or max(known.upper_cutoff, at_least),
                "include_small": small,
                "seed": seed,
                "view_id": view_named(session, view, project_id).id if view else None,
            }
            plan = make_plan(session, project_id=project_id, **given)
        snapshot_id = None
        if not dry_run:
            with write() as session:
                snapshot_id = freeze(session, project_id=project_id, plan=plan, **given).id
        say({"snapshot": snapshot_id, **_told(plan.preview)}, as_json=as_json, text=_as_text)


def _told(shown: Preview) -> Json:
    return {
        "lower": shown.lower,
        "upper": shown.upper,
        "classes": len(shown.included),
        "images": dict(zip(SPLITS, shown.taken, strict=True)),
        "short": {each.name: each.needs for each in shown.short},
        "not_measured": [each.name for each in shown.included if not each.measured],
        "left_out": shown.left_out,
    }


def _as_text(result: Json) -> str:
    head = f"Snapshot {result['snapshot']}" if result["snapshot"] else "A snapshot would have"
    images = ", ".join(f"{count:,} {split}" for split, count in result["images"].items())
    lines = [f"{head}: {result['classes']:,} classes, {images}."]
    lines += [f"  {name} needs {needs:,} more" for name, needs in list(result["short"].items())[:20]]
    if result["not_measured"]:
        lines.append(f"Not measured: {', '.join(result['not_measured'][:20])}.")
    return "\n".join(lines)
