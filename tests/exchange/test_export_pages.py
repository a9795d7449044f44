"""Exports by page and by API: asked for, shown, downloaded as a file, by engineers of the project alone."""

from __future__ import annotations

import pytest

from app.core.database import write
from app.library.filters import ImageFilter
from app.library.views import save_view
from app.projects.models import Project
from tests.exchange.stock import export_now
from tests.factories.library import add_images
from tests.factories.projects import make_project
from tests.web_client import SignInAs, make_api_token


@pytest.fixture
def base(project: Project) -> str:
    with write() as session:
        add_images(session, project.id, 3)
    return f"/projects/{project.slug}/exports"


def test_what_the_address_filters_is_exported_and_listed(base: str, sign_in_as: SignInAs):
    browser = sign_in_as("engineer")
    page = browser.get(f"{base}?state=pool")
    assert 'name="query" value="state=pool"' in page.text
    assert "3 images" in page.text
    sent = {"format": "coco", "query": "state=pool", "pictures": "none", "strip_metadata": "true"}
    assert browser.post(base, data=sent).headers["location"] == base
    listed = browser.get(base).text
    assert "COCO" in listed
    assert "library?state=pool" in listed
    assert "queued" in listed


def test_a_saved_view_is_exported_by_its_number(base: str, project: Project, sign_in_as: SignInAs):
    browser = sign_in_as("engineer")
    with write() as session:
        saved = {"project_id": project.id, "name": "Staged", "size": None, "user_id": None}
        view = save_view(session, **saved, chosen=ImageFilter(origin="staged"))
        other = make_project(session, "Other")
        foreign = save_view(session, **{**saved, "project_id": other.id}, chosen=ImageFilter(origin="real"))
    assert f'href="{base}?origin=staged"' in browser.get(base).text
    asked = browser.post(f"/api/v1{base}", json={"view_id": view.id, "pictures": "none"})
    assert asked.json()["query"] == "origin=staged"
    assert browser.post(f"/api/v1{base}", json={"view_id": foreign.id}).status_code == 404
    assert browser.post(f"/api/v1{base}", json={"view_id": view.id, "query": "state=pool"}).status_code == 422


def test_a_file_leaves_as_an_attachment_and_in_ranges(base: str, project: Project, sign_in_as: SignInAs):
    run = export_now(project.id, format="csv", pictures="none")
    browser = sign_in_as("engineer")
    assert f'href="{base}/{run.id}/file"' in browser.get(base).text
    whole = browser.get(f"{base}/{run.id}/file")
    assert whole.headers["content-disposition"].startswith(f'attachment; filename="{project.slug}-csv-')
    assert whole.headers["content-type"] == "application/octet-stream"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert len(whole.content.splitlines()) == 4
    part = browser.get(f"{base}/{run.id}/file", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"file")


def test_nobody_else_gets_the_file(base: str, project: Project, sign_in_as: SignInAs):
    run = export_now(project.id, format="csv", pictures="none")
    with write() as session:
        other = make_project(session, "Other")
    for role, status in (("reviewer", 403), ("stranger", 404)):
        browser = sign_in_as(role)
        assert browser.get(f"{base}/{run.id}/file").status_code == status
        assert browser.get(base).status_code == status
        assert browser.post(base, data={"format": "csv"}).status_code == status
    root = sign_in_as("root")
    assert root.get(f"/projects/{other.slug}/exports/{run.id}/file").status_code == 404
    assert root.get(f"/api/v1/projects/{other.slug}/exports/{run.id}").status_code == 404


@pytest.mark.parametrize("sent", [{"format": "exe"}, {"query": "password_hash=1"}, {"pictures": "all"}])
def test_what_is_not_offered_is_refused(sent: dict[str, str], base: str, sign_in_as: SignInAs):
    browser = sign_in_as("engineer")
    assert browser.post(base, data=sent).status_code == 422
    assert "queued" not in browser.get(base).text


def test_a_client_asks_by_token_and_fetches_the_file(base: str, project: Project, sign_in_as: SignInAs):
    browser = sign_in_as("engineer")
    address = f"/api/v1{base}"
    token = make_api_token(user_id=browser.user_id, project_id=project.id, role="engineer")
    client = sign_in_as("stranger")
    client.cookies.clear()
    headers = {"Authorization": f"Bearer {token}"}
    asked = client.post(address, json={"format": "csv", "pictures": "none"}, headers=headers)
    assert (asked.status_code, asked.json()["state"], asked.json()["file"]) == (202, "queued", None)
    assert client.get(f"{address}/{asked.json()['run_id']}/file", headers=headers).status_code == 409
    run = export_now(project.id, format="csv", pictures="none")
    told = client.get(f"{address}/{run.id}", headers=headers).json()
    assert (told["state"], told["images"], told["missing"]) == ("succeeded", 3, 0)
    assert len(client.get(told["file"], headers=headers).content) == told["bytes"]
    weak = make_api_token(user_id=browser.user_id, project_id=project.id, role="viewer")
    assert client.get(told["file"], headers={"Authorization": f"Bearer {weak}"}).status_code == 403
