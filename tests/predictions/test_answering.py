"""Rows for identification: what the head says of the stored embeddings, the same however often it is interrupted."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.database import write
from app.embeddings.shards import to_single
from app.inference.ranking import answers_from
from app.predictions.answering import answer_images
from app.predictions.rows import CompactRows, compact_rows
from app.predictions.scoring import score_images
from tests.factories.predictions import photo_images
from tests.factories.registry import TinyVersion, tiny_version
from tests.factories.runs import any_project


def test_every_half_is_the_single_that_it_stands_for():
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    rows = every[np.isfinite(every)].reshape(-1, 128)
    assert np.array_equal(to_single(rows).view(np.uint32), rows.astype(np.float32).view(np.uint32))


def test_answers_are_those_of_the_softmax_and_equal_ones_come_by_their_place():
    logits = np.random.default_rng(0).normal(size=(300, 40)).astype(np.float32) * 5
    logits[7, 3] = logits[7, 30] = logits[7].max() + 1
    exact = np.exp(logits.astype(np.float64) / 1.5)
    exact /= exact.sum(axis=1, keepdims=True)
    expected = compact_rows(list(range(40)), list(range(300)), exact.astype(np.float32))
    found = answers_from(logits.copy(), 5, temperature=1.5)
    assert np.array_equal(found.indices, expected.classes)
    assert found.indices[7, :2].tolist() == [3, 30]
    assert np.allclose(found.confidences, expected.confidences, atol=1e-6)
    assert np.allclose(found.entropies, expected.entropies, atol=1e-6)
    alone = answers_from(np.zeros((2, 1), np.float32), 5)
    assert (alone.confidences.tolist(), alone.entropies.tolist()) == ([[1.0], [1.0]], [0.0, 0.0])


def answers_of(version: TinyVersion, ids: list[int], **options: object) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}

    def keep(rows: CompactRows) -> None:
        found.update(zip(rows.image_ids.tolist(), rows.confidences.tolist(), strict=True))

    done = answer_images(version.id, ids, on_rows=keep, **options)
    assert done.images == len(found)
    return found


@pytest.mark.usefixtures("installation")
def test_rows_are_those_of_the_scores_and_the_same_bit_for_bit_after_a_fault():
    with write() as session:
        project_id = any_project(session)
    ids = photo_images(project_id, 40)
    version = tiny_version(project_id, [f"class {number}" for number in range(40)])
    undisturbed = answers_of(version, ids, ids_per_chunk=16)
    assert list(undisturbed) == ids
    scores = {}
    score_images(version.id, ids, on_chunk=lambda found, rows: scores.update(zip(found, rows.max(axis=1), strict=True)))
    assert np.allclose([undisturbed[each][0] for each in ids], [scores[each] for each in ids], atol=1e-6)
    resumed: dict[int, list[float]] = {}

    def killed_after_two(rows: CompactRows) -> None:
        if len(resumed) > 16:
            raise KeyboardInterrupt
        resumed.update(zip(rows.image_ids.tolist(), rows.confidences.tolist(), strict=True))

    with pytest.raises(KeyboardInterrupt):
        answer_images(version.id, ids, on_rows=killed_after_two, ids_per_chunk=16)
    rest = [image_id for image_id in ids if image_id not in resumed]
    assert 0 < len(rest) < 40
    assert resumed | answers_of(version, rest, ids_per_chunk=16) == undisturbed
