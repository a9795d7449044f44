"""Classes whose mirrored images look more like another class."""

import numpy as np
import pytest
from PIL import Image as Picture
from PIL import ImageDraw
from sqlalchemy import update

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.projects.models import Project
from app.runs.models import Run
from app.runs.service import request_run
from app.training.mirror_evidence import (
    all_mirror_doubts,
    compare,
    images_to_compare,
    request_comparison,
    result_of,
)
from tests.factories.datasets import make_class, make_images

LEFT, RIGHT, DISC = 11, 12, 13


def _drawn(kind: int, number: int) -> np.ndarray:
    """A small picture, each a little elsewhere: an arrow to one side, or a disc."""
    picture = Picture.new("L", (32, 32), 20)
    brush, down = ImageDraw.Draw(picture), number % 5 - 2
    if kind == DISC:
        brush.ellipse((9, 9 + down, 23, 23 + down), fill=230)
    else:
        brush.line((6, 16 + down, 26, 16 + down), fill=230, width=3)
        tip = 6 if kind == LEFT else 26
        brush.polygon([(tip, 16 + down), (16, 6 + down), (16, 26 + down)], fill=230)
    return np.asarray(picture, np.float32)


def test_arrows_to_either_side_turn_into_each_other_and_a_disc_stays():
    kinds = [kind for kind in (LEFT, RIGHT, DISC) for _ in range(8)]
    pictures = np.stack([_drawn(kind, number) for number, kind in enumerate(kinds)])
    plain, mirrored = pictures.reshape(len(kinds), -1), pictures[:, :, ::-1].reshape(len(kinds), -1)
    found = compare(plain, mirrored, np.array(kinds))
    assert [(each.class_id, each.nearest_id, each.away, each.away_mirrored) for each in found] == [
        (LEFT, RIGHT, 0.0, 1.0),
        (RIGHT, LEFT, 0.0, 1.0),
    ]
    assert compare(plain[:8], mirrored[:8], np.array(kinds[:8])) == [], "one class has no other to go to"


def test_what_images_tell_stands_beside_what_names_tell(project: Project):
    with write() as session:
        other, gone = (make_class(session, project.id, name) for name in ("Bolt", "Nut, left"))
        make_images(session, project.id, 30, other, rendition_pack="pack")
        with pytest.raises(InvalidInput, match="by the reference trunk"):
            request_comparison(session, project_id=project.id, user_id=None)
        turned = compare(
            np.array([[1, 0], [1, 0.1], [1, -0.1]] * 2 + [[-1, 0]] * 6, np.float32),
            np.array([[-1, 0.1]] * 6 + [[-1, 0]] * 6, np.float32),
            np.array([other] * 6 + [gone] * 6),
        )
        run_id = request_run(
            session, project_id=project.id, kind="training.compare_mirrored", title="Comparison", parameters={}
        )
        done = {"state": "succeeded", "result": result_of(turned, images=12)}
        session.execute(update(Run).where(Run.id == run_id).values(done))
    with read() as session:
        names = {other: "Bolt", gone: "Nut, left"}
        doubts = {doubt.name: doubt.reason for doubt in all_mirror_doubts(session, project.id, names)}
        assert doubts == {
            "Bolt": "100% of its mirrored images look more like Nut, left",
            "Nut, left": "its name says a side",
        }
        chosen = images_to_compare(session, project.id)
        assert sum(class_id == other for class_id in chosen.values()) == 16
