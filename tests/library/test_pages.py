"""The library's pages: what they show, whom they admit, and that nothing uploaded is ever shown as it came."""

from pathlib import Path

import pytest
from sqlalchemy import select

from app.core.clock import now
from app.core.database import read, write
from app.core.settings import get_settings
from app.core.storage import get_storage
from app.exchange.previews import look
from app.imaging.errors import Reason, Undecodable
from app.library import pages
from app.library.intake import take_in
from app.library.models import Image, ImportBatch, LabelConflict, Origin
from app.library.schemas import IntakeFile
from app.library.service import change_images
from app.projects.models import Project
from app.runs.models import Run
from tests.factories.labelling import workplace
from tests.factories.library import add_batch, intake_file
from tests.photos import encode, photos
from tests.web_client import Browser, SignInAs
from worker.execution import execute_run
from worker.tasks.library import run_import


def add_photos(project_id: int, count: int = 3, **values: object) -> list[int]:
    """Real photos in the pool; their ids."""
    files = [intake_file(f"shelf-{n}.jpg", photo.image_bytes) for n, photo in enumerate(photos(count))]
    with write() as session:
        batch = add_batch(session, project_id)
        intake = take_in(session, project_id=project_id, batch_id=batch, origin=Origin.REAL, files=files)
        ids = sorted(intake.image_ids.values())
        if values:
            change_images(session, ids, project_id=project_id, **values)
    return ids


def test_an_empty_library_offers_the_import_to_whoever_may(sign_in_as: SignInAs, project: Project):
    page = f"/projects/{project.slug}/library"
    assert "/imports/new" in sign_in_as("engineer").get(page).text
    shown = sign_in_as("viewer").get(page).text
    assert "The library is empty" in shown
    assert "/imports/new" not in shown


def test_the_grid_shows_images_counts_and_filters_as_chips(sign_in_as: SignInAs, project: Project):
    ids = add_photos(project.id, 3)
    browser = sign_in_as("labeller")
    shown = browser.get(f"/projects/{project.slug}/library?state=pool&text=shelf&size=s").text
    for image_id in ids:
        assert f'data-id="{image_id}"' in shown
        assert f"/images/{image_id}/thumbnail?r=0" in shown
    assert "3 images match" in shown
    assert 'aria-label="Remove the filter State: Pool"' in shown
    assert f'href="/projects/{project.slug}/library?text=shelf&amp;size=s"' in shown
    assert "No image matches" in browser.get(f"/projects/{project.slug}/library?state=unknown").text


def test_a_viewer_sees_the_grid_without_the_means_to_change_it(sign_in_as: SignInAs, project: Project):
    add_photos(project.id, 1)
    shown = sign_in_as("viewer").get(f"/projects/{project.slug}/library").text
    assert "selection-bar" not in shown
    assert 'role="option"' not in shown


def test_what_is_typed_into_names_is_shown_as_text(sign_in_as: SignInAs, project: Project):
    evil = "<script>alert(1)</script>.jpg"
    file = intake_file(evil, photos(1)[0].image_bytes, metadata={"<b>by</b>": "<i>me</i>"})
    with write() as session:
        batch = add_batch(session, project.id, name="<img src=x onerror=alert(1)>")
        take_in(session, project_id=project.id, batch_id=batch, origin=Origin.REAL, files=[file])
        image_id = session.scalars(select(Image.id)).one()
    browser = sign_in_as("engineer")
    for page in ("library", f"images/{image_id}", "imports", f"imports/{batch}", "library?text=<script>alert(1)"):
        shown = browser.get(f"/projects/{project.slug}/{page}").text
        assert "<script>alert" not in shown
        assert "<img src=x" not in shown
        assert "<b>by" not in shown


def test_the_grid_pages_by_key_and_keeps_its_filter(
    sign_in_as: SignInAs, project: Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pages, "_PAGE_IMAGES", {"s": 2, "m": 2, "l": 2})
    ids = add_photos(project.id, 5)
    browser = sign_in_as("viewer")
    first = browser.get(f"/projects/{project.slug}/library?state=pool").text
    assert f"state=pool&amp;before={ids[-2]}" in first
    second = browser.get(f"/projects/{project.slug}/library?state=pool&before={ids[-2]}").text
    assert f"/images/{ids[2]}/thumbnail" in second
    assert f"/images/{ids[4]}/thumbnail" not in second
    assert f"state=pool&amp;after={ids[2]}" in second


@pytest.mark.parametrize(
    "query", ["state=gone", "class_id=x", "before=x", "before=-1", "size=xxl", "before=9999999999999999999999"]
)
def test_an_address_that_makes_no_sense_is_refused(sign_in_as: SignInAs, project: Project, query: str):
    assert sign_in_as("viewer").get(f"/projects/{project.slug}/library?{query}").status_code == 422


