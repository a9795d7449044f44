"""The light table and the endless grid over HTTP: further cells, the images around one, a copy for looking closely."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image as Picture
from sqlalchemy.orm import Session

from app.core.database import write
from app.core.storage import get_storage
from app.library.intake import take_in
from app.library.models import Origin
from app.library.service import change_images
from app.projects.models import Project
from tests.factories.labelling import images
from tests.factories.labelling import project as make_project
from tests.factories.library import add_batch, intake_file
from tests.web_client import Browser, SignInAs


@pytest.fixture
def viewer(sign_in_as: SignInAs) -> Browser:
    return sign_in_as("viewer")


@pytest.fixture
def pool(project: Project) -> list[int]:
    with write() as session:
        return images(session, project.id, 250)


def cells(text: str) -> list[int]:
    return [int(found) for found in re.findall(r'data-id="(\d+)"', text)]


def test_further_cells_go_on_below_above_and_from_an_image(viewer: Browser, project: Project, pool: list[int]):
    base = f"/projects/{project.slug}/library/cells?state=pool"
    below = viewer.get(f"{base}&before={pool[200]}").text
    assert cells(below) == pool[199:19:-1]
    assert f'data-older="{pool[20]}" data-newer="{pool[199]}"' in below
    assert cells(viewer.get(f"{base}&after={pool[240]}").text) == pool[:240:-1]
    at = viewer.get(f"{base}&at={pool[9]}").text
    assert cells(at) == pool[9::-1]
    assert 'data-older=""' in at
    assert cells(viewer.get(f"/projects/{project.slug}/library/cells?state=unknown").text) == []
    assert viewer.get(f"{base}&at=x").status_code == 422


def test_the_images_around_one_in_a_filter_and_its_place(viewer: Browser, project: Project, pool: list[int]):
    with write() as session:
        change_images(session, pool[1::2], project_id=project.id, state="unknown")
    base = f"/projects/{project.slug}/library/around?state=pool"
    found = viewer.get(f"{base}&image={pool[100]}&count=2&place=true").json()
    assert [frame["id"] for frame in found["images"]] == [pool[n] for n in (104, 102, 100, 98, 96)]
    assert (found["has_newer"], found["has_older"], found["place"], found["total"]) == (True, True, 75, "125")
    last = viewer.get(f"{base}&image={pool[0]}&count=2").json()
    assert ([frame["id"] for frame in last["images"]], last["has_older"]) == ([pool[4], pool[2], pool[0]], False)
    outside = viewer.get(f"{base}&image={pool[101]}&count=1").json()["images"]
    assert [frame["id"] for frame in outside] == [pool[102], pool[101], pool[100]]


def test_frames_come_in_the_order_asked_and_only_of_the_project(viewer: Browser, project: Project, pool: list[int]):
    with write() as session:
        foreign = images(session, other_project(session), 1)[0]
    base = f"/projects/{project.slug}/library"
    found = viewer.get(f"{base}/frames?ids={pool[3]},{foreign},{pool[1]},{10**17}").json()["images"]
    assert [frame["id"] for frame in found] == [pool[3], pool[1]]
    assert viewer.get(f"{base}/around?image={foreign}").status_code == 404
    for wrong in ("", "x", ",".join(["1"] * 61)):
        assert viewer.get(f"{base}/frames?ids={wrong}").status_code == 422


def other_project(session: Session) -> int:
    return make_project(session, "Elsewhere")


def test_a_large_copy_is_our_own_encoding_of_the_original(viewer: Browser, project: Project):
    buffer = io.BytesIO()
    Picture.effect_noise((900, 600), 60).convert("RGB").save(buffer, "PNG")
    with write() as session:
        batch = add_batch(session, project.id)
        file = intake_file("wide.png", buffer.getvalue())
        ids = take_in(session, project_id=project.id, batch_id=batch, origin=Origin.REAL, files=[file]).image_ids
        bare = images(session, project.id, 1)[0]
    (image_id,) = ids.values()
    get_storage().put_blob(buffer.getvalue())
    base = f"/projects/{project.slug}/images"
    answer = viewer.get(f"{base}/{image_id}/large?r=90")
    assert answer.headers["content-type"] == "image/jpeg"
    assert Picture.open(io.BytesIO(answer.content)).size == (600, 900)
    assert Picture.open(io.BytesIO(viewer.get(f"{base}/{image_id}/rendition").content)).size == (480, 320)
    assert viewer.get(f"{base}/{bare}/large").status_code == 404
    assert viewer.get(f"{base}/{image_id}/large?r=45").status_code == 422


def test_the_page_tells_its_script_the_image_as_text_and_a_viewer_gets_no_acts(
    sign_in_as: SignInAs, viewer: Browser, project: Project
):
    with write() as session:
        (image_id,) = images(session, project.id, 1, file_name='"><script>alert(1)</script>.jpg')
    address = f"/projects/{project.slug}/images/{image_id}?state=pool"
    shown = viewer.get(address).text
    assert "<script>alert" not in shown
    assert 'data-query="state=pool"' in shown
    assert 'id="light-acts"' not in shown
    assert 'id="light-acts"' in sign_in_as("labeller").get(address).text
    assert f'data-panel="{image_id}"' in viewer.get(f"/projects/{project.slug}/images/{image_id}/panel").text


@pytest.mark.usefixtures("pool")
def test_the_size_of_pictures_is_kept_by_the_browser(viewer: Browser, project: Project):
    page = f"/projects/{project.slug}/library"
    assert len(cells(viewer.get(page).text)) == 96
    for size, count in (("s", 180), ("xl", 24), ("huge", 96)):
        viewer.cookies.set("winnow_size", size)
        assert len(cells(viewer.get(page).text)) == count
    assert len(cells(viewer.get(f"{page}?size=l").text)) == 48
