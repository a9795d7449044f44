import json
import subprocess
import sys
from pathlib import Path

import numpy as np

_ROOT = Path(__file__).parents[2]


def test_two_devices_train_one_network(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.learning.two_devices", str(tmp_path)],
        cwd=_ROOT,
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["devices"] == 2
    assert found["apart"] == [0.0]  # every copy of a weight is the same
    assert len(found["losses"]) == 1
    assert np.isfinite(found["losses"]).all()
