"""Answers the validation images after each epoch: loss, accuracy, each class, and the surest mistakes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from worker.learning.averaging import AveragedWeights
from worker.learning.backend import keras, tf
from worker.learning.events import EpochDetail, Mistake

MOST_CLASSES: Final = 200
MOST_MISTAKES: Final = 12


class Validation(keras.callbacks.Callback):
    """Puts `val_loss` and `val_accuracy` into the epoch's figures and leaves `detail`. Runs before all that read them.

    `batches` gives the rows of `rows` in order. The network answers with its averaged weights where there are some.
    """

    def __init__(
        self,
        batches: Any,
        rows: npt.NDArray[np.int64],
        *,
        averages: AveragedWeights | None,
        between: Callable[[], None],
    ) -> None:
        super().__init__()
        self._batches = batches
        self._rows = rows
        self._averages = averages
        self._between = between
        self._answer: Any = None
        self.detail: EpochDetail | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Answers all images; `between` is called after each batch and may raise to end the run."""
        self._answer = self._answer or tf.function(self._scored, reduce_retracing=True)
        found = []
        with self._averages.in_place() if self._averages else nullcontext():
            for images, targets in self._batches:
                found.append([part.numpy() for part in self._answer(images, targets)])
                self._between()
        losses, true, answered, confidence = (np.concatenate(parts) for parts in zip(*found, strict=True))
        if logs is not None:
            logs["val_loss"] = float(losses.mean(dtype=np.float64))
            logs["val_accuracy"] = float((true == answered).mean())
        self.detail = EpochDetail(
            epoch + 1, _by_class(true, answered), self._surest_mistakes(true, answered, confidence)
        )

    def _scored(self, images: Any, targets: Any) -> tuple[Any, Any, Any, Any]:
        logits = self.model(images, training=False)
        losses = keras.losses.categorical_crossentropy(
            targets, logits, from_logits=True, label_smoothing=self.model.loss.label_smoothing
        )
        shares = tf.nn.softmax(logits)
        return losses, tf.argmax(targets, axis=1), tf.argmax(logits, axis=1), tf.reduce_max(shares, axis=1)

    def _surest_mistakes(
        self, true: npt.NDArray[np.int64], answered: npt.NDArray[np.int64], confidence: npt.NDArray[np.float32]
    ) -> tuple[Mistake, ...]:
        wrong = np.flatnonzero(true != answered)
        surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:MOST_MISTAKES]
        return tuple(
            Mistake(int(self._rows[place]), int(true[place]), int(answered[place]), float(confidence[place]))
            for place in surest
        )


def _by_class(true: npt.NDArray[np.int64], answered: npt.NDArray[np.int64]) -> tuple[tuple[int, int, int], ...]:
    """Of the classes that validate, an even choice of MOST_CLASSES where there are more."""
    seen = np.bincount(true)
    right = np.bincount(true[true == answered], minlength=len(seen))
    classes = np.flatnonzero(seen)
    if len(classes) > MOST_CLASSES:
        classes = classes[np.linspace(0, len(classes) - 1, MOST_CLASSES).astype(np.int64)]
    return tuple((int(each), int(right[each]), int(seen[each])) for each in classes)
