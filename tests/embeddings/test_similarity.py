"""The nearest images are the nearest, whatever lies around them in the shards."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from app.core.database import read, write
from app.embeddings.similarity import nearest
from app.embeddings.store import add
from app.library.service import change_images
from app.registry.queries import get_trunk
from tests.factories.labelling import images, project
from tests.factories.registry import tiny_version
from tests.inference.networks import WIDTH

pytestmark = pytest.mark.usefixtures("installation")


def neighbours(project_id: int, image_id: int, k: int) -> list[int]:
    with read() as session:
        return [neighbour.image_id for neighbour in nearest(session, project_id, image_id, k)]


def test_neighbours_are_those_of_plain_cosine_over_several_shards_and_projects():
    with write() as session:
        ours, theirs = project(session, "Ours"), project(session, "Theirs")
        mine, other = images(session, ours, 60), images(session, theirs, 60)
    version = tiny_version(ours, ["Apple", "Pear"])
    random = np.random.default_rng(1)
    rows = random.normal(size=(60, WIDTH)).astype(np.float32)
    with read() as session:
        trunk = get_trunk(session, version.trunk_id)
    for start in range(0, 60, 25):
        part = slice(start, start + 25)
        add(trunk, [(image_id, 0) for image_id in mine[part]], rows[part])
    close = rows[0] + 0.01 * random.normal(size=(60, WIDTH)).astype(np.float32)
    add(trunk, [(image_id, 0) for image_id in other], close.astype(np.float32))
    half = rows.astype(np.float16).astype(np.float64)
    unit = half / np.linalg.norm(half, axis=1, keepdims=True)
    expected = np.argsort(-(unit @ unit[0]))[1:8]
    assert neighbours(ours, mine[0], 7) == [mine[index] for index in expected]


def test_removed_and_turned_images_are_no_neighbours():
    with write() as session:
        project_id = project(session)
        ids = images(session, project_id, 5)
    version = tiny_version(project_id, ["Apple", "Pear"])
    with read() as session:
        trunk = get_trunk(session, version.trunk_id)
    add(trunk, [(image_id, 0) for image_id in ids], np.eye(5, WIDTH, dtype=np.float32) + 1)
    with write() as session:
        change_images(session, [ids[1]], project_id=project_id, state="removed")
        change_images(session, [ids[2]], project_id=project_id, rotation=90)
    assert sorted(neighbours(project_id, ids[0], 10)) == [ids[3], ids[4]]
    assert neighbours(project_id, ids[2], 10) == []


def test_without_a_reference_trunk_there_are_no_neighbours():
    with write() as session:
        project_id = project(session)
        (image_id,) = images(session, project_id, 1)
    assert neighbours(project_id, image_id, 5) == []


def test_the_scan_and_the_inference_engine_live_in_one_process_whichever_is_used_first():
    script = (
        "import numpy as np\n"
        "from app.embeddings.exact import nearest_rows\n"
        "rows = np.eye(4, dtype=np.float16)\n"
        "assert nearest_rows(rows, np.ones(4, np.float32) + 9 * np.eye(4, dtype=np.float32)[2], 1)[0] == [2]\n"
        "from app.inference.engine import TrunkEngine\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
