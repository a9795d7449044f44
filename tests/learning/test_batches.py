"""What an epoch is made of: balance, mixing, classes that are not mirrored; the same again after a restart."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app.training.fit_settings import NO_AUGMENTATION, Augmentation
from tests.learning import tiny
from worker.learning.data import EmbeddingSamples, ImageSamples, pack_manifest
from worker.learning.epochs import epoch_order
from worker.learning.errors import ShardsDamaged
from worker.learning.fit import fit
from worker.learning.mixing import draw_mixes


def _batches(samples: ImageSamples, first_epoch: int = 0, **changes: Any) -> list[list[npt.NDArray[np.float32]]]:
    config = tiny.settings(**changes)
    stream = samples.batches(config, class_count=3, first_epoch=first_epoch)
    return [[each.numpy() for each in batch] for batch in stream]


def test_an_unbalanced_order_takes_every_row_once_and_differs_by_epoch():
    rows = np.arange(100, 140)
    classes = np.repeat([0, 1], 20)
    orders = [epoch_order(rows, classes, seed=1, epoch=epoch) for epoch in (0, 1, 0)]
    assert all(np.array_equal(np.sort(order), rows) and not times.any() for order, times in orders)
    assert np.array_equal(orders[0][0], orders[2][0])
    assert not np.array_equal(orders[0][0], orders[1][0])


def test_a_balanced_order_gives_each_class_its_share_and_each_image_its_turn():
    classes = np.repeat([0, 1, 4], [90, 8, 2])
    rows = np.arange(100) + 1000
    seen: set[int] = set()
    for epoch in range(12):
        chosen, times = epoch_order(rows, classes, seed=5, epoch=epoch, balanced=True)
        counts = np.bincount(classes[chosen - 1000])
        assert sorted(counts[[0, 1, 4]]) == [33, 33, 34]
        for row in np.unique(chosen):
            assert np.array_equal(times[chosen == row], np.arange((chosen == row).sum()))
        seen |= set(chosen.tolist())
    assert len(seen) > 95
    again, _ = epoch_order(rows, classes, seed=5, epoch=11, balanced=True)
    assert np.array_equal(again, chosen)


def test_a_restart_sees_the_epochs_that_were_still_to_come(samples: ImageSamples):
    changes = {"balance": "sampling", "mixup": 0.4, "cutmix": 1.0}
    whole, rest = _batches(samples, **changes), _batches(samples, first_epoch=1, **changes)
    assert len(whole) == 9
    assert len(rest) == 6
    for expected, found in zip(whole[3:], rest, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(expected, found, strict=True))


def test_an_image_that_comes_twice_in_an_epoch_is_changed_in_two_ways(tmp_path: Path):
    kept = tiny.samples(tmp_path)
    one_each = ImageSamples(kept.shards, kept.class_indices, kept.train_rows[[0, 12, 24] * 4], kept.validation_rows)
    images = _batches(one_each, epochs=1, balance="sampling")[0][0]
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images) == 12


def test_mixing_takes_pixels_and_targets_in_the_same_share(samples: ImageSamples):
    plain = _batches(samples, augmentation=NO_AUGMENTATION)[0]
    before = [np.roll(each, 1, axis=0) for each in plain]
    cut = _batches(samples, augmentation=NO_AUGMENTATION, cutmix=1.0)[0]
    is_own, is_other = ((cut[0] == each).all(axis=3) for each in (plain[0], before[0]))
    assert (is_own | is_other).all()
    unlike = (plain[1] != before[1]).any(axis=1)
    # Where the two images agree in a pixel it may count for either.
    least, most = 1 - is_other.mean(axis=(1, 2))[unlike], is_own.mean(axis=(1, 2))[unlike]
    own = (cut[1] * plain[1]).sum(axis=1)[unlike]
    assert ((least - 1e-6 <= own) & (own <= most + 1e-6)).all()
    assert 0.1 < own.mean() < 0.9
    assert np.allclose(cut[1].sum(axis=1), 1, atol=1e-6)

    blended = _batches(samples, augmentation=NO_AUGMENTATION, mixup=1.0)[0]
    own = draw_mixes(12, mixup=1.0, cutmix=0, seed=7, epoch=0, step=0)[:, 0]
    weights = own[:, None, None, None]
    assert np.allclose(blended[0], weights * plain[0] + (1 - weights) * before[0], atol=1e-3)
    assert np.allclose(blended[1], own[:, None] * plain[1] + (1 - own[:, None]) * before[1])


def test_where_both_are_on_each_image_gets_one_of_them():
    mixes = draw_mixes(400, mixup=0.5, cutmix=0.5, seed=1, epoch=2, step=3)
    has_box = (mixes[:, 3] > mixes[:, 1]) & (mixes[:, 4] > mixes[:, 2])
    assert 100 < has_box.sum() < 300
    assert (mixes[has_box, 0] == 1).all()
    assert (mixes[(mixes[:, 0] < 1), 1:] == 0).all()


def test_a_class_whose_mirror_image_means_something_else_is_never_flipped(samples: ImageSamples):
    flips = NO_AUGMENTATION.model_copy(update={"flip": True, "no_flip": (1,)})
    originals = {tuple(image.reshape(-1)) for image in samples.shards.read(samples.train_rows).astype(np.float32)}
    flipped: dict[int, int] = {0: 0, 1: 0, 2: 0}
    for images, targets in _batches(samples, augmentation=flips):
        for image, target in zip(images, targets, strict=True):
            flipped[int(target.argmax())] += tuple(image.reshape(-1)) not in originals
    assert flipped[1] == 0
    assert min(flipped[0], flipped[2]) > 5


def test_an_epoch_sees_the_image_or_one_of_its_views():
    plain = np.arange(40, dtype=np.float32)[:, None] * np.ones((1, 4), np.float32)
    rows = np.arange(40)
    views = np.stack([plain + 100, plain + 200])[:, 10:].astype(np.float16)
    samples = EmbeddingSamples(plain, rows % 2, rows[10:], rows[:10], views=views)
    config = tiny.settings("head_only", epochs=6, batch_size=10, views=2, augmentation=Augmentation())
    stream = samples.batches(config, class_count=2, first_epoch=0)
    vectors = np.concatenate([np.asarray(each) for each, _ in stream])
    assert np.array_equal(np.unique(vectors[:, 0] % 100), rows[10:])
    kinds = vectors[:, 0] // 100
    assert set(np.unique(kinds)) == {0, 1, 2}
    assert np.bincount(kinds.astype(int)).min() > 30
    checked = next(iter(samples.validation_batches(config, class_count=2)))
    assert np.array_equal(checked[0], plain[:10])


def test_a_run_whose_images_cannot_be_mended_ends_with_the_reason(tmp_path: Path):
    broken = {"now": False}

    def read(image_ids: Any) -> Any:
        for pixels in tiny.reader()(image_ids):
            yield None if broken["now"] else pixels

    samples = pack_manifest(tiny.manifest(), read, folder=tmp_path / "shards", input_size=tiny.SIZE)
    next((tmp_path / "shards").glob("*/*.shard")).write_bytes(b"?")
    broken["now"] = True
    with pytest.raises(ShardsDamaged, match="no longer agree"):
        fit(tiny.settings(), samples, class_count=3, work_dir=tmp_path / "work")
