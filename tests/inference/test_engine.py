"""The exported trunk: any number of images, one answer for each, clear refusals."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app.inference.engine import TrunkEngine
from app.inference.errors import EngineError
from app.inference.plans import EnginePlan, Precision, offered
from tests.inference.networks import SIZE, WIDTH, noise, tiny_trunk

PLANS = [EnginePlan(engine, precision, streams=2, threads=1, batch=8) for engine, precision in offered()]


@pytest.fixture(scope="module", params=PLANS, ids=lambda plan: f"{plan.engine}-{plan.precision}")
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TrunkEngine:
    return TrunkEngine(tiny_trunk(tmp_path_factory.mktemp("trunk") / "trunk.onnx"), plan=request.param)


def test_it_knows_its_input_size_and_width(engine: TrunkEngine):
    assert (engine.input_size, engine.width) == (SIZE, WIDTH)


@pytest.mark.parametrize("count", [0, 1, 7, 16, 17, 40])
def test_every_count_gives_what_one_by_one_gives(engine: TrunkEngine, count: int):
    images = noise(count)
    embeddings = engine.embed(images)
    assert embeddings.shape == (count, WIDTH)
    assert embeddings.dtype == np.float32
    for image, embedding in zip(images, embeddings, strict=True):
        assert np.allclose(engine.embed(image[None])[0], embedding, atol=1e-6)


def test_bytes_and_floats_of_the_same_values_give_the_same(engine: TrunkEngine):
    images = noise(5)
    assert np.array_equal(engine.embed(images), engine.embed(images.astype(np.float32), batch=2))


def test_views_with_strides_are_taken(engine: TrunkEngine):
    images = noise(6)
    turned = np.rot90(images, axes=(1, 2))[::2]
    assert np.array_equal(engine.embed(turned), engine.embed(turned.copy()))


def test_several_threads_may_use_it_at_once(engine: TrunkEngine):
    images = [noise(9, seed=seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(engine.embed, images))
    for one, embeddings in zip(images, together, strict=True):
        assert np.array_equal(engine.embed(one), embeddings)


@pytest.mark.parametrize(
    "images",
    [
        noise(2, size=SIZE + 1),
        noise(2)[0],
        noise(2)[..., :1],
        noise(2).astype(np.float64),
        noise(2).astype(np.int32),
    ],
)
def test_arrays_of_another_shape_or_type_are_refused(engine: TrunkEngine, images: np.ndarray):
    with pytest.raises(EngineError, match="must"):
        engine.embed(images)


def test_a_batch_of_nothing_is_refused(engine: TrunkEngine):
    with pytest.raises(EngineError, match="at least one"):
        engine.embed(noise(1), batch=0)


def test_embeddings_that_are_not_finite_are_refused(tmp_path: Path):
    broken = TrunkEngine(tiny_trunk(tmp_path / "trunk.onnx", scale=1e38))
    with pytest.raises(EngineError, match="finite"):
        broken.embed(noise(1))


def test_a_missing_or_damaged_file_is_refused(tmp_path: Path):
    with pytest.raises(EngineError, match="none at"):
        TrunkEngine(tmp_path / "missing.onnx")
    whole = tiny_trunk(tmp_path / "trunk.onnx").read_bytes()
    for name, content in {"empty": b"", "text": b"hello", "cut": whole[: len(whole) // 2]}.items():
        damaged = tmp_path / f"{name}.onnx"
        damaged.write_bytes(content)
        with pytest.raises(EngineError):
            TrunkEngine(damaged)


def test_a_network_that_is_no_trunk_is_refused(tmp_path: Path):
    with pytest.raises(EngineError, match="free batch size"):
        TrunkEngine(tiny_trunk(tmp_path / "a.onnx", batch=16))
    with pytest.raises(EngineError, match="one input 'image'"):
        TrunkEngine(tiny_trunk(tmp_path / "b.onnx", input_name="pixels"))
    with pytest.raises(EngineError, match=r"float32 \(N, E\)"):
        TrunkEngine(tiny_trunk(tmp_path / "c.onnx", pool=False))


def test_engines_agree_and_the_reduced_precision_is_really_computed_in(tmp_path: Path):
    path = tiny_trunk(tmp_path / "trunk.onnx")
    images = noise(20)
    plain = TrunkEngine(path).embed(images)
    for plan in PLANS:
        difference = np.abs(TrunkEngine(path, plan=plan).embed(images) - plain).max() / np.abs(plain).max()
        assert difference < (1e-5 if plan.precision == Precision.FLOAT32 else 2e-2)
        assert (difference > 1e-5) == (plan.precision == Precision.BFLOAT16)


def test_an_engine_tells_nobody_that_it_was_loaded(tmp_path: Path):
    """OpenVINO's package reports its import to its makers, by a process forked from ours and a file in the home."""
    script = "import sys\nfrom app.inference.backends import load_openvino\nload_openvino()\n"
    script += "sys.exit(any(name.startswith('openvino_telemetry.') for name in sys.modules))"
    environment = os.environ | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    assert not (tmp_path / "intel").exists()
