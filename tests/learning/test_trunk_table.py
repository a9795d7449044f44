import subprocess
import sys

import numpy as np
import pytest

from app.registry.trunks import DEFAULT_TRUNK, TRUNKS, find_trunk
from worker.learning import trunks
from worker.learning.backend import to_numpy


def test_every_trunk_in_the_table_has_a_builder_and_the_reverse():
    assert set(TRUNKS) == set(trunks._BUILDERS)
    assert DEFAULT_TRUNK in TRUNKS


def test_the_table_is_read_without_tensorflow():
    code = "import sys, app.registry.trunks; print([name for name in sys.modules if name in ('tensorflow', 'keras')])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("name", TRUNKS)
def test_a_trunk_is_what_the_table_says(name: str):
    kind = TRUNKS[name]
    size = kind.allowed_input_sizes[0]
    trunk = trunks.build_trunk(name, size)
    assert trunk.input.name == "image"
    assert trunk.output_shape == (None, kind.embedding_width)
    assert trunk.count_params() == kind.parameters
    assert kind.default_input_size in kind.allowed_input_sizes
    embedding = to_numpy(trunk(np.full((2, size, size, 3), 255, np.float32), training=False))
    assert np.isfinite(embedding).all()
    assert np.abs(embedding).max() < 1e3, "0..255 goes in, so it is rescaled inside"


def test_an_unknown_trunk_is_answered_with_those_there_are():
    with pytest.raises(KeyError, match="compact_cnn"):
        find_trunk("resnet9000")
