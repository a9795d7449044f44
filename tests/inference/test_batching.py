"""The stream: same embeddings as at once, bounded, honest about failures."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from app.inference.batching import embed_stream
from app.inference.engine import TrunkEngine
from app.inference.errors import EngineError
from tests.inference.networks import WIDTH, noise, tiny_trunk


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> TrunkEngine:
    return TrunkEngine(tiny_trunk(tmp_path_factory.mktemp("trunk") / "trunk.onnx"), threads=1)


@pytest.mark.parametrize("count", [0, 1, 8, 45])
def test_a_stream_gives_in_order_what_one_call_gives(engine: TrunkEngine, count: int):
    images = noise(count)
    batches = list(embed_stream(enumerate(images), engine, decode=np.array, batch=8))
    assert [key for part in batches for key in part.keys] == list(range(count))
    together = np.concatenate([np.empty((0, WIDTH), np.float32), *(part.embeddings for part in batches)])
    assert np.array_equal(together, engine.embed(images, batch=8))


def test_what_cannot_be_read_is_listed_and_the_rest_goes_on(engine: TrunkEngine):
    images = noise(20)

    def decode(index: int) -> np.ndarray | None:
        return None if index % 3 == 0 or index >= 16 else images[index]

    batches = list(embed_stream(((index, index) for index in range(20)), engine, decode=decode, batch=4))
    assert [key for part in batches for key in part.unreadable] == [0, 3, 6, 9, 12, 15, 16, 17, 18, 19]
    assert batches[-1].embeddings.shape == (0, WIDTH)
    for part in batches:
        assert np.allclose(part.embeddings, engine.embed(images[part.keys]), atol=1e-6)


def test_reading_stays_in_the_callers_thread_and_ahead_by_little(engine: TrunkEngine):
    taken: list[str] = []
    images = noise(400)

    def read() -> Iterator[tuple[int, np.ndarray]]:
        for index, image in enumerate(images):
            taken.append(threading.current_thread().name)
            yield index, image

    stream = embed_stream(read(), engine, decode=np.array, batch=4, ahead=2)
    next(stream)
    assert len(taken) <= 4 * 3
    assert set(taken) == {threading.current_thread().name}


def test_an_error_of_decoding_or_inference_reaches_the_caller(engine: TrunkEngine):
    def decode(_: int) -> np.ndarray:
        raise RuntimeError("the pack is gone")

    with pytest.raises(RuntimeError, match="the pack is gone"):
        list(embed_stream(((index, index) for index in range(9)), engine, decode=decode))
    with pytest.raises(EngineError, match="shape"):
        list(embed_stream(enumerate(noise(3, size=9)), engine, decode=np.array))


def test_closing_early_ends_the_threads(engine: TrunkEngine):
    before = threading.active_count()
    stream = embed_stream(enumerate(noise(200)), engine, decode=np.array, batch=4)
    next(stream)
    assert threading.active_count() > before
    stream.close()
    assert threading.active_count() == before
