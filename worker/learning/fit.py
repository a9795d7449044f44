"""One training run from settings and images to a trunk and a head: the whole story, in order.

Build the network for its start -> open the batches -> compile -> go on from the last checkpoint, if there is one
-> train, epoch by epoch, with the callbacks that `_callbacks` lists -> put the best weights back -> write the files.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from worker.learning.artifacts import file_digest, read_trunk_card
from worker.learning.backend import keras, tf
from worker.learning.callbacks.best_weights import BestWeights
from worker.learning.callbacks.checkpoint import Checkpoint
from worker.learning.callbacks.finite_loss import FiniteLoss
from worker.learning.callbacks.interruption import Interruption, ShouldStop
from worker.learning.callbacks.plateau import CutLearningRate
from worker.learning.callbacks.progress import Progress
from worker.learning.checkpoints import CHECKPOINT, restore_checkpoint
from worker.learning.config import FitConfig
from worker.learning.data import EmbeddingSamples, ImageSamples, Samples, check_classes, steps_per_epoch
from worker.learning.errors import ConfigInvalid
from worker.learning.events import EpochDone, Event, Note
from worker.learning.heads import save_head
from worker.learning.loop_state import LoopState
from worker.learning.trunks import save_trunk
from worker.learning.warm_start import start_head, start_network

OnEvent = Callable[[Event], None]

_HEAD_CHECKPOINT_SPACING_S = 5.0  # an epoch of a head alone is shorter than writing it down


@dataclass(frozen=True)
class FitResult:
    """What a run leaves."""

    trunk_path: Path
    """Of a head-only run: the trunk it was given."""
    head_path: Path
    trunk_digest: str
    head_digest: str
    step0_trunk_digest: str
    """See `StartedNetwork.step0_digest`."""
    history: tuple[EpochDone, ...]
    best_epoch: int
    """The epoch, from 1, whose weights were kept."""
    epochs_run: int
    stopped_early: bool
    """Before all epochs allowed: by early stopping or by a person."""
    monitored: str
    """`val_loss`, or `loss` where there are no validation images."""
    seconds: float
    """Of training, all attempts together."""
    images_per_second: float
    """Median over the epochs, validation left out."""
    notes: tuple[str, ...]
    """What the reader should know, in plain words."""


@dataclass(frozen=True)
class _Surroundings:
    work_dir: Path
    on_event: OnEvent
    should_stop: ShouldStop
    checkpoint_spacing_s: float
    fingerprint: str


@dataclass(frozen=True)
class _Trained:
    network: Any
    state: LoopState
    monitored: str
    stopped_early: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _TrunkPart:
    path: Path
    digest: str
    step0_digest: str


def fit(
    config: FitConfig,
    samples: ImageSamples,
    *,
    class_count: int,
    work_dir: Path,
    on_event: OnEvent = lambda _event: None,
    should_stop: ShouldStop = lambda: None,
    parent_trunk: Path | None = None,
    weights_folder: Path | None = None,
    allow_download: bool = True,
) -> FitResult:
    """Trains trunk and head on images and writes both into `work_dir`.

    Called again with the same arguments after a kill, it goes on after the last finished epoch; EpochDone may then
    come a second time for one epoch. Raises ConfigInvalid, ManifestInvalid, WeightsUnavailable, WeightsRefused,
    LossNotFinite, FitCancelled.
    """
    if config.start == "head_only":
        raise ConfigInvalid("A head-only run trains on embeddings, not on images: use fit_head.")
    check_classes(samples.class_indices, samples.train_rows, class_count)
    keras.utils.clear_session()
    keras.utils.set_random_seed(config.seed)
    started = start_network(
        config,
        class_count=class_count,
        parent_trunk=parent_trunk,
        weights_folder=weights_folder,
        allow_download=allow_download,
    )
    fingerprint = _fingerprint(config, samples, class_count, samples.shards.fingerprint, started.step0_digest)
    place = _Surroundings(work_dir, on_event, should_stop, 0.0, fingerprint)
    notes = []
    if samples.missing_ids:
        notes.append(f"{len(samples.missing_ids)} images are no longer at hand; the run goes on without them.")
    trained = _train(started.network, config, samples, class_count, place, notes)
    trunk_path = work_dir / "trunk.safetensors"
    trunk = _TrunkPart(trunk_path, save_trunk(started.trunk, started.card, trunk_path), started.step0_digest)
    return _result(trained, trunk, work_dir)


def fit_head(
    config: FitConfig,
    samples: EmbeddingSamples,
    *,
    trunk_path: Path,
    class_count: int,
    work_dir: Path,
    on_event: OnEvent = lambda _event: None,
    should_stop: ShouldStop = lambda: None,
) -> FitResult:
    """Trains a new head on embeddings of the trunk at `trunk_path`, which stays as it is; otherwise as `fit`.

    Raises ConfigInvalid if the start is another or the trunk does not fit the settings or the embeddings.
    """
    card = read_trunk_card(trunk_path)
    if config.start != "head_only" or card.architecture != config.trunk:
        raise ConfigInvalid(
            f"fit_head needs the start head_only on {card.architecture}; got {config.start} on {config.trunk}."
        )
    if samples.embeddings.shape[1] != card.embedding_width:
        raise ConfigInvalid(
            f"Embeddings of this trunk are {card.embedding_width} wide; got {samples.embeddings.shape[1]}."
        )
    check_classes(samples.class_indices, samples.train_rows, class_count)
    keras.utils.clear_session()
    keras.utils.set_random_seed(config.seed)
    network = start_head(config, embedding_width=card.embedding_width, class_count=class_count)
    digest = file_digest(trunk_path)
    fingerprint = _fingerprint(config, samples, class_count, samples.digest(), digest)
    place = _Surroundings(work_dir, on_event, should_stop, _HEAD_CHECKPOINT_SPACING_S, fingerprint)
    trained = _train(network, config, samples, class_count, place, [])
    return _result(trained, _TrunkPart(trunk_path, digest, digest), work_dir)


def _train(
    network: Any,
    config: FitConfig,
    samples: Samples,
    class_count: int,
    place: _Surroundings,
    notes: list[str],
) -> _Trained:
    """Runs the loop to its end and leaves the best weights in `network`."""
    place.work_dir.mkdir(parents=True, exist_ok=True)
    validation = samples.validation_batches(config, class_count=class_count)
    monitored = "loss" if validation is None else "val_loss"
    steps = steps_per_epoch(samples, config)
    _compile(network, config, steps)
    state, note = restore_checkpoint(place.work_dir / CHECKPOINT, network, fingerprint=place.fingerprint)
    if note:
        notes.append(note)
    if validation is None:
        notes.append("There are no validation images: early stopping watched the training loss instead.")
    for text in notes:
        place.on_event(Note(text))
    if state.ended is None and state.epochs_done < config.epochs:
        try:
            network.fit(
                samples.batches(config, class_count=class_count, first_epoch=state.epochs_done),
                initial_epoch=state.epochs_done,
                epochs=config.epochs,
                steps_per_epoch=steps,
                validation_data=validation,
                callbacks=_callbacks(config, samples, state, place, monitored=monitored, steps=steps),
                shuffle=False,  # the stream has its own order
                verbose=0,
            )
        except tf.errors.OpError as error:
            if samples.calls.error is not None:  # what reading an image raised; TensorFlow knows its text alone
                raise samples.calls.error from error
            raise
        finally:
            samples.calls.wait_until_idle()
    for variable, value in zip(network.weights, state.best_weights, strict=True):
        variable.assign(value)
    stopped_early = state.ended == "stopped" or state.epochs_done < config.epochs
    return _Trained(network, state, monitored, stopped_early, tuple(notes))


def _compile(network: Any, config: FitConfig, steps: int) -> None:
    optimizer = keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    network.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing),
        metrics=["accuracy"],
        # XLA on the CPU has no fast convolution: "auto" trained EfficientNet-Lite0 twelve times slower.
        jit_compile=False,
    )
    optimizer.build(network.trainable_variables)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # The averages follow within an epoch or so; a memory of 0.999 would lag behind on a small set.
            layer.momentum = min(0.99, max(0.9, 1 - 3 / steps))


def _callbacks(
    config: FitConfig, samples: Samples, state: LoopState, place: _Surroundings, *, monitored: str, steps: int
) -> list[Any]:
    """In the order they run at the end of an epoch: each relies on those before it."""
    batch_size = min(config.batch_size, len(samples.train_rows))
    return [
        FiniteLoss(),
        BestWeights(state, monitored=monitored, patience=config.patience),
        CutLearningRate(state, patience=max(1, config.patience // 2), first_rate=config.learning_rate),
        Interruption(state, place.should_stop),
        Progress(state, place.on_event, steps=steps, batch_size=batch_size, epochs=config.epochs),
        Checkpoint(
            place.work_dir / CHECKPOINT,
            state,
            fingerprint=place.fingerprint,
            spacing_s=place.checkpoint_spacing_s,
        ),
    ]


def _result(trained: _Trained, trunk: _TrunkPart, work_dir: Path) -> FitResult:
    state = trained.state
    head_path = work_dir / "head.safetensors"
    return FitResult(
        trunk_path=trunk.path,
        head_path=head_path,
        trunk_digest=trunk.digest,
        head_digest=save_head(trained.network, head_path),
        step0_trunk_digest=trunk.step0_digest,
        history=tuple(state.history),
        best_epoch=state.best_epoch,
        epochs_run=state.epochs_done,
        stopped_early=trained.stopped_early,
        monitored=trained.monitored,
        seconds=state.seconds,
        images_per_second=median(epoch.images_per_second for epoch in state.history),
        notes=trained.notes,
    )


def _fingerprint(config: FitConfig, samples: Samples, class_count: int, *origins: str) -> str:
    """Of all that a checkpoint must agree with to be gone on from."""
    digest = hashlib.sha256(json.dumps([config.to_json(), class_count, *origins], sort_keys=True).encode())
    for rows in (samples.train_rows, samples.validation_rows, samples.class_indices):
        digest.update(rows.tobytes())
    return digest.hexdigest()
