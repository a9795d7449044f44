"""`winnow study`: what it asks for, what it refuses; trials themselves are tested in test_studies."""

import json

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from app.cli.main import app as command
from app.core.database import read, write
from app.projects.models import Project
from app.studies.models import Study
from tests.factories.datasets import make_class, make_images

pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def stocked(project: Project) -> Project:
    with write() as session:
        for _ in range(2):
            make_images(session, project.id, 50, make_class(session, project.id))
    return project


def _said(*arguments: str) -> dict:
    done = CliRunner().invoke(command, ["study", *arguments, "--no-wait", "--json"])
    said = json.loads(done.output.splitlines()[-1])
    assert (done.exit_code == 0) == ("error" not in said), said
    return said


def test_a_study_is_begun_and_its_name_lets_it_go_on(stocked: Project):
    asked = ["rates", "--project", stocked.slug, "--start", "random", "--trunk", "compact_cnn"]
    begun = _said(
        *asked,
        "--search",
        "learning_rate=1e-3..1e-2",
        "--search",
        "batch_size=16,32",
        "--trials",
        "5",
        "--set",
        "ema=0.9",
    )
    assert (begun["state"], begun["objective"], begun["best"]) == ("running", "validation_accuracy", None)
    with write() as session:
        study = session.scalars(select(Study)).one()
        assert [(each["name"], each["kind"], each["low"], each["choices"]) for each in study.space] == [
            ("learning_rate", "number", 1e-3, []),
            ("batch_size", "choice", None, [16, 32]),
        ]
        assert (study.most_trials, study.base["start"], study.base["ema"]) == (5, "random", 0.9)
        study.state = "paused"
    assert _said("rates", "--project", stocked.slug)["study"] == begun["study"]
    with read() as session:
        assert session.scalars(select(Study.state)).all() == ["running"]


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("dropout=0.1", "searched over a range LOW..HIGH"),
        ("dropout=a..b", "are numbers"),
        ("dropout=0.5..0.1", "low end below its high end"),
        ("batch_size=16", "two choices"),
        ("momentum", "A study searches"),
    ],
)
def test_a_search_that_cannot_be_read_is_refused(project: Project, search: str, words: str):
    said = _said("rates", "--project", project.slug, "--start", "random", "--trunk", "compact_cnn", "--search", search)
    assert words in json.dumps(said["error"])
