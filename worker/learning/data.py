"""From a manifest to batches: which rows train and which validate, and the tf.data streams over them.

The order of an epoch and every augmentation depend on (seed, epoch, image) alone, so a run that goes on after a
restart sees what it would have seen.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from worker.learning.augment import DRAW_COUNT, NOT_FLIPPED, augment, draw
from worker.learning.backend import tf
from worker.learning.config import FitConfig
from worker.learning.distill import UNLABELLED, TeacherAnswers, mixed_targets
from worker.learning.epochs import Indices, epochs, in_order
from worker.learning.errors import ManifestInvalid
from worker.learning.mixing import MIX_COUNT, draw_mixes, mix
from worker.learning.python_calls import PythonCalls
from worker.learning.shards import ReadPixels, ShardSet, pack_shards

Split = Literal["train", "validation", "test"]
FEWEST_CLASSES: Final = 2
_BLOCK: Final = 65_536
_MATRIX: Final = 2
_AT_ONCE: Final = min(16, max(2, os.cpu_count() or 2))
"""Batches prepared at a time: on a CPU the steps wait for nobody, and a GPU must not wait for one."""
_AHEAD: Final = 4


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One image of a snapshot."""

    image_id: int
    class_index: int
    """0..class_count-1, in the order of the head's columns; UNLABELLED for one that a teacher answers for."""
    split: Split


@dataclass(frozen=True)
class ImageSamples:
    """Images in shards with their classes."""

    shards: ShardSet
    class_indices: Indices
    train_rows: Indices
    validation_rows: Indices
    missing_ids: tuple[int, ...] = ()
    """Images of the manifest that were no longer at hand; the run goes on without them."""
    teacher: TeacherAnswers | None = None
    """Of every row; with it, training rows may be UNLABELLED."""
    calls: PythonCalls = field(default_factory=PythonCalls)

    def batches(self, config: FitConfig, *, class_count: int, first_epoch: int) -> Any:
        """float32 (B, S, S, 3) in 0..255, augmented, and float32 (B, C); mixed where the settings say so."""
        ids = np.asarray(self.shards.image_ids, np.int64)
        changes, mixes = config.augmentation, {"mixup": config.mixup, "cutmix": config.cutmix}
        is_mixed = any(mixes.values())

        def load(epoch: Any, step: Any, rows: Any, times: Any) -> Any:
            with self.calls:
                classes = self.class_indices[rows]
                draws = np.zeros((len(rows), DRAW_COUNT), np.float32)
                if changes.is_active:
                    draws = draw(ids[rows], seed=config.seed, epoch=int(epoch), times=times)
                    draws[np.isin(classes, changes.no_flip), 0] = NOT_FLIPPED
                drawn = draw_mixes(len(rows), **mixes, seed=config.seed, epoch=int(epoch), step=int(step))
                return self.shards.read(rows), draws, drawn, self._targets(rows, config, class_count)

        def prepare(*place: Any) -> Any:
            kinds = [tf.uint8, tf.float32, tf.float32, tf.float32]
            pixels, draws, drawn, targets = tf.numpy_function(load, place, kinds, stateful=False)
            images, targets = self._shaped(pixels), tf.ensure_shape(targets, (None, class_count))
            if changes.is_active:
                images = augment(images, tf.ensure_shape(draws, (None, DRAW_COUNT)), changes)
            if is_mixed:
                images, targets = mix(images, targets, tf.ensure_shape(drawn, (None, MIX_COUNT)))
            return images, targets

        places = epochs(
            self.train_rows,
            self.class_indices[self.train_rows],
            config,
            first_epoch=first_epoch,
            calls=self.calls,
        )
        return places.map(prepare, num_parallel_calls=_AT_ONCE).prefetch(_AHEAD)

    def validation_batches(self, config: FitConfig, *, class_count: int) -> Any | None:
        """As `batches`, in order and unchanged."""
        if not len(self.validation_rows):
            return None
        return self.plain_batches(self.validation_rows, config, class_count=class_count)

    def plain_batches(self, rows: Indices, config: FitConfig, *, class_count: int) -> Any:
        """`rows`, all of them labelled, once and in order, unchanged: as `batches`."""

        def load(rows: Any) -> Any:
            with self.calls:
                return self.shards.read(rows), self.class_indices[rows]

        def prepare(rows: Any) -> Any:
            pixels, classes = tf.numpy_function(load, [rows], [tf.uint8, tf.int64], stateful=False)
            return self._shaped(pixels), _one_hot(classes, class_count)

        return in_order(rows, config).map(prepare, num_parallel_calls=_AT_ONCE).prefetch(_AHEAD)

    def taught_by(self, teacher: TeacherAnswers) -> "ImageSamples":
        """The same with the teacher's answers, without unlabelled rows of which it has nothing to say."""
        says = (self.class_indices != UNLABELLED) | teacher.has_answer
        return replace(self, teacher=teacher, train_rows=self.train_rows[says[self.train_rows]])

    def _targets(self, rows: Indices, config: FitConfig, class_count: int) -> npt.NDArray[np.float32]:
        if self.teacher is not None:
            share = config.teacher_share
            return mixed_targets(self.class_indices, rows, self.teacher, share=share, class_count=class_count)
        targets = np.zeros((len(rows), class_count), np.float32)
        targets[np.arange(len(rows)), self.class_indices[rows]] = 1
        return targets

    def _shaped(self, pixels: Any) -> Any:
        size = self.shards.input_size
        return tf.cast(tf.ensure_shape(pixels, (None, size, size, 3)), tf.float32)


