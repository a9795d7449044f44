"""Scores are the head's on the stored embeddings: the same values whoever asks, and however often it is interrupted."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.database import read, write
from app.core.errors import Unavailable
from app.core.storage import get_storage
from app.embeddings.store import read_embeddings
from app.predictions.scoring import score_images
from app.registry import artifacts
from app.registry.artifacts import FOLDER, load_head, load_version
from app.registry.queries import get_version
from tests.factories.predictions import photo_images
from tests.factories.registry import TinyVersion, tiny_version
from tests.factories.runs import any_project

pytestmark = pytest.mark.usefixtures("installation")
NAMES = ["Apple", "Pear", "Plum"]


@pytest.fixture
def project_id(installation: object) -> int:  # noqa: ARG001 - must exist first
    with write() as session:
        return any_project(session)


def scores_of(version: TinyVersion, ids: list[int], **options: object) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}

    def keep(image_ids: list[int], scores: np.ndarray) -> None:
        found.update(zip(image_ids, scores.tolist(), strict=True))

    score_images(version.id, ids, on_chunk=keep, **options)
    return found


def test_scores_are_those_of_the_head_on_the_stored_embeddings(project_id: int):
    ids = photo_images(project_id, 6)
    version = tiny_version(project_id, NAMES)
    found = scores_of(version, ids)
    with read() as session:
        _, embeddings = read_embeddings(session, version.trunk_id, ids)
    expected = load_version(version.id).head.scores(embeddings)
    assert list(found) == ids
    assert np.allclose([found[image_id] for image_id in ids], expected, atol=1e-6)
    assert np.allclose(np.sum(list(found.values()), axis=1), 1.0)


def test_interrupted_and_resumed_scoring_gives_the_same_values_bit_for_bit(project_id: int):
    ids = photo_images(project_id, 40)
    version = tiny_version(project_id, [f"class {number}" for number in range(40)])
    undisturbed = scores_of(version, ids, ids_per_chunk=16)
    resumed: dict[int, list[float]] = {}

    def killed_after_two(image_ids: list[int], scores: np.ndarray) -> None:
        resumed.update(zip(image_ids, scores.tolist(), strict=True))
        if len(resumed) > 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_images(version.id, ids, on_chunk=killed_after_two, ids_per_chunk=16)
    rest = [image_id for image_id in ids if image_id not in resumed]
    assert 0 < len(rest) < 40
    assert resumed | scores_of(version, rest, ids_per_chunk=16) == undisturbed


def test_embeddings_at_hand_are_not_computed_again_and_give_the_same_scores(project_id: int):
    ids = photo_images(project_id, 5)
    version = tiny_version(project_id, NAMES)
    first = scores_of(version, ids)
    done = score_images(version.id, ids, on_chunk=lambda _ids, _scores: None)
    assert (done.images, done.embedded, done.is_complete) == (5, 0, True)
    assert scores_of(version, ids) == first


def test_stopping_leaves_whole_chunks_and_says_so(project_id: int):
    ids = photo_images(project_id, 6)
    version = tiny_version(project_id, NAMES)
    chunks: list[list[int]] = []
    done = score_images(
        version.id,
        ids,
        on_chunk=lambda image_ids, _: chunks.append(image_ids),
        should_stop=lambda: len(chunks) >= 2,
        ids_per_chunk=2,
    )
    assert [image_id for chunk in chunks for image_id in chunk] == ids[: done.images]
    assert (0 < done.images < 6, done.is_complete) == (True, False)


@pytest.mark.parametrize("part", ["head", "trunk"])
def test_a_changed_artifact_is_refused(project_id: int, part: str):
    version = tiny_version(project_id, NAMES, seed=11)
    with read() as session:
        ref = get_version(session, version.id)
    name = ref.head_file if part == "head" else ref.trunk.exported_file
    path = get_storage().file_path(FOLDER, name)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    artifacts._engine.cache_clear()
    with pytest.raises(Unavailable, match="was changed"):
        load_version(version.id)
    path.unlink()
    with pytest.raises(Unavailable, match="missing"):
        load_version(version.id)
    if part == "trunk":
        assert len(load_head(version.id).classes) == 3
