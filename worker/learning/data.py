"""From a manifest to batches: which rows train and which validate, and the tf.data streams over them.

The order of an epoch and every augmentation depend on (seed, epoch, image) alone, so a run that goes on after a
restart sees what it would have seen.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from worker.learning.augment import DRAW_COUNT, augment, draw
from worker.learning.backend import tf
from worker.learning.config import FitConfig
from worker.learning.errors import ManifestInvalid
from worker.learning.python_calls import PythonCalls
from worker.learning.shards import ReadPixels, ShardSet, pack_shards

Split = Literal["train", "validation", "test"]
Indices = npt.NDArray[np.int64]
FEWEST_CLASSES: Final = 2
_BLOCK: Final = 65_536
_MATRIX: Final = 2


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One image of a snapshot."""

    image_id: int
    class_index: int
    """0..class_count-1, in the order of the head's columns."""
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
    calls: PythonCalls = field(default_factory=PythonCalls)

    def batches(self, config: FitConfig, *, class_count: int, first_epoch: int) -> Any:
        """float32 (B, S, S, 3) in 0..255, augmented, and float32 (B, C)."""

        def load(epoch: Any, rows: Any) -> Any:
            with self.calls:
                draws = np.zeros((len(rows), DRAW_COUNT), np.float32)
                if config.augmentation.is_active:
                    ids = [self.shards.image_ids[row] for row in rows]
                    draws = draw(ids, seed=config.seed, epoch=int(epoch))
                return self.shards.read(rows), draws, self.class_indices[rows]

        def prepare(epoch: Any, rows: Any) -> Any:
            pixels, draws, classes = tf.numpy_function(
                load, [epoch, rows], [tf.uint8, tf.float32, tf.int64], stateful=False
            )
            images = self._shaped(pixels)
            if config.augmentation.is_active:
                images = augment(images, tf.ensure_shape(draws, (None, DRAW_COUNT)), config.augmentation)
            return images, tf.one_hot(tf.ensure_shape(classes, (None,)), class_count)

        return _epochs(self.train_rows, config, first_epoch).map(prepare, num_parallel_calls=2).prefetch(2)

    def validation_batches(self, config: FitConfig, *, class_count: int) -> Any | None:
        """As `batches`, in order and unchanged."""
        if not len(self.validation_rows):
            return None

        def load(rows: Any) -> Any:
            with self.calls:
                return self.shards.read(rows), self.class_indices[rows]

        def prepare(rows: Any) -> Any:
            pixels, classes = tf.numpy_function(load, [rows], [tf.uint8, tf.int64], stateful=False)
            return self._shaped(pixels), tf.one_hot(tf.ensure_shape(classes, (None,)), class_count)

        return _in_order(self.validation_rows, config).map(prepare).prefetch(1)

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
    calls: PythonCalls = field(default_factory=PythonCalls)

    def batches(self, config: FitConfig, *, class_count: int, first_epoch: int) -> Any:
        """float32 (B, E) and float32 (B, C)."""
        prepare = self._prepare(class_count)
        epochs = _epochs(self.train_rows, config, first_epoch)
        return epochs.map(lambda _epoch, rows: prepare(rows), num_parallel_calls=2).prefetch(4)

    def validation_batches(self, config: FitConfig, *, class_count: int) -> Any | None:
        """As `batches`, in order."""
        if not len(self.validation_rows):
            return None
        return _in_order(self.validation_rows, config).map(self._prepare(class_count)).prefetch(4)

    def digest(self) -> str:
        """SHA-256 of the embeddings, in hex."""
        digest = hashlib.sha256(str(self.embeddings.dtype).encode())
        for start in range(0, len(self.embeddings), _BLOCK):
            digest.update(self.embeddings[start : start + _BLOCK].tobytes())
        return digest.hexdigest()

    def _prepare(self, class_count: int) -> Callable[[Any], Any]:
        def load(rows: Any) -> Any:
            with self.calls:
                return self.embeddings[rows].astype(np.float32), self.class_indices[rows]

        def prepare(rows: Any) -> Any:
            vectors, classes = tf.numpy_function(load, [rows], [tf.float32, tf.int64], stateful=False)
            vectors = tf.ensure_shape(vectors, (None, self.embeddings.shape[1]))
            return vectors, tf.one_hot(tf.ensure_shape(classes, (None,)), class_count)

        return prepare


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
) -> EmbeddingSamples:
    """Rows of `embeddings` (N, E) with their classes and splits. Raises ManifestInvalid if they do not fit."""
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
    )


def check_classes(class_indices: Indices, train_rows: Indices, class_count: int) -> None:
    """Raises ManifestInvalid unless there are two classes or more, each with a training image."""
    if class_count < FEWEST_CLASSES:
        raise ManifestInvalid(f"A classifier needs at least {FEWEST_CLASSES} classes; got {class_count}.")
    if outside := [int(each) for each in np.unique(class_indices) if not 0 <= each < class_count]:
        raise ManifestInvalid(f"Class indices must lie within 0 and {class_count - 1}; got {outside}.")
    counts = Counter(class_indices[train_rows].tolist())
    if empty := [index for index in range(class_count) if not counts[index]]:
        raise ManifestInvalid(f"Every class needs a training image; these have none: {empty}.")


def steps_per_epoch(samples: Samples, config: FitConfig) -> int:
    """Full batches an epoch; at least one. The rows left over differ from epoch to epoch."""
    return max(1, len(samples.train_rows) // config.batch_size)


def _epochs(rows: Indices, config: FitConfig, first_epoch: int) -> Any:
    """Batches of (epoch, rows), each epoch in its own order, without a partial batch (it would upset the norms)."""
    batch = min(config.batch_size, len(rows))

    def one_epoch(epoch: Any) -> Any:
        seed = tf.stack([tf.constant(config.seed, tf.int64), epoch])
        order = tf.random.experimental.stateless_shuffle(tf.constant(rows), seed=seed)
        batches = tf.data.Dataset.from_tensor_slices(order).batch(batch, drop_remainder=True)
        return batches.map(lambda chosen: (epoch, chosen))

    epochs = tf.data.Dataset.range(first_epoch, config.epochs)
    return epochs.flat_map(one_epoch).with_options(_options())


def _in_order(rows: Indices, config: FitConfig) -> Any:
    batches = tf.data.Dataset.from_tensor_slices(rows).batch(max(32, config.batch_size))
    return batches.with_options(_options())


def _options() -> Any:
    options = tf.data.Options()
    options.deterministic = True
    return options
