"""Run as a script: trains on a CPU that is split in two, and writes what came of it to `found.json`."""

import gc
import json
import sys
from pathlib import Path

import numpy as np

from tests.learning import tiny
from worker.learning.backend import keras, tf
from worker.learning.devices import devices
from worker.learning.events import EpochDone, Event
from worker.learning.fit import fit


def _apart() -> float:
    """By how much the two copies of any weight of the network in training differ."""
    (network,) = (each for each in gc.get_objects() if isinstance(each, keras.Model) and each.name == "network")
    copies_of = network.distribute_strategy.experimental_local_results
    pairs = [[copy.numpy() for copy in copies_of(weight.value)] for weight in network.trainable_variables]
    return max(float(np.abs(one - other).max()) for one, other in pairs)


def main(folder: Path) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    apart: list[float] = []

    def look(event: Event) -> None:
        if isinstance(event, EpochDone):
            apart.append(_apart())

    samples = tiny.samples(folder / "shards")
    settings = tiny.settings(
        epochs=1, weight_decay=0.1, discriminative_rate=0.3, ema=0.9, balance="class_weights", mixup=0.3
    )
    result = fit(settings, samples, class_count=3, work_dir=folder / "work", on_event=look)
    losses = [epoch.val_loss for epoch in result.history]
    found = {"devices": len(devices()), "apart": apart, "losses": losses}
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
