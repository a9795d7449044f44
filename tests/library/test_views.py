"""A filter is saved under a name, found by the team, renamed, replaced, deleted and brought back."""

from __future__ import annotations

import re

import pytest

from app.core.database import read, write
from app.core.errors import Conflict, InvalidInput, NotFound
from app.library.filters import ImageFilter
from app.library.views import (
    View,
    delete_view,
    deleted_views,
    get_view,
    list_views,
    rename_view,
    restore_view,
    save_view,
    view_named,
)
from app.projects.models import Project
from tests.factories.library import add_images
from tests.factories.projects import make_project
from tests.web_client import SignInAs

POOL = ImageFilter(state="pool", origin=["staged", "real"])


def save(project_id: int, name: str = "To label", chosen: ImageFilter = POOL, size: str | None = "s") -> View:
    with write() as session:
        return save_view(session, project_id=project_id, name=name, chosen=chosen, size=size, user_id=None)


def test_a_view_gives_its_filter_back_by_id_and_by_name(project: Project):
    view = save(project.id, "  To\n label ")
    with read() as session:
        assert get_view(session, view.id, project.id).filter == POOL
        assert view_named(session, "To label", project.id) == view
    assert (view.name, view.size, view.address) == ("To label", "s", "origin=real%2Cstaged&state=pool&size=s")


def test_the_same_name_replaces_the_filter_and_keeps_the_id(project: Project):
    first = save(project.id)
    second = save(project.id, chosen=ImageFilter(state="unknown"), size=None)
    assert second.id == first.id
    with read() as session:
        assert [view.query for view in list_views(session, project.id)] == ["state=unknown"]


def test_a_deleted_view_comes_back_unless_its_name_is_taken(project: Project):
    view = save(project.id)
    with write() as session:
        delete_view(session, view.id, project_id=project.id)
        assert [list_views(session, project.id), len(deleted_views(session, project.id))] == [[], 1]
        with pytest.raises(NotFound):
            get_view(session, view.id, project.id)
        assert restore_view(session, view.id, project_id=project.id).id == view.id
        delete_view(session, view.id, project_id=project.id)
    save(project.id)
    with write() as session, pytest.raises(Conflict):
        restore_view(session, view.id, project_id=project.id)


def test_a_name_is_taken_once_and_is_never_empty(project: Project):
    first, second = save(project.id, "One"), save(project.id, "Two")
    with write() as session:
        assert rename_view(session, first.id, "Three", project_id=project.id).name == "Three"
        with pytest.raises(Conflict):
            rename_view(session, second.id, "Three", project_id=project.id)
        for name in ("", " \u200b ", "x" * 81):
            with pytest.raises(InvalidInput):
                rename_view(session, second.id, name, project_id=project.id)


def test_a_view_of_another_project_is_not_there(project: Project):
    with write() as session:
        other = make_project(session)
    view = save(other.id)
    with write() as session:
        for act in (get_view, lambda *given: delete_view(given[0], given[1], project_id=given[2])):
            with pytest.raises(NotFound):
                act(session, view.id, project.id)


def test_what_a_stored_filter_no_longer_knows_is_refused_and_not_passed_over():
    with pytest.raises(InvalidInput, match="colour"):
        ImageFilter.stored("state=pool&colour=red")


def test_a_labeller_saves_what_is_shown_and_a_viewer_only_looks(project: Project, sign_in_as: SignInAs):
    base = f"/projects/{project.slug}/library"
    with write() as session:
        add_images(session, project.id, 3)
    labeller, viewer = sign_in_as("labeller"), sign_in_as("viewer")
    menu = labeller.get(f"{base}/views?state=pool", headers={"X-Fragment": "1"}).text
    assert 'value="state=pool"' in menu
    form = {"name": "<b>Pool</b>", "query": "state=pool", "size": "l"}
    answer = labeller.post(f"{base}/views", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{base}?state=pool&size=l")
    page = viewer.get(f"{base}/views").text
    assert "&lt;b&gt;Pool&lt;/b&gt;" in page
    assert "State: Pool" in page
    assert "/delete" not in page
    (view_id,) = set(re.findall(r"views/(\d+)/delete", labeller.get(f"{base}/views").text))
    assert viewer.post(f"{base}/views/{view_id}/delete").status_code == 403
    assert labeller.post(f"{base}/views/{view_id}/rename", data={"name": "Pool"}).status_code == 303
    assert labeller.post(f"{base}/views/{view_id}/delete").status_code == 303
    assert f"views/{view_id}/restore" in labeller.get(f"{base}/views").text
    assert labeller.post(f"{base}/views/{view_id}/restore").status_code == 303
    assert labeller.post(f"{base}/views", data=form | {"query": "password_hash=x"}).status_code == 422