@dataclass(frozen=True)
class EmbeddingSamples:
    """Embeddings of one trunk with their classes, for a head alone."""

    embeddings: npt.NDArray[np.float16] | npt.NDArray[np.float32]
    """(N, E), finite; a memory map will do."""
    class_indices: Indices
    train_rows: Indices
    validation_rows: Indices
    views: npt.NDArray[np.float16] | None = None
    """(V, len(train_rows), E), in the order of `train_rows`, which ascend: augmented views, of which an epoch sees one
    or the image itself; a memory map will do."""
    calls: PythonCalls = field(default_factory=PythonCalls)

    def batches(self, config: FitConfig, *, class_count: int, first_epoch: int) -> Any:
        """float32 (B, E) and float32 (B, C)."""
        places = epochs(
            self.train_rows,
            self.class_indices[self.train_rows],
            config,
            first_epoch=first_epoch,
            calls=self.calls,
        )

        def load(epoch: Any, rows: Any, times: Any) -> Any:
            with self.calls:
                return self._seen(rows, seed=config.seed, epoch=int(epoch), times=times), self.class_indices[rows]

        def prepare(epoch: Any, _step: Any, rows: Any, times: Any) -> Any:
            kinds = [tf.float32, tf.int64]
            vectors, classes = tf.numpy_function(load, [epoch, rows, times], kinds, stateful=False)
            return self._shaped(vectors), _one_hot(classes, class_count)

        return places.map(prepare, num_parallel_calls=_AT_ONCE).prefetch(_AHEAD)

    def validation_batches(self, config: FitConfig, *, class_count: int) -> Any | None:
        """As `batches`, in order, without views."""
        if not len(self.validation_rows):
            return None

        def load(rows: Any) -> Any:
            with self.calls:
                return self.embeddings[rows].astype(np.float32), self.class_indices[rows]

        def prepare(rows: Any) -> Any:
            vectors, classes = tf.numpy_function(load, [rows], [tf.float32, tf.int64], stateful=False)
            return self._shaped(vectors), _one_hot(classes, class_count)

        return in_order(self.validation_rows, config).map(prepare).prefetch(_AHEAD)

    def digest(self) -> str:
        """SHA-256 of the embeddings, in hex."""
        digest = hashlib.sha256(str(self.embeddings.dtype).encode())
        for start in range(0, len(self.embeddings), _BLOCK):
            digest.update(self.embeddings[start : start + _BLOCK].tobytes())
        return digest.hexdigest()

    def _seen(self, rows: Indices, *, seed: int, epoch: int, times: Indices) -> npt.NDArray[np.float32]:
        """What this epoch sees of each row: the image itself or, as likely, one of its views."""
        vectors = self.embeddings[rows].astype(np.float32)
        if self.views is not None:
            chosen = (draw(rows, seed=seed, epoch=epoch, times=times)[:, 0] * (len(self.views) + 1)).astype(np.int64)
            is_view = chosen > 0
            vectors[is_view] = self.views[chosen[is_view] - 1, np.searchsorted(self.train_rows, rows[is_view])]
        return vectors

    def _shaped(self, vectors: Any) -> Any:
        return tf.ensure_shape(vectors, (None, self.embeddings.shape[1]))


