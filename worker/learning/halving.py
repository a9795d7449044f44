"""Where the memory does not suffice for a batch: it is halved, and its rate with it."""

from __future__ import annotations

from typing import Final

from worker.learning.config import FitConfig
from worker.learning.errors import OutOfMemory

SMALLEST_BATCH: Final = 4
"""Where the memory does not suffice, batches are halved down to this."""


class BatchTooLarge(Exception):
    """The memory did not suffice for the batch after so many halvings."""

    def __init__(self, halvings: int) -> None:
        super().__init__(halvings)
        self.halvings = halvings


def tell_halving(config: FitConfig, refused: BatchTooLarge) -> str:
    """How to say that the batch is halved once more. Raises OutOfMemory at SMALLEST_BATCH."""
    batch_size = config.batch_size >> refused.halvings
    if batch_size // 2 < SMALLEST_BATCH:
        raise OutOfMemory(
            f"The memory did not suffice even for batches of {batch_size} images; {SMALLEST_BATCH} are the fewest"
            " that are tried. Choose a smaller input size or trunk, or a machine with more memory."
        ) from refused
    return (
        f"The memory did not suffice for batches of {batch_size} images: the run went on from its last epoch with"
        f" {batch_size // 2}, at half the learning rate."
    )


def with_smaller_batches(config: FitConfig, halvings: int) -> FitConfig:
    """Half the images at a time make half the rate right (Goyal et al. 2017, arXiv:1706.02677)."""
    if not halvings:
        return config
    return config.changed(
        batch_size=max(SMALLEST_BATCH, config.batch_size >> halvings),
        learning_rate=max(1e-8, config.learning_rate / 2**halvings),
    )
