"""How labels spread over embeddings: the nearest decide, exceptions count against, each image is shown once."""

from __future__ import annotations

import numpy as np

from app.labelling.propagation import Propagation, reduced

NONE_REJECTED = np.zeros((0, 2), np.int64)


def heaps(each: int, *, count: int = 3, spread: float = 0.02, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows around `count` directions, and which direction each is of."""
    random = np.random.default_rng(seed)
    rows = np.repeat(np.eye(count, 64, dtype=np.float32) * 4, each, axis=0)
    return (rows + random.normal(scale=spread, size=rows.shape)).astype(np.float32), np.repeat(np.arange(count), each)


def known(each: int = 20, labelled: int = 4) -> tuple[Propagation, np.ndarray]:
    """A propagation over heaps of which some are labelled, and the truth of its pool."""
    rows, truth = heaps(each)
    small = reduced(rows)
    is_labelled = np.arange(len(rows)) % each < labelled
    return Propagation(small[~is_labelled], small[is_labelled], truth[is_labelled], 5), truth[~is_labelled]


def test_each_image_gets_the_class_of_its_like_and_no_class_without_a_label():
    propagation, truth = known()
    confidences = propagation.confidences(np.arange(len(truth)), NONE_REJECTED)
    assert np.allclose(confidences.sum(axis=1), 1, atol=1e-4)
    assert (confidences.argmax(axis=1) == truth).all()
    assert (confidences[:, 3:] < 1e-6).all()


def test_what_was_taken_out_is_never_proposed_again_and_its_like_less():
    rows, truth = heaps(20, spread=1e-4)
    small = reduced(rows)
    is_labelled = np.arange(60) % 20 < 8
    classes = np.where(np.arange(24) < 4, 3, truth[is_labelled])  # Half of the first heap is said to be another class.
    undecided = Propagation(small[~is_labelled], small[is_labelled], classes, 4)
    first_heap = np.arange(12)
    before = undecided.confidences(first_heap, NONE_REJECTED)
    after = undecided.confidences(first_heap, np.array([[0, 0], [1, 0], [2, 0]]))
    assert (after[:3, 0] < 1e-6).all()
    assert after[3:, 0].mean() < before[3:, 0].mean()


def test_an_answer_that_is_only_supposed_changes_a_copy():
    propagation, truth = known()
    everything = np.arange(len(truth))
    before = propagation.confidences(everything, NONE_REJECTED)
    supposed = propagation.supposing(everything[:10], truth[:10])
    assert not np.allclose(supposed.confidences(everything, NONE_REJECTED), before)
    assert np.array_equal(propagation.confidences(everything, NONE_REJECTED), before)


def test_a_page_holds_each_image_once_the_largest_section_first():
    propagation, truth = known()
    sections = propagation.page(np.arange(5, len(truth)), NONE_REJECTED, size=30)
    shown = [place for section in sections for place in section.pool_places]
    assert len(shown) == len(set(shown)) == 30
    assert min(shown) >= 5
    sizes = [len(section.pool_places) for section in sections]
    assert sizes == sorted(sizes, reverse=True)
    assert all(section.confidences == sorted(section.confidences, reverse=True) for section in sections)


def test_a_page_of_one_class_and_the_page_of_an_empty_pool():
    propagation, truth = known()
    [section] = propagation.page(np.arange(len(truth)), NONE_REJECTED, one_class=True)
    assert (truth[section.pool_places] == section.class_place).all()
    assert propagation.page(np.zeros(0, np.int64), NONE_REJECTED) == []
