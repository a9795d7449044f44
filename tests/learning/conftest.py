"""One set of shards and one trained version, shared by the tests of this folder."""

from pathlib import Path

import pytest

from tests.learning import tiny
from worker.learning.data import ImageSamples
from worker.learning.fit import FitResult, fit


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> ImageSamples:
    return tiny.samples(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="session")
def parent(samples: ImageSamples, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A compact network trained from random weights for two epochs."""
    work_dir: Path = tmp_path_factory.mktemp("parent")
    return fit(tiny.settings(epochs=2), samples, class_count=3, work_dir=work_dir)
