"""Most different first: near-duplicates stand behind one another, what is shown covers what there is, pages hold."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import func, select, update

from app.assembly import fields as _filter_fields  # noqa: F401 - filters know every domain's fields by it
from app.core.database import read, write
from app.core.errors import InvalidInput
from app.embeddings.store import add
from app.identification import queries
from app.identification.look_models import DiverseOrder
from app.identification.result_filter import ResultFilter
from app.identification.scope import job_scope
from app.identification.spreading import spread
from app.identification.strangeness import strange_first
from app.library.filters import ImageFilter
from app.library.models import Image
from app.library.queries import page as image_page
from app.predictions.service import finish_job, open_job, store_scores
from app.projects.models import Project
from app.registry.queries import get_trunk
from tests.factories.datasets import make_duplicate_group, make_images
from tests.factories.projects import make_project
from tests.factories.registry import TinyVersion, tiny_trunk_row, tiny_version
from tests.factories.runs import any_project, ended_run
from tests.inference.networks import WIDTH
from tests.web_client import SignInAs

KINDS, ALIKE = 6, 4
DIFFERENT = ResultFilter(sort="different")
UNLIKE = ResultFilter(sort="unlike")


class Job:
    """Six kinds of images, four near-duplicates of each, the surest kind first; two more without an embedding."""

    def __init__(self, project_id: int) -> None:
        self.version: TinyVersion = tiny_version(project_id, ["Apple", "Pear"])
        self.project_id = project_id
        random = np.random.default_rng(3)
        with write() as session:
            trunk = get_trunk(session, tiny_trunk_row(session))
            self.images = make_images(session, project_id, KINDS * ALIKE + 2)
            run_id = ended_run(session, project_id=project_id, kind="identification.identify", title="I", parameters={})
            which = {"project_id": project_id, "run_id": run_id, "version_id": self.version.id}
            self.id = open_job(session, **which, purpose="identification")
        kinds = np.repeat(np.eye(WIDTH, dtype=np.float32)[:KINDS] * 9, ALIKE, axis=0)
        rows = np.abs(kinds + random.normal(0, 0.05, kinds.shape)).astype(np.float32)
        add(trunk, [(image_id, 0) for image_id in self.images[: KINDS * ALIKE]], rows)
        sure = np.linspace(0.99, 0.6, len(self.images), dtype=np.float32)
        store_scores(self.id, self.version.class_ids, self.images, np.stack([sure, 1 - sure], axis=1))
        with write() as session:
            finish_job(session, self.id, images=len(self.images))

    def page(self, wanted: ResultFilter = DIFFERENT, **place: object) -> queries.ResultPage:
        with read() as session:
            scope = job_scope(session, self.id, self.project_id)
            return queries.results_page(session, scope, wanted, **place)  # type: ignore[arg-type]

    def kind_of(self, image_id: int) -> int:
        return self.images.index(image_id) // ALIKE


@pytest.fixture
def job(installation: object) -> Job:  # noqa: ARG001 - must exist first
    with write() as session:
        project_id = any_project(session)
    return Job(project_id)


def test_stacks_take_what_is_near_and_the_farthest_follows():
    rows = np.array([[1, 0], [0.999, 0.01], [0.7, 0.7], [0, 1], [0, 0], [0.69, 0.71]], dtype=np.float32)
    assert spread(rows, [None] * 6) == [[0, 1], [3], [4], [2, 5]]
    assert spread(rows, [7, None, None, 7, None, None])[0] == [0, 1, 3]
    assert spread(rows[:0], []) == []


def test_a_heap_unlike_what_is_labelled_comes_before_the_lone_and_the_known():
    random = np.random.default_rng(5)
    known, heap = (np.eye(8, dtype=np.float32)[at] + random.normal(0, 0.1, (9, 8)) for at in (0, 3))
    alone = np.eye(8, dtype=np.float32)[[5, 6]]
    rows = np.concatenate([known[:3], alone, heap[:6]]).astype(np.float32)
    order = strange_first(rows, known[3:].astype(np.float32))
    assert set(order[:6]) == set(range(5, 11))
    assert set(order[-3:]) == {0, 1, 2}
    assert strange_first(rows[:1], rows[:0]) == [0]


def test_the_look_alikes_open_with_what_is_unlike_the_labelled_ones(job: Job):
    known = job.images[:ALIKE]
    with write() as session:
        row = {"state": "labelled", "class_id": job.version.class_ids[0]}
        session.execute(update(Image).where(Image.id.in_(known[:2])).values(row))
    first = job.page(UNLIKE, limit=5)
    rest = job.page(UNLIKE, before=first.older).results
    shown = [each.image_id for each in [*first.results, *rest]]
    assert sorted(shown) == job.images[2:]
    assert set(shown[-4:-2]) == set(known[2:])
    assert set(shown[-2:]) == set(job.images[-2:]), "without an embedding, last"
    assert [each.image_id for each in job.page(UNLIKE, limit=5).results] == shown[:5], "an order of its own is kept"
    assert [each.image_id for each in job.page().results] != shown


def test_one_of_each_kind_comes_first_with_the_others_behind_it(job: Job):
    shown = job.page().results
    assert [job.kind_of(each.image_id) for each in shown[1:KINDS]] != list(range(1, KINDS)), "not by confidence"
    assert {job.kind_of(each.image_id) for each in shown[:KINDS]} == set(range(KINDS))
    assert [each.behind for each in shown] == [ALIKE - 1] * KINDS + [0, 0]
    assert shown[0].image_id == job.images[0]
    assert all(each.image_id in job.images[::ALIKE] for each in shown[:KINDS]), "the surest stands for the others"
    assert [each.image_id for each in shown[KINDS:]] == job.images[-2:], "without an embedding, last"


def test_pages_keep_their_places_while_images_are_decided_about(job: Job):
    whole = [each.image_id for each in job.page().results]
    first = job.page(limit=3)
    with write() as session:
        session.execute(update(Image).where(Image.id == whole[1]).values(state="unknown"))
        gone = job.images[job.kind_of(whole[4]) * ALIKE :][:ALIKE]
        session.execute(update(Image).where(Image.id.in_(gone)).values(state="none"))
    second = job.page(limit=3, before=first.older)
    assert [each.image_id for each in second.results] == [whole[3], whole[5], whole[6]]
    assert [each.image_id for each in job.page(limit=3, after=second.newer).results] == whole[:3]
    assert job.page(limit=3, at=whole[5]).results[0].image_id == whole[5]
    with write() as session:
        session.execute(update(Image).where(Image.id == whole[0]).values(state="none"))
    again = job.page().results[0]
    assert (again.image_id, again.behind) == (job.images[1], ALIKE - 2), "the next of its stack stands in"
    with read() as session:
        assert session.scalar(select(func.count()).select_from(DiverseOrder)) == 1


def test_a_stack_is_a_filter_here_and_in_the_library_but_of_its_own_project(job: Job):
    shown = job.page().results[1]
    stack = ResultFilter(query=shown.stack_query)
    expected = job.images[job.kind_of(shown.image_id) * ALIKE :][:ALIKE]
    assert sorted(each.image_id for each in job.page(stack).results) == expected
    chosen = ImageFilter.from_query(shown.stack_query)
    with write() as session:
        other = make_project(session).id
    with read() as session:
        assert sorted(each.id for each in image_page(session, job.project_id, chosen, limit=9).images) == expected
        assert image_page(session, other, chosen, limit=9).images == []


def test_duplicates_of_the_library_stand_behind_one_another_however_they_look(job: Job):
    pair = [job.images[0], job.images[-1]]
    with write() as session:
        group_id = make_duplicate_group(session, job.project_id)
        session.execute(update(Image).where(Image.id.in_(pair)).values(duplicate_group_id=group_id))
    shown = {each.image_id: each.behind for each in job.page().results}
    assert shown[pair[0]] == ALIKE
    assert pair[1] not in shown


def test_a_cursor_of_another_order_is_refused_in_words(job: Job):
    with pytest.raises(InvalidInput, match=r"order\.stack"):
        job.page(before="0.5:12")


def test_the_page_shows_the_badge_and_says_what_is_near(job: Job, sign_in_as: SignInAs):
    with read() as session:
        slug = session.get_one(Project, job.project_id).slug
    browser = sign_in_as("root")
    text = browser.get(f"/projects/{slug}/identify/{job.id}?sort=different").text
    assert text.count("data-stack=") == KINDS
    assert "+3" in text
    assert "a cosine of 0.95" in text
    assert "data-stack=" in browser.get(f"/projects/{slug}/identify/{job.id}/cells?sort=different").text
