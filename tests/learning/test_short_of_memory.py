"""A run whose batches do not fit goes on with smaller ones."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from tests.learning import tiny
from worker.learning.backend import tf
from worker.learning.config import FitConfig
from worker.learning.data import ImageSamples
from worker.learning.deaths import begin_attempt
from worker.learning.errors import OutOfMemory
from worker.learning.events import EpochDone, Event, Note
from worker.learning.fit import fit

_BEYOND_ANY_MEMORY = 2**46


class HungrySamples(ImageSamples):
    """From the second epoch on, a batch of more than `most` images asks TensorFlow for more memory than there is."""

    most = 0

    def batches(self, config: FitConfig, *, class_count: int, first_epoch: int) -> Any:
        """As those of any samples, or hungry."""
        stream = super().batches(config, class_count=class_count, first_epoch=first_epoch)
        if config.batch_size <= self.most:
            return stream
        steps = len(self.train_rows) // config.batch_size
        fits = steps if first_epoch == 0 else 0

        def devour(place: Any, batch: Any) -> Any:
            images, targets = batch
            extent = tf.where(place < fits, tf.constant(1, tf.int64), tf.constant(_BEYOND_ANY_MEMORY, tf.int64))
            return images + 0 * tf.reduce_max(tf.random.uniform([extent])), targets

        return stream.enumerate().map(devour)


def _hungry(samples: ImageSamples, most: int) -> HungrySamples:
    hungry = HungrySamples(**{each.name: getattr(samples, each.name) for each in fields(samples)})
    object.__setattr__(hungry, "most", most)
    return hungry


def test_batches_are_halved_from_the_last_epoch_on_and_the_run_says_so(samples: ImageSamples, tmp_path: Path):
    events: list[Event] = []
    config = tiny.settings(batch_size=18)
    result = fit(config, _hungry(samples, 9), class_count=3, work_dir=tmp_path, on_event=events.append)
    assert [event.epoch for event in events if isinstance(event, EpochDone)] == [1, 2, 3]
    assert [epoch.learning_rate for epoch in result.history] == pytest.approx([1e-3, 5e-4, 5e-4])
    said = next(note for note in result.notes if "memory did not suffice" in note)
    assert "batches of 18 images" in said
    assert "with 9, at half the learning rate" in said
    assert Note(said, "warning") in events


def test_where_not_even_a_few_images_fit_the_run_ends_in_plain_words(samples: ImageSamples, tmp_path: Path):
    with pytest.raises(OutOfMemory, match="even for batches of 4 images"):
        fit(tiny.settings(batch_size=8), _hungry(samples, 0), class_count=3, work_dir=tmp_path)


def test_an_epoch_that_a_worker_died_in_twice_is_tried_with_half_the_batch(samples: ImageSamples, tmp_path: Path):
    for deaths in range(2):
        assert begin_attempt(tmp_path, epochs_done=0, halvings=0) == deaths
    result = fit(tiny.settings(epochs=1), samples, class_count=3, work_dir=tmp_path)
    assert any("with 6, at half the learning rate" in note for note in result.notes)
    assert begin_attempt(tmp_path, epochs_done=0, halvings=0) == 0
