"""What is said of real runs, each spoilt in one way on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from app.core.database import read, write
from app.library.models import Image
from app.runs.models import RunState
from app.training.diagnosis import Finding
from app.training.report import training_report
from tests.conftest import installed
from tests.factories.datasets import make_class
from tests.factories.training import add_photos, project_of_photos, trained
from tests.photos import all_photos

pytestmark = pytest.mark.xdist_group("diagnosis")
KINDS = ("Satsumas", "Royal-Gala", "Granny-Smith", "Pink-Lady", "Orange", "Red-Delicious")
PER_CLASS = 26
HEAD: dict[str, Any] = {"start": "head_only", "trunk": "efficientnet_lite0", "input_size": 64, "epochs": 40}
PLAIN: dict[str, Any] = {"dropout": 0.0, "label_smoothing": 0.0, "weight_decay": 0.0}


@dataclass(frozen=True)
class Shelf:
    """A project with photos of six kinds, eight of each for validation."""

    project_id: int
    labels: dict[int, int]

    def split(self, *, train: int) -> None:
        """So many images of each class train; eight validate and the rest are for the test."""
        by_class: dict[int, list[int]] = {}
        for image_id, class_id in self.labels.items():
            by_class.setdefault(class_id, []).append(image_id)
        with write() as session:
            for images in by_class.values():
                for place, image_id in enumerate(images):
                    split = "validation" if place < 8 else "train" if place < 8 + train else "test"
                    session.execute(update(Image).where(Image.id == image_id).values(split=split))

    def label(self, labels: dict[int, int]) -> None:
        """Give images these classes."""
        with write() as session:
            for image_id, class_id in labels.items():
                session.execute(update(Image).where(Image.id == image_id).values(class_id=class_id))

    def found(self, **settings: Any) -> list[Finding]:
        """What is said of a run with these settings."""
        run = trained(self.project_id, **{**HEAD, **settings})
        assert run.state == RunState.SUCCEEDED, run.error_message
        with read() as session:
            return list(training_report(session, run.id, self.project_id).findings)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, database_template: str) -> Iterator[Shelf]:
    """One installation for all runs: the photos are embedded once."""
    with installed(tmp_path_factory.mktemp("diagnosis") / "data", database_template):
        project_id, _ = project_of_photos({}, lower=2)
        labels: dict[int, int] = {}
        for kind in KINDS:
            with write() as session:
                class_id = make_class(session, project_id, kind)
            chosen = [photo for photo in all_photos() if photo.sub_label == kind][:PER_CLASS]
            images = add_photos(project_id, chosen, class_id=class_id, state="labelled")
            labels |= dict.fromkeys(images, class_id)
        yield Shelf(project_id, labels)


def alarms(found: list[Finding]) -> set[str]:
    return {each.code for each in found if each.tone in {"bad", "warn"}}


def test_a_healthy_run_alarms_nobody(shelf: Shelf):
    shelf.split(train=18)
    found = shelf.found()
    assert alarms(found) == set(), found


def test_few_images_learnt_by_heart_are_over_fitting(shelf: Shelf):
    shelf.split(train=4)
    found = shelf.found(**PLAIN)
    assert alarms(found) == {"over_fitting", "too_little_data"}
    assert "Training accuracy 1.00 against 0." in found[0].text
    shelf.split(train=18)


def test_a_tiny_learning_rate_cut_short_is_under_fitting(shelf: Shelf):
    found = shelf.found(learning_rate=1e-5, epochs=8)
    assert alarms(found) == {"under_fitting", "learning_rate_low"}
    assert "the learning rate of 1e-05 is too low" in next(each.text for each in found if "_low" in each.code)


def test_shuffled_labels_are_noisy_ones(shelf: Shelf):
    images, classes = list(shelf.labels), list(shelf.labels.values())
    shelf.label(dict(zip(images, np.random.default_rng(7).permutation(classes).tolist(), strict=True)))
    found = shelf.found()
    shelf.label(shelf.labels)
    assert alarms(found) == {"noisy_labels"}, found


def test_a_learning_rate_far_too_high_is_all_that_is_said(shelf: Shelf):
    found = shelf.found(learning_rate=0.3, epochs=12)
    assert [each.code for each in found] == ["learning_rate_high"]
    assert "Train again with 0.03" in found[0].advice
