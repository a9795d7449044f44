"""Export, then import into an empty project: the same images, labels, sub-classes, states, quality, splits, groups."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from app.core.database import read, write
from app.core.settings import get_settings
from app.exchange.carrying import CONFIDENCE, SUGGESTED, SUGGESTED_BY
from app.exchange.formats.registry import WRITERS
from app.library.metadata import metadata_of_images
from app.library.models import Image
from tests import photos
from tests.exchange.stock import carried, export_now, file_of, stocked
from tests.exchange.test_formats import ONE_WAY
from tests.factories import labelling
from tests.factories.library import do_import, image_named

pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture(autouse=True)
def one_decoding_child(installation: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - must exist first
    monkeypatch.setenv("WINNOW_DECODE_WORKERS", "1")
    get_settings.cache_clear()


def empty_project() -> int:
    with write() as session:
        return labelling.project(session, "Empty")


def metadata(project_id: int) -> dict[str, dict[str, str]]:
    with read() as session:
        digests = dict(session.query(Image.id, Image.sha256).where(Image.project_id == project_id).all())
        found = metadata_of_images(session, list(digests))
    return {digests[image_id]: said for image_id, said in found.items()}


@pytest.mark.parametrize("name", sorted(WRITERS.keys() - ONE_WAY))
def test_nothing_is_lost_on_the_way_out_and_in_again(name: str, tmp_path: Path):
    project_id, user_id, _ = stocked()
    archive = shutil.copyfile(file_of(export_now(project_id, user_id, format=name)), tmp_path / "export.zip")
    target = empty_project()
    run = do_import(target, archive, kind="zip", format="")
    assert run.result, run.error_message
    figures = [run.result[kind] for kind in ("added", "labelled", "quarantined", "skipped", "conflicts")]
    assert figures == [8, 5, 0, 0, 0]
    assert carried(target) == carried(project_id)
    assert metadata(target) == metadata(project_id)


def test_labels_apart_from_their_pictures_find_them_by_name(tmp_path: Path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(photos.photo(0))
    tasks = [{"data": {"image": "https://host/x/a.jpg"}, "annotations": [{"result": [choice("Lion")]}]}]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    target = empty_project()
    run = do_import(target, folder, format="label_studio", labels_path=str(tmp_path / "tasks.json"))
    assert run.result, run.error_message
    assert (run.result["added"], run.result["labelled"]) == (1, 1)


def choice(name: str) -> dict[str, object]:
    return {"id": "r", "type": "choices", "from_name": "c", "to_name": "i", "value": {"choices": [name]}}


@pytest.mark.parametrize(("form", "labelled"), [("speciesnet", 0), ("speciesnet_labels", 1)])
def test_predictions_of_others_become_suggestions_or_labels_as_chosen(form: str, labelled: int, tmp_path: Path):
    """The document has the shape that SpeciesNet's README gives."""
    lion = "0b9d2f4e;mammalia;carnivora;felidae;panthera;leo;lion"
    entry = {
        "filepath": "/home/somebody/cam 1/a.jpg",
        "country": "KEN",
        "classifications": {
            "classes": [lion, "1f;mammalia;carnivora;felidae;panthera;pardus;"],
            "scores": [0.91, 0.05],
        },
        "detections": [{"category": "1", "label": "animal", "conf": 0.9, "bbox": [0, 0, 1, 1]}],
        "prediction": lion,
        "prediction_score": 0.91,
        "prediction_source": "classifier",
        "model_version": "4.0.1a",
    }
    archive = tmp_path / "batch.zip"
    with zipfile.ZipFile(archive, "w") as target_zip:
        target_zip.writestr("cam 1/a.jpg", photos.photo(0))
        target_zip.writestr("predictions.json", json.dumps({"predictions": [entry]}))
    target = empty_project()
    run = do_import(target, archive, kind="zip", format=form)
    assert run.result, run.error_message
    assert (run.result["added"], run.result["labelled"]) == (1, labelled)
    with read() as session:
        image_id = image_named(session, target, "a.jpg").id
        said = metadata_of_images(session, [image_id])[image_id]
    assert said == {SUGGESTED: "lion", CONFIDENCE: "0.910", SUGGESTED_BY: "4.0.1a", "country": "KEN"}
