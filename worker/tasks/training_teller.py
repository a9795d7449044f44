"""What the training loop tells, as rows: progress, epochs, their details and the log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from app.core.clock import now
from app.training.recording import record_detail, record_epochs, write_log
from app.training.schemas import EpochDetails, EpochFigures, LogLine, TrainingJob
from worker.execution import RunContext
from worker.learning.events import EpochDetail, EpochDone, Event, Note, StepProgress

SECONDS_BETWEEN_WRITES: Final = 0.5
_DIGITS: Final = 4


def figures(epoch: EpochDone) -> EpochFigures:
    """An epoch of the loop as its row."""
    return EpochFigures(
        number=epoch.epoch,
        loss=epoch.loss,
        accuracy=epoch.accuracy,
        validation_loss=epoch.val_loss,
        validation_accuracy=epoch.val_accuracy,
        learning_rate=epoch.learning_rate,
        seconds=epoch.seconds,
        images_per_second=epoch.images_per_second,
        is_best=epoch.is_best,
    )


class Teller:
    """Turns what the loop tells into progress and rows; what comes in quick succession is written at once."""

    def __init__(self, context: RunContext, job: TrainingJob, image_ids: Sequence[int]) -> None:
        """`image_ids` names the rows of the samples that are trained on."""
        self._context = context
        self._job = job
        self._image_ids = image_ids
        self._class_ids = [each.class_id for each in job.manifest.classes]
        self._epochs: list[EpochFigures] = []
        self._details: list[EpochDetails] = []
        self._lines: list[LogLine] = []
        self._is_best = False
        self._written_at = float("-inf")

    def tell(self, event: Event) -> None:
        """Called by the loop, in its thread. Raises RunCancelled and LostLease."""
        match event:
            case EpochDone():
                self._is_best = event.is_best
                self._epochs.append(figures(event))
                self._write_in_time()
            case EpochDetail():
                self._details.append(self._named(event))
                self._write_in_time()
            case Note():
                self.note(event.text, event.level)
            case StepProgress():
                self._tell_step(event)

    def note(self, text: str, level: str = "info") -> None:
        """One line of the log; it is written with what comes next, or by `flush`."""
        self._lines.append(LogLine(now(), text, "warning" if level == "warning" else "info"))
        self._write_in_time()

    def flush(self) -> None:
        """Writes what waits."""
        record_epochs(self._job.run_id, self._epochs)
        record_detail(self._job.run_id, self._details)
        write_log(self._job.run_id, self._lines)
        self._epochs.clear()
        self._details.clear()
        self._lines.clear()
        self._written_at = time.monotonic()

    def _write_in_time(self) -> None:
        if time.monotonic() - self._written_at >= SECONDS_BETWEEN_WRITES:
            self.flush()

    def _named(self, detail: EpochDetail) -> EpochDetails:
        return EpochDetails(
            number=detail.epoch,
            is_best=self._is_best,
            per_class=[[self._class_ids[place], right, seen] for place, right, seen in detail.per_class],
            mistakes=[
                [
                    int(self._image_ids[each.row]),
                    self._class_ids[each.true],
                    self._class_ids[each.answered],
                    round(each.confidence, _DIGITS),
                ]
                for each in detail.mistakes
            ],
        )

    def _tell_step(self, event: StepProgress) -> None:
        epochs = int(self._job.fit["epochs"])
        self._context.progress(
            (event.epoch - 1) * event.steps + event.step,
            epochs * event.steps,
            f"Epoch {event.epoch} of at most {epochs}",
            epoch=event.epoch,
            epochs=epochs,
            loss=event.loss,
            accuracy=event.accuracy,
            images_per_second=event.images_per_second,
            eta_seconds=event.eta_seconds,
        )
