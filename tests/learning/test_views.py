"""Views of images, embedded once and kept: shared, safe to stop, made again where damaged."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app.training.fit_settings import NO_AUGMENTATION, Augmentation
from tests.learning import tiny
from worker.learning.views import ViewSources, embed_views

_CHANGES = Augmentation(rotate_degrees=30)


class _Engine:
    """Averages over quarters of the image stand for an embedding."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        self.seen += len(images)
        quarters = images.reshape(len(images), 2, tiny.SIZE // 2, 2, tiny.SIZE // 2, 3)
        return quarters.mean(axis=(2, 4)).reshape(len(images), -1).astype(np.float32)


def _sources(count: int = 20, *, may_flip: bool = True) -> ViewSources:
    return ViewSources(np.arange(100, 100 + count), np.zeros(count, np.int64), np.full(count, may_flip))


def _embed(
    folder: Path, sources: ViewSources, engine: _Engine, count: int = 2, **options: Any
) -> npt.NDArray[np.float16]:
    out = np.full((count, len(sources.image_ids), 12), -1, np.float16)
    given = {"read_pixels": tiny.reader(), "augmentation": _CHANGES, "trunk_key": "a", **options}
    embed_views(sources, out, embed=engine, folder=folder, **given)
    return out


def test_views_are_computed_once_and_go_by_image_and_number_alone(tmp_path: Path):
    engine = _Engine()
    found = _embed(tmp_path, _sources(), engine)
    assert engine.seen == 40
    assert not np.array_equal(found[0], found[1])
    again = _embed(tmp_path, _sources(), engine)
    assert engine.seen == 40
    assert np.array_equal(found, again)
    order = np.array([19, 3, 7])
    assert np.array_equal(_embed(tmp_path, _sources().at(order), engine), found[:, order])
    more = _embed(tmp_path, _sources(24), engine, count=3)
    assert np.array_equal(more[:2, :20], found)
    assert np.array_equal(_embed(tmp_path / "other", _sources(24), engine, count=3), more)


@pytest.mark.parametrize(
    "other",
    [{"trunk_key": "b"}, {"augmentation": _CHANGES.model_copy(update={"zoom": 0.3})}],
    ids=["another trunk", "another augmentation"],
)
def test_another_trunk_or_augmentation_has_views_of_its_own(tmp_path: Path, other: dict[str, Any]):
    engine = _Engine()
    _embed(tmp_path, _sources(), engine)
    _embed(tmp_path, _sources(), engine, **other)
    assert engine.seen == 80


def test_an_image_that_is_turned_or_may_not_be_mirrored_has_others(tmp_path: Path):
    engine, mirrors = _Engine(), NO_AUGMENTATION.model_copy(update={"flip": True})
    _embed(tmp_path, _sources(), engine, count=4, augmentation=mirrors)
    plain = _Engine()(tiny.pixels(tiny.SIZE, 16)[:20].astype(np.float32)).astype(np.float16)
    unflipped = _embed(tmp_path, _sources(may_flip=False), engine, count=4, augmentation=mirrors)
    assert all(np.array_equal(view, plain) for view in unflipped)
    turned = _sources()
    _embed(
        tmp_path,
        ViewSources(turned.image_ids, turned.rotations + 90, turned.may_flip),
        engine,
        count=4,
        augmentation=mirrors,
    )
    assert engine.seen == 240


def test_what_was_computed_before_a_stop_is_kept_and_an_image_that_is_gone_stays_out(tmp_path: Path):
    class StoppedError(Exception):
        pass

    def stop_at_half(done: int, _total: int) -> None:
        if done >= 16:
            raise StoppedError

    def without_the_third(image_ids: Sequence[int]) -> Iterator[tiny.Pixels | None]:
        for image_id, pixels in zip(image_ids, tiny.reader()(image_ids), strict=True):
            yield None if image_id == 102 else pixels

    engine = _Engine()
    with pytest.raises(StoppedError):
        _embed(tmp_path, _sources(32), engine, on_progress=stop_at_half)
    assert engine.seen == 32
    found = _embed(tmp_path, _sources(32), engine, read_pixels=without_the_third)
    assert engine.seen == 64
    assert (found >= 0).all()
    other = _embed(tmp_path, _sources(32), engine, read_pixels=without_the_third, trunk_key="b")
    assert (other[:, 2] == -1).all()
    assert (np.delete(other, 2, axis=1) >= 0).all()


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-1], lambda _content: b"", lambda content: content[:-1] + b"?"]
)
def test_a_damaged_file_is_computed_again(tmp_path: Path, damage: Callable[[bytes], bytes]):
    engine = _Engine()
    found = _embed(tmp_path, _sources(), engine)
    path = next(tmp_path.glob("*/*.views"))
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(damage(content))
    assert np.array_equal(_embed(tmp_path, _sources(), engine), found)
    assert engine.seen == 80


def test_two_runs_may_append_at_the_same_time(tmp_path: Path):
    engines = [_Engine(), _Engine()]
    with ThreadPoolExecutor(2) as runs:
        one, other = runs.map(lambda engine: _embed(tmp_path, _sources(), engine), engines)
    assert np.array_equal(one, other)
    third = _Engine()
    assert np.array_equal(_embed(tmp_path, _sources(), third), one)
    assert third.seen == 0
