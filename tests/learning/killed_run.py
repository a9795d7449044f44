"""Run as a script: trains in WORK_DIR and kills itself, as a power cut would, before epoch 3 is written down."""

import os
import signal
import sys
from pathlib import Path

from tests.learning import tiny
from worker.learning.config import FitConfig
from worker.learning.events import EpochDone, Event
from worker.learning.fit import fit

EPOCHS = 5


def config() -> FitConfig:
    """With all that has to be remembered beside the weights: averages, gathered gradients, a rate that still rises."""
    return tiny.settings(
        epochs=EPOCHS,
        patience=EPOCHS,
        warmup_epochs=4,
        ema=0.9,
        accumulate=2,
        discriminative_rate=0.5,
        balance="class_weights",
    )


def main(shards: Path, work_dir: Path) -> None:
    def die(event: Event) -> None:
        if isinstance(event, EpochDone) and event.epoch == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    fit(config(), tiny.samples(shards), class_count=3, work_dir=work_dir, on_event=die)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
