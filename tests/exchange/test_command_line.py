"""`winnow import` looks before it imports, and says what is wrong before anything is made."""

import json
from pathlib import Path

from sqlalchemy import select
from typer.testing import CliRunner

from app.cli.main import app
from app.core.database import read
from app.projects.models import Project
from tests.factories.library import write_files
from tests.photos import photos


def test_a_dry_run_prints_the_look_and_makes_nothing(installation: Path, tmp_path: Path):
    one, two = (each.image_bytes for each in photos(2))
    table = b"file,class\na/1.jpg,Lion\n"
    folder = write_files(tmp_path / "in", {"a/1.jpg": one, "b/2.jpg": two, "labels.csv": table})
    looked = CliRunner().invoke(app, ["import", str(folder), "--dry-run", "--project", "zoo", "--map", "Lion=Big cat"])
    assert looked.exit_code == 0, looked.output
    found = json.loads(looked.stdout)
    assert (found["format"], found["files"], found["labelled"]) == ("csv", 2, 1)
    assert found["class_map"] == {"Lion": {"class_name": "Big cat", "sub_class_name": None}}
    chosen = CliRunner().invoke(app, ["import", str(folder), "--dry-run", "--format", "folders"])
    assert [one["name"] for one in json.loads(chosen.stdout)["classes"]] == ["a", "b"]
    listed = tmp_path / "list.txt"
    listed.write_text("https://example.org/a/1.jpg\nhttps://example.org/b/2.jpg\n")
    assert json.loads(CliRunner().invoke(app, ["import", str(listed), "--dry-run"]).stdout)["files"] == 2
    assert list((installation / "uploads").iterdir()) == []
    with read() as session:
        assert session.scalars(select(Project.id)).all() == []


def test_what_cannot_be_imported_makes_no_project(installation: Path, tmp_path: Path):  # noqa: ARG001 - must exist first
    for arguments in (["/nowhere"], ["s3://none/photos"], [str(tmp_path), "--groups", "moon"]):
        refused = CliRunner().invoke(app, ["import", *arguments, "--project", "zoo", "--dry-run"])
        assert refused.exit_code != 0
    for arguments in (["/nowhere"], [str(tmp_path), "--map", "=x"], [str(tmp_path), "--groups", "moon"]):
        assert CliRunner().invoke(app, ["import", *arguments, "--project", "zoo"]).exit_code != 0
    with read() as session:
        assert session.scalars(select(Project.id)).all() == []
