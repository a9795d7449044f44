"""Previews of augmentation: the project's own images through the code that training uses, kept for a short while."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Picture
from sqlalchemy import select

from app.core.database import read, write
from app.projects.models import Project
from app.runs.models import Run
from app.training import previews
from app.training.fit_settings import NO_AUGMENTATION
from tests.factories.datasets import make_class
from tests.factories.previews import drawn_preview
from tests.factories.runs import reread
from tests.factories.training import project_of_photos
from tests.web_client import SignInAs


def drawn(project_id: int, **asked: object) -> tuple[int, list[int]]:
    """A preview as a worker draws it; its run and its images."""
    from worker.execution import execute_run
    from worker.tasks.preview_steps import preview_augmentation  # TensorFlow only where a test needs it

    with write() as session:
        request = previews.PreviewRequest.model_validate(asked)
        run_id = previews.request_preview(session, project_id=project_id, user_id=None, request=request)
    execute_run(run_id, preview_augmentation)
    run = reread(run_id)
    assert run.state == "succeeded", run.error_message
    return run_id, run.result["image_ids"]


def picture(run_id: int, image_id: int, draw: int) -> np.ndarray:
    with Picture.open(previews.picture_path(run_id, image_id, draw)) as opened:
        return np.asarray(opened, dtype=np.float32)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())


@pytest.mark.usefixtures("installation")
def test_pictures_are_what_training_would_see_and_a_class_that_is_never_mirrored_is_not():
    project_id, classes = project_of_photos({"Apple": 5, "Melon": 5})
    mirrored_alone = NO_AUGMENTATION.model_copy(update={"flip": True, "no_flip": (classes["Apple"],)})
    run_id, image_ids = drawn(project_id, augmentation=mirrored_alone)
    assert len(image_ids) == previews.IMAGES
    with read() as session:
        run = session.get_one(Run, run_id)
        assert (run.queue, run.kind) == ("learning", previews.KIND)
    for image_id in image_ids:
        original = picture(run_id, image_id, 0)
        assert original.shape == (previews.SIZE, previews.SIZE, 3)
        changed = [picture(run_id, image_id, draw) for draw in range(1, previews.DRAWS + 1)]
        for each in changed:
            assert min(apart(each, original), apart(each, original[:, ::-1])) < 3
    of_apples, apples = drawn(project_id, augmentation=mirrored_alone, class_id=classes["Apple"])
    assert all(
        apart(picture(of_apples, image_id, draw), picture(of_apples, image_id, 0)) < 3
        for image_id in apples
        for draw in range(1, previews.DRAWS + 1)
    )
    with write() as session:
        again = previews.PreviewRequest(augmentation=mirrored_alone)
        assert previews.request_preview(session, project_id=project_id, user_id=None, request=again) == run_id

    cut, image_ids = drawn(project_id, augmentation=NO_AUGMENTATION, cutmix=1.0)
    originals = [picture(cut, image_id, 0) for image_id in image_ids]
    for place, image_id in enumerate(image_ids):
        both = np.stack([originals[place], originals[place - 1]])
        for draw in range(1, previews.DRAWS + 1):
            nearest = np.abs(both - picture(cut, image_id, draw)).mean(axis=3).min(axis=0)
            assert nearest.mean() < 5, "each part is of the image itself or of the one before it"
    assert any(
        apart(picture(cut, image_id, 1), before) > 10 for image_id, before in zip(image_ids, originals, strict=True)
    )


def test_only_the_newest_previews_are_kept(project: Project):
    with write() as session:
        made = [drawn_preview(session, project.id, 1) for _ in range(15)]
    previews.make_room()
    there = [run_id for run_id in made if previews.folder_of(run_id).is_dir()]
    assert there == made[-12:]


def test_the_page_asks_for_a_preview_and_shows_it(sign_in_as: SignInAs):
    project_id, classes = project_of_photos({"Apple": 3})
    with write() as session:
        sign = make_class(session, project_id, "Sign")
    here = "/projects/groceries/training/augmentation"
    browser = sign_in_as("root")
    text = browser.get(here).text
    assert f'<option value="{sign}" selected>Sign</option>' in text
    sent = {"flip": "true", "rotate_degrees": "30", "class_id": str(classes["Apple"])}
    refused = browser.post(here, data={**sent, "rotate_degrees": "300"}, headers={"Accept": "application/json"})
    assert (refused.status_code, refused.json()["error"]["detail"]["fields"]) == (
        422,
        {"rotate_degrees": "may be at most 45.0"},
    )
    asked = browser.post(here, data=sent, headers={"Accept": "application/json"}).json()["run_id"]
    with read() as session:
        run = session.scalars(select(Run).where(Run.id == asked)).one()
    assert run.parameters["augmentation"]["rotate_degrees"] == 30
    assert not run.parameters["augmentation"]["zoom_out"]
    assert "Waiting for the trainer" in browser.get(f"{here}/{asked}").text
    runs = "/projects/groceries/runs"
    assert f'href="{runs}/{asked}"' not in browser.get(runs).text
    assert f'href="{runs}/{asked}"' in browser.get(f"{runs}?kind={previews.KIND}").text
    with write() as session:
        made = drawn_preview(session, project_id, run.parameters["image_ids"][0])
    text = browser.get(f"{here}?run={made}").text
    assert text.count("/picture") == previews.DRAWS + 1
    assert "/train?flip=true&amp;rotate_degrees=10.0" in text
    found = browser.get(f"{here}/{made}/{run.parameters['image_ids'][0]}/0/picture")
    assert found.headers["Content-Type"] == "image/jpeg"
    with Picture.open(BytesIO(found.content)) as opened:
        assert opened.format == "JPEG"
    assert browser.get(f"{here}/{made}/{run.parameters['image_ids'][-1] + 50}/0/picture").status_code == 404


def test_a_preview_of_another_project_is_none_of_this_one(sign_in_as: SignInAs, project: Project):
    elsewhere, _ = project_of_photos({"Apple": 2})
    with write() as session:
        made = drawn_preview(session, elsewhere, 1)
    browser = sign_in_as("engineer")
    here = f"/projects/{project.slug}/training/augmentation"
    for address in (f"{here}?run={made}", f"{here}/{made}", f"{here}/{made}/1/0/picture"):
        assert browser.get(address).status_code == 404
