"""Filters of results combine, mean the same in the library, are saved for the team, and say why they list things."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest
from sqlalchemy import insert, select

import app.assembly.fields  # noqa: F401 - what a page filters by
from app.core.clock import now
from app.core.database import read, write
from app.evaluation.models import ConfusionCell, Evaluation
from app.identification.counting import class_counts, count_results
from app.identification.fields import from_library, to_library
from app.identification.matching import matching_ids
from app.identification.queries import results_page
from app.identification.schemas import ResultFilter
from app.identification.scope import JobScope, job_scope
from app.identification.walking import count_exactly
from app.labelling.classes import create_sub_class
from app.labelling.schemas import Change
from app.labelling.service import apply_labels
from app.library.filters import ImageFilter
from app.library.models import Image
from app.library.selection import Selection, resolve
from app.library.service import change_images
from app.predictions.models import ScoringJob
from app.projects.models import Project
from tests.factories.labelling import images
from tests.factories.predictions import identify_as
from tests.factories.registry import TinyVersion, deploy, tiny_version
from tests.web_client import Browser, SignInAs

NAMES = ["Apple", "Pear", "Plum", "Quince"]
COUNT = 40


@dataclass(frozen=True, slots=True)
class Stocked:
    """A job over 40 images: image i is predicted as class i % 4 at 0.40 + 0.01 i, class (i + 1) % 4 second."""

    project: Project
    version: TinyVersion
    job_id: int
    other_job: int
    ids: list[int]

    def scope(self) -> JobScope:
        with read() as session:
            return job_scope(session, self.job_id, self.project.id)


def scores(count: int, *, shift: int = 0) -> list[list[float]]:
    rows = []
    for index in range(count):
        confidence = 0.4 + 0.01 * index
        row = [(1 - confidence) / 6] * 4
        row[(index + 1 + shift) % 4] = (1 - confidence) * 2 / 3
        row[(index + shift) % 4] = confidence
        rows.append(row)
    return rows


@pytest.fixture
def stocked(project: Project) -> Stocked:
    usable = {"Apple": 300, "Pear": 45, "Plum": 100, "Quince": 100}
    version = tiny_version(project.id, NAMES, usable=usable)
    other = tiny_version(project.id, NAMES, seed=1)
    apple, pear, plum, _ = version.class_ids
    with write() as session:
        ids = images(session, project.id, COUNT)
        real = images(session, project.id, 3, start=100)
        staged = images(session, project.id, 2, start=110, origin="staged")
        change_images(session, real, project_id=project.id, state="labelled", class_id=apple)
        change_images(session, staged, project_id=project.id, state="labelled", class_id=plum)
    identify_as(project.id, version.id, ids, scores(COUNT))
    # The other version says otherwise about the first 20.
    rest = scores(COUNT)
    identify_as(project.id, other.id, ids, scores(COUNT, shift=1)[:20] + rest[20:])
    with write() as session:
        unknown = [Change(each, to_state="unknown") for each in ids[4:8]]
        act = {"project_id": project.id, "user_id": None, "how": "grid", "kind": "label", "summary": "Unknown"}
        apply_labels(session, changes=unknown, **act)  # type: ignore[arg-type]
        change_images(session, ids[8:12], project_id=project.id, state="labelled", class_id=pear)
        change_images(session, ids[12:13], project_id=project.id, origin="staged")
        jobs = session.scalars(select(ScoringJob.id).order_by(ScoringJob.id)).all()
    deploy(project.id, version.id, upper=0.6, lower=0.5)
    return Stocked(project, version, jobs[0], jobs[1], ids)


def found(stocked: Stocked, **fields: object) -> list[int]:
    """Places (0 to 39) of the images that a filter shows, ascending; the same by the page, by id, and by its count."""
    wanted, scope = ResultFilter.model_validate(fields), stocked.scope()
    with read() as session:
        shown = [each.image_id for each in results_page(session, scope, wanted, limit=COUNT).results]
        assert sorted(shown) == matching_ids(session, scope, wanted, limit=COUNT)
        assert (
            matching_ids(session, scope, wanted, after=stocked.ids[19], limit=3)
            == sorted(each for each in shown if each > stocked.ids[19])[:3]
        )
        total = count_results(session, scope, wanted)
        assert (total.images, total.is_exact) == (len(shown), True)
        assert count_exactly(session, scope, wanted) == len(shown)
        in_library = resolve(
            session, stocked.project.id, Selection(filter=to_library(scope.job_id, wanted).query_string())
        )
        assert sorted(in_library) == sorted(shown)
    return sorted(stocked.ids.index(each) for each in shown)


def test_filters_combine_and_mean_the_same_in_the_library(stocked: Stocked):
    apple, pear, plum, quince = stocked.version.class_ids
    settled, every = {8, 9, 10, 11}, set(range(COUNT))
    open_ones = sorted(every - settled)
    assert found(stocked) == open_ones
    assert found(stocked, class_id=apple) == [0, 4, *range(12, COUNT, 4)]
    assert found(stocked, class_id=apple, top=2, low=0.7) == [31, 32, 35, 36, 39]
    assert found(stocked, class_id=pear, low=0.6, high=0.695) == [21, 25, 29]
    assert found(stocked, margin_high=0.095) == [0, 1, 2, 3, 4, 5]
    assert found(stocked, entropy_high=0.51, class_id=quince) == [39]
    assert found(stocked, labelled_low=3, labelled_high=3) == [0, 4, *range(12, COUNT, 4)]
    assert found(stocked, labelled_high=0) == [3, 7, *range(15, COUNT, 4)]
    assert found(stocked, mix="most") == [2, 6, *range(14, COUNT, 4)]
    assert found(stocked, mix="real", class_id=plum) == []
    assert found(stocked, versus=stocked.other_job) == [each for each in open_ones if each < 20]
    assert found(stocked, differs="yes") == [8, 10, 11]
    assert found(stocked, differs="no") == [9]
    assert found(stocked, query="origin=staged") == [12]
    assert found(stocked, query="text=photo-00021", low=0.5) == [21]
    assert found(stocked, state="any", high=0.5) == list(range(11))
    assert found(stocked, query="state=labelled") == sorted(settled)


def test_each_ready_view_says_the_same_by_page_by_count_and_in_the_library(stocked: Stocked):
    apple, pear, _, _ = stocked.version.class_ids
    assert found(stocked, view="low_counts") == [1, 5, *range(13, COUNT, 4)]
    assert found(stocked, view="replace") == [2, 6, *range(14, COUNT, 4)]
    assert found(stocked, view="look_alikes", sort="doubtful") == [*range(8), *range(12, 20)]
    assert found(stocked, view="unknowns", state="unknown", class_id=apple) == [4]
    assert found(stocked, view="lowest", state="pool", high=0.5) == [0, 1, 2, 3]
    with write() as session:  # Labelling lifts Pear beyond one and a half times the cutoff: the view lets go of it.
        more = images(session, stocked.project.id, 60, start=200)
        change_images(session, more, project_id=stocked.project.id, state="labelled", class_id=pear)
    assert found(stocked, view="low_counts") == []
    with read() as session:
        wanted = ResultFilter(view="look_alikes", sort="doubtful")
        counts = {each.class_id: each.images for each in class_counts(session, stocked.scope(), wanted)}
    assert counts == dict(zip(stocked.version.class_ids, (4, 4, 4, 4), strict=True))


def test_a_results_view_is_saved_for_the_team_and_taken_elsewhere(stocked: Stocked, sign_in_as: SignInAs):
    here, browser = f"/projects/{stocked.project.slug}", sign_in_as("labeller")
    sent = {
        "name": "Doubtful quinces",
        "query": f"class_id={stocked.version.class_ids[3]}&high=0.6&query=origin%3Dreal",
    }
    assert browser.post(f"{here}/identify/{stocked.job_id}/views", data=sent).status_code == 303
    assert sign_in_as("viewer").post(f"{here}/identify/{stocked.job_id}/views", data=sent).status_code == 403
    page = browser.get(f"{here}/identify/{stocked.other_job}").text
    address = re.search(r'href="([^"]+)">Doubtful quinces', page)
    assert address is not None
    ids = set(re.findall(r'role="option"[^>]*data-id="(\d+)"', browser.get(address[1].replace("&amp;", "&")).text))
    assert ids == {str(stocked.ids[place]) for place in (3, 7, 15, 19)}
    listed = browser.get(f"{here}/library/views").text
    query = re.search(r'href="[^"]*/library\?([^"]+)">Doubtful quinces', listed)
    assert query is not None
    library = browser.get(f"{here}/library?{query[1].replace('&amp;', '&')}").text
    assert set(re.findall(r'role="option"[^>]*data-id="(\d+)"', library)) == ids
    assert f"job {stocked.job_id}" in library
    for refused in ("like=1", "nonsense=1", "low=7"):
        assert (
            browser.post(f"{here}/identify/{stocked.job_id}/views", data=sent | {"query": refused}).status_code == 422
        )


def test_a_library_filter_gives_the_filter_of_results_again(stocked: Stocked):
    wanted = ResultFilter(view="look_alikes", class_id=3, top=2, low=0.25, state="unknown", sort="unlike")
    assert from_library(to_library(7, wanted)) == (7, wanted)
    assert from_library(ImageFilter(origin="staged")) is None
    of_nobody = ImageFilter.from_query(f"result_of={stocked.other_job + 1}")
    with read() as session:
        assert resolve(session, stocked.project.id, Selection(filter=of_nobody.query_string())) == []


def text_of(browser: Browser, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200, answer.text
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def test_a_class_says_what_it_needs_and_why_it_is_listed(stocked: Stocked, sign_in_as: SignInAs):
    apple, _, plum, quince = stocked.version.class_ids
    with write() as session:
        cub = create_sub_class(session, project_id=stocked.project.id, class_id=plum, name="Mirabelle")
        row = {"version_id": stocked.version.id, "job_id": stocked.job_id, "attempt": 1, "is_current": True}
        row |= {"subset": "test", "images": 9, "exposed": 0, "correct": 5, "figures": {}, "created_at": now()}
        evaluation = session.scalars(insert(Evaluation).returning(Evaluation.id), row).one()
        cells = [(plum, quince, 3), (quince, plum, 1), (apple, quince, 1), (plum, plum, 4)]
        names = ("true_class_id", "predicted_class_id", "images")
        rows = [{"evaluation_id": evaluation, **dict(zip(names, cell, strict=True))} for cell in cells]
        session.execute(insert(ConfusionCell), rows)
    assert cub.id
    browser, here = sign_in_as("viewer"), f"/projects/{stocked.project.slug}/identify/{stocked.job_id}"
    why = text_of(browser, f"{here}/why?class_id={plum}")
    assert "2 of 40 usable, 38 more needed" in why
    assert "100 when v1 was trained" in why
    assert "9 candidates not settled yet" in why
    assert "2 of 2 staged or synthetic" in why
    assert "confused with Quince 4×" in why
    assert "last saved as unknown" in why
    assert "no Mirabelle among its test images" in why
    assert "of 40 usable" in text_of(browser, f"{here}/classes?view=low_counts")
    assert "2 of 2 staged or synthetic (100%)" in text_of(browser, f"{here}/classes?view=replace")
    assert "taken for it: Plum, Apple" in text_of(browser, f"{here}/classes?view=look_alikes")
    assert "last unknown" in text_of(browser, f"{here}/classes?view=unknowns&state=unknown")
    assert browser.get(f"{here}/why?class_id=999999").status_code == 404


def test_results_in_sections_show_each_class_with_its_count(stocked: Stocked, sign_in_as: SignInAs):
    here = f"/projects/{stocked.project.slug}/identify/{stocked.job_id}"
    page = sign_in_as("labeller").get(f"{here}?group=class").text
    heads = re.findall(r'results-section-name"[^>]*>([^<]+)</span>\s*<span class="muted num">([^<]+)<', page)
    assert heads == [(name, "9") for name in NAMES]
    assert len(re.findall(r'role="option"[^>]*data-id="(\d+)"', page)) == 36
    clusters = sign_in_as("labeller").get(f"{here}?group=cluster&class_id={stocked.version.class_ids[0]}").text
    assert "in no cluster yet" in clusters


def test_a_walk_goes_on_where_its_steps_end(project: Project):
    version = tiny_version(project.id, NAMES)
    with write() as session:
        ids = images(session, project.id, 900)
    rows = np.full((900, 4), 0.1, dtype=np.float32)
    rows[:, 0] = np.linspace(0.3, 0.9, 900, dtype=np.float32)
    identify_as(project.id, version.id, ids, rows.tolist())
    rare = [ids[5], ids[250], ids[499], ids[500], ids[899]]
    with write() as session:
        change_images(session, rare, project_id=project.id, origin="synthetic")
        job_id = session.scalars(select(ScoringJob.id)).one()
    with read() as session:
        scope, wanted = job_scope(session, job_id, project.id), ResultFilter(query="origin=synthetic")
        first = results_page(session, scope, wanted, limit=2)
        rest = results_page(session, scope, wanted, before=first.older, limit=5)
        back = results_page(session, scope, wanted, after=rest.newer, limit=5)
        assert [[each.image_id for each in page.results] for page in (first, rest, back)] == [
            rare[:2:-1],
            rare[2::-1],
            rare[:2:-1],
        ]
        assert (rest.older, back.newer) == (None, None)
        assert session.get(Image, rare[0])


HOSTILE = (
    "top=0",
    "top=6",
    "entropy_low=nan",
    "labelled_low=-1",
    "labelled_high=1e9",
    "mix=secret",
    "versus=0",
    "versus=99999999999999999999",
    "differs=maybe",
    "like=1,",
    "like=1 OR 1=1",
    "like=" + ",".join("1" * 21),
    "query=password_hash%3D1",
    "query=result_of%3D1%3Bquery%3Da",
    "query=result_of%3D1%3Btoken_hash%3Da",
    "query=cluster%3D-1",
    "query=" + "a" * 3000,
    "group=user",
)


def test_hostile_values_of_every_filter_are_refused(stocked: Stocked, sign_in_as: SignInAs):
    browser, here = sign_in_as("viewer"), f"/projects/{stocked.project.slug}/identify/{stocked.job_id}"
    sent = [f"{here}{part}?{query}" for query in HOSTILE for part in ("", "/classes")]
    sent += [f"{here}?{query}" for query in ("section=-1", "section=9999999", "group=class&section=x")]
    assert {address: browser.get(address).status_code for address in sent} == dict.fromkeys(sent, 422)