Samples = ImageSamples | EmbeddingSamples
"""What can be trained on: rows with a class, some for training, some for validation."""


def pack_manifest(
    manifest: Sequence[ManifestRow],
    read_pixels: ReadPixels,
    *,
    folder: Path,
    input_size: int,
    pixels_key: str = "",
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ImageSamples:
    """Packs the training and validation images of `manifest` (see `pack_shards`); test images are not needed.

    Raises ManifestInvalid if there is nothing to train on or the images given are of a wrong form.
    """
    used = [row for row in manifest if row.split != "test"]
    if not any(row.split == "train" for row in used):
        raise ManifestInvalid("There are no training images.")
    shards = pack_shards(
        [row.image_id for row in used],
        read_pixels,
        folder=folder,
        input_size=input_size,
        pixels_key=pixels_key,
        on_progress=on_progress,
    )
    classes = np.asarray([row.class_index for row in used], np.int64)
    trains = np.asarray([row.split == "train" for row in used])
    missing = tuple(row.image_id for row, there in zip(used, shards.is_present, strict=True) if not there)
    return ImageSamples(
        shards=shards,
        class_indices=classes,
        train_rows=np.flatnonzero(trains & shards.is_present),
        validation_rows=np.flatnonzero(~trains & shards.is_present),
        missing_ids=missing,
    )


def embedding_samples(
    embeddings: npt.NDArray[np.float16] | npt.NDArray[np.float32],
    class_indices: Sequence[int] | Indices,
    splits: Sequence[Split],
    views: npt.NDArray[np.float16] | None = None,
) -> EmbeddingSamples:
    """Rows of `embeddings` (N, E) with their classes and splits; `views` (V, T, E) of the T that train, in order.

    Raises ManifestInvalid if they do not fit.
    """
    if embeddings.ndim != _MATRIX or not len(embeddings) == len(class_indices) == len(splits):
        raise ManifestInvalid(
            f"Embeddings must be (N, E) with N classes and N splits; got {embeddings.shape},"
            f" {len(class_indices)} and {len(splits)}."
        )
    for start in range(0, len(embeddings), _BLOCK):
        if not np.isfinite(embeddings[start : start + _BLOCK]).all():
            raise ManifestInvalid(f"An embedding near row {start} is not finite.")
    parts = np.asarray(splits)
    return EmbeddingSamples(
        embeddings=embeddings,
        class_indices=np.asarray(class_indices, np.int64),
        train_rows=np.flatnonzero(parts == "train"),
        validation_rows=np.flatnonzero(parts == "validation"),
        views=views,
    )


def check_classes(
    class_indices: Indices, train_rows: Indices, class_count: int, *, may_be_unlabelled: bool = False
) -> None:
    """Raises ManifestInvalid unless there are two classes or more, each with a training image."""
    if class_count < FEWEST_CLASSES:
        raise ManifestInvalid(f"A classifier needs at least {FEWEST_CLASSES} classes; got {class_count}.")
    lowest = UNLABELLED if may_be_unlabelled else 0
    if outside := [int(each) for each in np.unique(class_indices) if not lowest <= each < class_count]:
        raise ManifestInvalid(f"Class indices must lie within 0 and {class_count - 1}; got {outside}.")
    counts = Counter(class_indices[train_rows].tolist())
    if empty := [index for index in range(class_count) if not counts[index]]:
        raise ManifestInvalid(f"Every class needs a training image; these have none: {empty}.")


def steps_per_epoch(samples: Samples, config: FitConfig) -> int:
    """Full batches an epoch; at least one. The rows left over differ from epoch to epoch."""
    return max(1, len(samples.train_rows) // config.batch_size)


def _one_hot(classes: Any, class_count: int) -> Any:
    return tf.one_hot(tf.ensure_shape(classes, (None,)), class_count)