def test_an_image_page_gives_facts_sources_and_its_place_in_the_list(sign_in_as: SignInAs, project: Project):
    ids = add_photos(project.id, 3)
    shown = sign_in_as("labeller").get(f"/projects/{project.slug}/images/{ids[1]}?state=pool").text
    assert f"/projects/{project.slug}/images/{ids[2]}?state=pool" in shown
    assert f"/projects/{project.slug}/images/{ids[0]}?state=pool" in shown
    assert f"/images/{ids[1]}/rendition?r=0" in shown
    for part in ("history", "neighbours", "predictions"):
        assert f'data-fragment="/projects/{project.slug}/images/{ids[1]}/{part}"' in shown
    assert "shelf-1.jpg" in shown
    assert "JPEG" in shown


def test_duplicates_and_conflicts_stand_on_the_image_page_and_a_reviewer_settles_them(
    sign_in_as: SignInAs, project: Project
):
    photo = photos(1)[0]
    files = [
        intake_file("a.jpg", photo.image_bytes),
        intake_file("b.jpg", encode(photo.image, "JPEG", quality=60)),
    ]
    with write() as session:
        place = workplace(session, "Elsewhere")
        batch = add_batch(session, project.id)
        take_in(session, project_id=project.id, batch_id=batch, origin=Origin.REAL, files=files)
        first, second = session.scalars(select(Image.id).order_by(Image.id))
        for image_id, class_id in ((first, place.lion), (second, place.tiger)):
            change_images(session, [image_id], project_id=project.id, state="labelled", class_id=class_id)
        conflict = LabelConflict(project_id=project.id, image_id=first, class_name="Bear", created_at=now())
        session.add(conflict)
        session.flush()
        conflict_id = conflict.id
    settle = f"/projects/{project.slug}/conflicts/{conflict_id}/settle"
    labeller = sign_in_as("labeller")
    shown = labeller.get(f"/projects/{project.slug}/images/{first}").text
    assert f"/images/{second}/thumbnail" in shown
    assert "Bear" in shown
    assert settle not in shown
    listed = labeller.get(f"/projects/{project.slug}/library/conflicts").text
    assert "Duplicates of different classes" in listed
    assert "Bear" in listed
    assert labeller.post(settle).status_code == 403
    reviewer = sign_in_as("reviewer")
    assert reviewer.post(settle).status_code == 303
    assert reviewer.post(settle).status_code == 404
    assert "Bear" not in reviewer.get(f"/projects/{project.slug}/images/{first}").text


def test_quarantined_files_are_listed_with_their_reason_and_never_shown(sign_in_as: SignInAs, project: Project):
    page = b"<!DOCTYPE html><script>alert(1)</script>"
    refusal = Undecodable(Reason.NOT_AN_IMAGE, "this is markup")
    file = IntakeFile(
        name="Lion/page.html", digest=get_storage().put_blob(page), byte_count=len(page), undecodable=refusal
    )
    with write() as session:
        batch = add_batch(session, project.id)
        take_in(session, project_id=project.id, batch_id=batch, origin=Origin.REAL, files=[file])
        image_id = session.scalars(select(Image.id)).one()
    browser = sign_in_as("viewer")
    shown = browser.get(f"/projects/{project.slug}/library?state=quarantined").text
    assert "page.html" in shown
    assert "this is markup" in shown
    assert browser.get(f"/projects/{project.slug}/images/{image_id}/thumbnail").status_code == 404
    original = browser.get(f"/projects/{project.slug}/images/{image_id}/original")
    assert original.content == page
    assert original.headers["content-type"] == "application/octet-stream"
    assert original.headers["content-disposition"].startswith('attachment; filename="page.html.bin"')
    assert original.headers["x-content-type-options"] == "nosniff"


def test_pictures_are_our_own_jpegs_cached_for_good_and_turned_by_their_address(sign_in_as: SignInAs, project: Project):
    (image_id,) = add_photos(project.id, 1)
    browser = sign_in_as("viewer")
    base = f"/projects/{project.slug}/images/{image_id}"
    upright, turned = browser.get(f"{base}/thumbnail"), browser.get(f"{base}/thumbnail?r=90")
    for answer in (upright, turned, browser.get(f"{base}/rendition?r=180")):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.content.startswith(b"\xff\xd8")
    assert upright.content != turned.content
    assert browser.get(f"{base}/thumbnail?r=45").status_code == 422
    original = browser.get(f"{base}/original")
    assert original.content == photos(1)[0].image_bytes
    assert original.headers["content-type"] == "image/jpeg"
    assert original.headers["content-disposition"] == 'attachment; filename="shelf-0.jpg"'


