"""Writes the curves for TensorBoard, beside what the database keeps."""

import time
from pathlib import Path
from typing import Any, Final

from worker.learning.backend import keras, tf, to_numpy

SPACING_S: Final = 1.0
MOST_STEPS: Final = 5_000
"""Points within epochs that one attempt writes: about 300 kB."""
_DATA_CLASS_SCALAR: Final = 1
_OF_EPOCH: Final = ("loss", "accuracy", "val_loss", "val_accuracy")


class Scalars(keras.callbacks.Callback):
    """Loss, accuracy and learning rate by epoch, and the loss by step about once a second, into `folder`.

    The curves are an extra: where they cannot be written (a full disk), the run goes on without them.
    """

    def __init__(self, folder: Path, *, steps: int) -> None:
        super().__init__()
        self._folder = folder
        self._steps = steps
        self._epoch = 0
        self._told_at = time.monotonic()
        self._written = 0
        self._writer: Any = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Opens a file of its own for this attempt."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._writer = tf.summary.create_file_writer(str(self._folder))
        except (OSError, tf.errors.OpError):
            self._writer = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Remembers the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Writes if it is time."""
        now = time.monotonic()
        if now - self._told_at >= SPACING_S and self._written < MOST_STEPS:
            self._told_at = now
            self._written += 1
            self._write({"step/loss": float((logs or {})["loss"])}, self._epoch * self._steps + batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the epoch."""
        given = logs or {}
        values = {f"epoch/{name}": float(given[name]) for name in _OF_EPOCH if name in given}
        self._write({**values, "epoch/learning_rate": float(to_numpy(self.model.optimizer.learning_rate))}, epoch + 1)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Closes the file."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, values: dict[str, float], step: int) -> None:
        if self._writer is None:
            return
        try:
            with self._writer.as_default():
                for name, value in values.items():
                    # `tf.summary.scalar` is TensorBoard's code, which may have been loaded here without TensorFlow.
                    tf.summary.write(name, tf.constant(value, tf.float32), step=step, metadata=_scalar())
            self._writer.flush()
        except (OSError, tf.errors.OpError):
            self._writer = None


def _scalar() -> Any:
    """What tells TensorBoard to draw a curve."""
    kinds = tf.compat.v1.SummaryMetadata
    return kinds(plugin_data=kinds.PluginData(plugin_name="scalars"), data_class=_DATA_CLASS_SCALAR)
