"""`winnow export` and `winnow relabel`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from app.assembly import fields as _filter_fields  # noqa: F401 - filters know every domain's fields by it
from app.cli.output import AsJson, ProjectName, described, ended, project_id_of, reported, say
from app.cli.waiting import workers_at_hand
from app.core.database import Json, read, write
from app.core.errors import InvalidInput
from app.exchange import exports, relabelling
from app.exchange.formats.registry import WRITERS
from app.exchange.schemas import ExportRequest, Pictures
from app.library.views import view_named


def export(
    *,
    out: Annotated[Path, typer.Option(help="The file to write: a zip archive; with --pictures none, labels.")],
    project: ProjectName = "",
    format_name: Annotated[str, typer.Option("--format", help=f"One of {', '.join(WRITERS)}.")] = "csv",
    view: Annotated[str, typer.Option(help="A saved view's name.")] = "",
    query: Annotated[str, typer.Option("--filter", help="A filter as in the library's address: state=labelled")] = "",
    snapshot: Annotated[int, typer.Option(min=0, help="A snapshot's number: its images as it froze them.")] = 0,
    pictures: Annotated[Pictures, typer.Option(help="What lies beside the labels.")] = Pictures.ORIGINALS,
    strip_metadata: Annotated[bool, typer.Option(help="Take EXIF, places and comments out of originals.")] = False,
    force: Annotated[bool, typer.Option(help="Write over a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Export images and labels of a project, of a filter, of a saved view or of a snapshot."""
    with reported(as_json=as_json):
        if out.exists() and not force:
            raise InvalidInput(f"{str(out)!r} is there already; --force writes over it")
        project_id = project_id_of(project)
        with read() as session:
            view_id = view_named(session, view, project_id).id if view else None
        request = ExportRequest(
            format=format_name,
            query=query,
            view_id=view_id,
            snapshot_id=snapshot or None,
            pictures=pictures,
            strip_metadata=strip_metadata,
        )
        with write() as session:
            run_id = exports.request_export(session, project_id=project_id, user_id=None, request=request)
        with workers_at_hand():
            run = ended([run_id])[0]
        with read() as session:
            made = exports.downloadable(exports.get_export(session, project_id, run_id))
        shutil.copyfile(made, out)
        say({"file": str(out), **described(run)}, as_json=as_json, text=_export_text)


def _export_text(result: Json) -> str:
    told = result["result"]
    missing = f", {told['missing']:,} left out (report.txt in the archive names them)" if told["missing"] else ""
    return f"{told['images']:,} images, {told['bytes']:,} bytes in {result['file']}{missing}."


def relabel(
    table: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An edited CSV file of labels.")],
    *,
    project: ProjectName = "",
    dry_run: Annotated[bool, typer.Option(help="Say what would change, and change nothing.")] = False,
    make_classes: Annotated[bool, typer.Option(help="Make classes that do not exist; else their rows wait.")] = True,
    as_json: AsJson = False,
) -> None:
    """Relabel by an edited CSV file, as one act that undo takes back."""
    with reported(as_json=as_json):
        project_id = project_id_of(project)
        with table.open("rb") as content:
            upload_id = relabelling.stage_table(project_id, table.name, content)
        with workers_at_hand():
            with write() as session:
                compare_id = relabelling.request_comparison(
                    session, project_id=project_id, user_id=None, upload_id=upload_id
                )
            result: Json = {"compared": described(ended([compare_id])[0])["result"], "relabelled": None}
            if not dry_run and result["compared"]["counts"].get("changes"):
                with write() as session:
                    run_id = relabelling.request_relabelling(
                        session,
                        project_id=project_id,
                        user_id=None,
                        compare_run_id=compare_id,
                        make_classes=make_classes,
                    )
                result["relabelled"] = described(ended([run_id])[0])["result"]
        say(result, as_json=as_json, text=_relabel_text)


def _relabel_text(result: Json) -> str:
    compared, done = result["compared"], result["relabelled"]
    counts = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in compared["counts"].items() if count)
    lines = [f"{compared['rows']:,} rows: {counts or 'nothing to do'}."]
    lines += [f"  new class {name}: {images:,} images" for name, images in compared["new_classes"]]
    if done:
        left = done["changed_meanwhile"] + done["without_class"]
        lines.append(f"{done['images']:,} images relabelled as one act (number {done['action_id']}), {left:,} left.")
    return "\n".join(lines)