@pytest.mark.parametrize(
    "path", ["images/{id}", "images/{id}/thumbnail", "images/{id}/rendition", "images/{id}/original", "imports/{batch}"]
)
def test_images_of_another_project_do_not_exist_here(sign_in_as: SignInAs, project: Project, path: str):
    with write() as session:
        other = workplace(session, "Other")
    (image_id,) = add_photos(other.project_id, 1)
    with read() as session:
        batch = session.scalars(select(ImportBatch.id)).one()
    address = f"/projects/{project.slug}/{path.format(id=image_id, batch=batch)}"
    assert sign_in_as("administrator").get(address).status_code == 404


PAGES = ["library", "library/conflicts", "imports", "images/1", "images/1/thumbnail", "images/1/original"]


@pytest.mark.parametrize("path", PAGES)
def test_only_members_read_the_library(sign_in_as: SignInAs, visitor: Browser, project: Project, path: str):
    add_photos(project.id, 1)
    address = f"/projects/{project.slug}/{path}"
    assert sign_in_as("viewer").get(address).status_code == 200
    assert sign_in_as("stranger").get(address).status_code == 404
    assert visitor.get(address).status_code in (303, 401)


@pytest.mark.parametrize("role", ["viewer", "labeller", "reviewer", "stranger"])
def test_only_engineers_import(sign_in_as: SignInAs, project: Project, role: str):
    browser = sign_in_as(role)
    base = f"/projects/{project.slug}/imports"
    refused = 404 if role == "stranger" else 403
    assert browser.get(f"{base}/new").status_code == refused
    assert browser.post(base, data={"kind": "folder", "path": "/somewhere"}).status_code == refused
    assert browser.post(f"{base}/uploads").status_code == refused
    assert browser.post(f"{base}/uploads/1-x/files?name=a.jpg", content=b"x").status_code == refused
    assert not (get_storage().root / "uploads").exists()
    with read() as session:
        assert session.scalars(select(Run.id)).all() == []


def test_files_are_sent_one_by_one_and_imported_by_a_run(sign_in_as: SignInAs, project: Project):
    browser = sign_in_as("engineer")
    base = f"/projects/{project.slug}/imports"
    opened = browser.post(f"{base}/uploads")
    assert opened.status_code == 201
    url, upload_id = opened.json()["files_url"], opened.json()["upload_id"]
    for number, photo in enumerate(photos(2)):
        assert browser.post(f"{url}?name=Lion/{number}.jpg", content=photo.image_bytes).status_code == 201
    assert browser.post(f"{url}?name=../../evil.jpg", content=b"x").status_code == 422
    named = browser.post(base, data={"kind": "upload", "path": upload_id, "origin": "staged"})
    assert named.status_code == 303
    assert "Waiting for a worker" in browser.get(named.headers["location"]).text
    with read() as session:
        run_id = session.scalars(select(Run.id)).one()
    execute_run(run_id, look)
    assert "a new class" in browser.get(named.headers["location"]).text
    asked = browser.post(named.headers["location"] + "/start")
    assert asked.status_code == 303
    waiting = browser.get(asked.headers["location"]).text
    assert "Waiting for a worker" in waiting
    with read() as session:
        run_id = session.scalars(select(Run.id).where(Run.kind == "library.import")).one()
    execute_run(run_id, run_import)
    shown = browser.get(asked.headers["location"]).text
    assert "succeeded" in shown
    assert "data-refresh" not in shown
    assert 'data-run-state="succeeded"' in browser.get(asked.headers["location"] + "/figures").text
    assert "Upload of 2 files" in browser.get(base).text
    with read() as session:
        images = session.scalars(select(Image)).all()
    assert [(image.state, image.origin) for image in images] == [("labelled", "staged")] * 2


def test_a_file_over_the_limit_is_refused_and_leaves_nothing(
    sign_in_as: SignInAs, project: Project, monkeypatch: pytest.MonkeyPatch
):
    browser = sign_in_as("engineer")
    monkeypatch.setenv("WINNOW_MAX_UPLOAD_BYTES", "2000")
    get_settings.cache_clear()
    opened = browser.post(f"/projects/{project.slug}/imports/uploads").json()
    answer = browser.post(f"{opened['files_url']}?name=a.jpg", content=bytes(3000))
    assert answer.status_code == 413
    assert list((get_storage().root / "uploads" / opened["upload_id"]).iterdir()) == []


def test_an_import_that_cannot_be_is_explained_on_the_form(
    sign_in_as: SignInAs, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    browser = sign_in_as("engineer")
    monkeypatch.setenv("WINNOW_IMPORT_ROOTS", f'["{tmp_path}"]')
    get_settings.cache_clear()
    base = f"/projects/{project.slug}/imports"
    answer = browser.post(base, data={"kind": "folder", "path": f"{tmp_path}/none", "format": "csv"})
    assert answer.status_code == 422
    assert "is no folder that can be read" in answer.text
    assert browser.post(base, data={"kind": "folder", "path": "/etc"}).status_code == 403
    assert browser.post(base, data={"kind": "network", "path": "x"}).status_code == 422
