"""The head and what is read off its scores."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from app.inference.classifier import Classifier, load_classifier
from app.inference.engine import TrunkEngine
from app.inference.errors import EngineError
from app.inference.head import Head, load_head, save_head
from tests.inference.networks import WIDTH, noise, tiny_trunk


def random_head(classes: int = 5, *, width: int = WIDTH, temperature: float = 1.0) -> Head:
    random = np.random.default_rng(1)
    kernel = random.normal(size=(width, classes)).astype(np.float32)
    return Head(kernel, random.normal(size=classes).astype(np.float32), temperature)


def embeddings(count: int = 9) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(count, WIDTH)).astype(np.float32)


def test_scores_are_the_softmax_of_the_logits():
    head = random_head()
    logits = head.logits(embeddings()).astype(np.float64)
    assert np.allclose(logits, embeddings() @ head.kernel + head.bias, atol=1e-5)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scores = head.scores(embeddings())
    assert scores.dtype == np.float32
    assert np.allclose(scores, expected, atol=1e-6)


def test_huge_logits_stay_finite():
    scores = random_head().scores(embeddings() * np.float32(1e6))
    assert np.isfinite(scores).all()
    assert np.allclose(scores.sum(axis=1), 1)


def test_temperature_softens_and_never_reorders():
    sharp, soft = random_head().scores(embeddings()), random_head(temperature=4.0).scores(embeddings())
    assert (soft.max(axis=1) < sharp.max(axis=1)).all()
    assert np.array_equal(soft.argsort(axis=1), sharp.argsort(axis=1))


def test_it_comes_back_from_its_file(tmp_path: Path):
    head = random_head()
    save_head(tmp_path / "head.safetensors", kernel=head.kernel, bias=head.bias)
    loaded = load_head(tmp_path / "head.safetensors", temperature=2.0)
    assert np.array_equal(loaded.kernel, head.kernel)
    assert np.array_equal(loaded.bias, head.bias)
    assert (loaded.temperature, loaded.width, loaded.classes) == (2.0, WIDTH, 5)


@pytest.mark.parametrize(
    "tensors",
    [
        {"kernel": np.ones((3, 2), np.float32)},
        {"kernel": np.ones((3, 2), np.float32), "bias": np.ones(2, np.float32), "more": np.ones(1, np.float32)},
        {"kernel": np.ones((3, 2), np.float32), "bias": np.ones(3, np.float32)},
        {"kernel": np.ones(3, np.float32), "bias": np.ones(3, np.float32)},
        {"kernel": np.ones((3, 2), np.float64), "bias": np.ones(2, np.float64)},
        {"kernel": np.full((3, 2), np.nan, np.float32), "bias": np.ones(2, np.float32)},
        {"kernel": np.ones((3, 2), np.float32), "bias": np.full(2, np.inf, np.float32)},
        {"kernel": np.ones((0, 2), np.float32), "bias": np.ones(2, np.float32)},
    ],
)
def test_a_file_that_holds_no_head_is_refused(tmp_path: Path, tensors: dict[str, np.ndarray]):
    save_file(tensors, tmp_path / "head.safetensors")
    with pytest.raises(EngineError, match="head"):
        load_head(tmp_path / "head.safetensors")


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"\xff" * 64])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "head.safetensors").write_bytes(content)
    with pytest.raises(EngineError, match="safetensors"):
        load_head(tmp_path / "head.safetensors")
    with pytest.raises(EngineError, match="safetensors"):
        load_head(tmp_path / "missing.safetensors")


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_none_is_refused(temperature: float):
    with pytest.raises(EngineError, match="temperature"):
        random_head(temperature=temperature)


def test_embeddings_of_another_width_or_type_are_refused():
    with pytest.raises(EngineError, match="12"):
        random_head().logits(embeddings()[:, :5])
    with pytest.raises(EngineError, match="float32"):
        random_head().logits(embeddings().astype(np.float16))


def test_trunk_and_head_make_a_classifier(tmp_path: Path):
    trunk = tiny_trunk(tmp_path / "trunk.onnx")
    head = random_head()
    save_head(tmp_path / "head.safetensors", kernel=head.kernel, bias=head.bias)
    classifier = load_classifier(trunk, tmp_path / "head.safetensors", threads=1)
    images = noise(19)
    assert np.array_equal(classifier.scores(images), head.scores(TrunkEngine(trunk).embed(images)))
    with pytest.raises(EngineError, match="agree"):
        Classifier(classifier.engine, random_head(width=7))
