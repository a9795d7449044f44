"""`winnow import`."""

from __future__ import annotations

import shutil
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli.output import AsJson, ProjectName, described, ended, find_project, reported, require_open, say
from app.cli.waiting import workers_at_hand
from app.core.database import Json, read, write
from app.core.errors import InvalidInput, NotFound
from app.datasets.benchmarks import make_benchmark_set
from app.exchange.inspecting import inspect
from app.library.addresses import stage_addresses
from app.library.imports import STAGED, request_import, settle
from app.library.models import Image, ImageSource, ImageState, Origin
from app.library.reading import open_source
from app.library.schemas import ImportRequest, SourceKind
from app.library.uploads import upload_folder
from app.projects.service import create_project, slug_from


def import_command(
    source: Annotated[
        str,
        typer.Argument(help="A folder, a zip archive, a list of addresses (text or CSV), or s3://CONNECTION/PREFIX."),
    ],
    *,
    project: ProjectName = "",
    format_name: Annotated[str, typer.Option("--format", help="How labels are told; recognised by default.")] = "",
    labels: Annotated[str, typer.Option(help="A file with labels (CSV, JSON) that lies elsewhere.")] = "",
    unlabelled: Annotated[bool, typer.Option(help="No labels: everything goes to the pool.")] = False,
    class_map: Annotated[
        list[str], typer.Option("--map", help="ARRIVING=CLASS, or ARRIVING= to leave it unlabelled; repeatable.")
    ] = [],  # noqa: B006 - typer copies it
    groups: Annotated[str, typer.Option(help="Capture groups: exif, none, folders:N, column:NAME.")] = "exif",
    origin: Annotated[Origin, typer.Option(help="How the pictures came to be.")] = Origin.REAL,
    name: Annotated[str, typer.Option(help="A name for this import; the source's by default.")] = "",
    dry_run: Annotated[bool, typer.Option(help="Look only: print what would be imported, as JSON.")] = False,
    benchmark: Annotated[str, typer.Option(help="Make a benchmark set of this name from the labelled images.")] = "",
    as_json: AsJson = False,
) -> None:
    """Import images. A project that does not exist yet is made."""
    with reported(as_json=as_json or dry_run):
        asked_for: Json = {
            "name": name,
            "format": "unlabelled" if unlabelled else format_name,
            "labels_path": labels or None,
            "origin": origin,
            "class_map": dict(map(_mapped, class_map)),
            "groups": groups,
        }
        if dry_run:
            say(_look(source, project, asked_for), as_json=True, text=str)
            return
        named = _request(source, asked_for)
        with workers_at_hand():
            with write() as session:
                project_id, slug = _project_for(session, project)
            request = settle(_staged(named, project_id), project_id, from_anywhere=True)
            with write() as session:
                asked = request_import(session, project_id=project_id, user_id=None, request=request, is_settled=True)
            run = ended([asked.run_id])[0]
        result: Json = {"project": slug, "batch": asked.batch_id, **described(run)}
        if benchmark:
            result["benchmark"] = _make_benchmark(project_id, asked.batch_id, benchmark)
        say(result, as_json=as_json, text=_as_text)


def _request(source: str, asked_for: Json) -> ImportRequest:
    """The request for what the command names. Raises InvalidInput."""
    path = Path(source)
    kind, where = SourceKind.URLS, str(path.resolve())
    if source.startswith("s3://"):
        kind, where = SourceKind.S3, source.removeprefix("s3://")
    elif path.is_dir():
        kind = SourceKind.FOLDER
    elif not path.is_file():
        raise InvalidInput(f"a source is a folder, a file or s3://CONNECTION/PREFIX; {source!r} is none that exists")
    elif zipfile.is_zipfile(path) or path.suffix.lower() == ".zip":
        kind = SourceKind.ZIP
    try:
        return ImportRequest.model_validate({"kind": kind, "path": where, **asked_for})
    except ValidationError as error:
        raise InvalidInput("; ".join(f"{one['loc'][0]}: {one['msg']}" for one in error.errors())) from error


def _staged(request: ImportRequest, project_id: int) -> ImportRequest:
    """The request, with a list of addresses put where the worker finds it. Raises InvalidInput, TooLarge."""
    if request.kind is not SourceKind.URLS:
        return request
    path = Path(request.path)
    upload_id = stage_addresses(project_id, path.read_bytes())
    return request.model_copy(update={"path": upload_id, "name": request.name or path.name})


def _mapped(written: str) -> tuple[str, Json]:
    arriving, sign, becomes = written.partition("=")
    if not sign or not arriving.strip():
        raise InvalidInput(f"--map is ARRIVING=CLASS; received {written!r}")
    return arriving.strip(), {"class_name": becomes.strip() or None}


def _look(source: str, project: str, asked_for: Json) -> Json:
    """What would be imported; neither images nor a project come of it."""
    with read() as session:
        try:
            project_id = find_project(session, slug_from(project) if project else "").id
        except NotFound:
            project_id = 0
    request = settle(_staged(_request(source, asked_for), project_id), project_id, from_anywhere=True)
    try:
        with closing(open_source(request, project_id)) as opened:
            found = inspect(request, opened, project_id=project_id, progress=lambda *_: None)
    finally:
        if request.kind in STAGED:
            shutil.rmtree(upload_folder(request.path, project_id), ignore_errors=True)
    return {**found.model_dump(mode="json"), "class_map": request.model_dump(mode="json")["class_map"]}


def _project_for(session: Session, name: str) -> tuple[int, str]:
    try:
        found = find_project(session, slug_from(name) if name else "")
    except NotFound:
        if not name:
            raise
        found = create_project(session, name=name)
    require_open(found)
    return found.id, found.slug


def _make_benchmark(project_id: int, batch_id: int, name: str) -> Json:
    with read() as session:
        sources = select(ImageSource.image_id).where(ImageSource.batch_id == batch_id)
        ids = list(session.scalars(select(Image.id).where(Image.id.in_(sources), Image.state == ImageState.LABELLED)))
    with write() as session:
        made = make_benchmark_set(session, project_id=project_id, name=name, image_ids=ids)
        session.flush()
        return {"id": made.id, "name": made.name, "version": made.version, "images": len(ids)}


def _as_text(result: Json) -> str:
    counts = ", ".join(
        f"{value} {key}" for key, value in result["result"].items() if isinstance(value, int) and key != "batch_id"
    )
    line = f"Imported into {result['project']}: {counts} ({result['seconds']:.1f} s)."
    if "benchmark" in result:
        line += f" Benchmark set {result['benchmark']['name']} of {result['benchmark']['images']} images."
    return line
