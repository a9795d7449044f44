"""One training run from settings and images to a trunk and a head: the whole story, in order.

Build the network for its start -> open the batches -> compile -> go on from the last checkpoint, if there is one
-> train, epoch by epoch, with the callbacks that `_callbacks` lists -> put the best weights back -> write the files.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from worker.learning.artifacts import file_digest, read_trunk_card
from worker.learning.averaging import AveragedWeights
from worker.learning.backend import keras, tf, to_numpy
from worker.learning.callbacks.averages import UpdateAverages
from worker.learning.callbacks.best_weights import BestWeights
from worker.learning.callbacks.checkpoint import Checkpoint
from worker.learning.callbacks.finite_loss import FiniteLoss
from worker.learning.callbacks.interruption import Interruption, ShouldStop
from worker.learning.callbacks.plateau import CutLearningRate
from worker.learning.callbacks.progress import Progress
from worker.learning.callbacks.scalars import Scalars
from worker.learning.callbacks.thaw import Thaw
from worker.learning.callbacks.validation import Validation
from worker.learning.callbacks.warm_up import WarmUp
from worker.learning.checkpoints import CHECKPOINT, restore_checkpoint
from worker.learning.config import FitConfig
from worker.learning.data import EmbeddingSamples, ImageSamples, Samples, check_classes, steps_per_epoch
from worker.learning.deaths import DEATHS_BEFORE_HALVING, begin_attempt, end_attempt
from worker.learning.devices import on_all_devices
from worker.learning.distill import UNLABELLED
from worker.learning.errors import ConfigInvalid
from worker.learning.events import EpochDone, Event, Note
from worker.learning.halving import SMALLEST_BATCH, BatchTooLarge, tell_halving, with_smaller_batches
from worker.learning.heads import save_head
from worker.learning.loop_state import LoopState
from worker.learning.optimiser import class_weights, compile_network, quicken_norms
from worker.learning.settle import settle_head
from worker.learning.trunks import save_trunk
from worker.learning.warm_start import ParentHead, start_head, start_network

OnEvent = Callable[[Event], None]

_HEAD_CHECKPOINT_SPACING_S: Final = 5.0  # an epoch of a head alone is shorter than writing it down


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
    scalars_dir: Path | None


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
    parent_head: ParentHead | None = None,
    weights_folder: Path | None = None,
    allow_download: bool = True,
    scalars_dir: Path | None = None,
) -> FitResult:
    """Trains trunk and head on images, on every GPU of the machine, and writes both into `work_dir`.

    `parent_head` is read where the settings keep the output; `scalars_dir` gets logs for TensorBoard.
    Called again with the same arguments after a kill, it goes on after the last finished epoch; EpochDone may then
    come a second time for one epoch. Where the memory does not suffice, it goes on from there with half the batch.
    Raises ConfigInvalid, ManifestInvalid, WeightsUnavailable, WeightsRefused, LossNotFinite, OutOfMemory, FitCancelled.
    """
    if config.start == "head_only":
        raise ConfigInvalid("A head-only run trains on embeddings, not on images: use fit_head.")
    is_taught = samples.teacher is not None
    check_classes(samples.class_indices, samples.train_rows, class_count, may_be_unlabelled=is_taught)
    keras.utils.clear_session()
    keras.utils.set_random_seed(config.seed)
    with on_all_devices(config):
        started = start_network(
            config,
            class_count=class_count,
            parent_trunk=parent_trunk,
            parent_head=parent_head,
            weights_folder=weights_folder,
            allow_download=allow_download,
        )
        fingerprint = _fingerprint(config, samples, class_count, samples.shards.fingerprint, started.step0_digest)
        place = _Surroundings(work_dir, on_event, should_stop, 0.0, fingerprint, scalars_dir)
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
    scalars_dir: Path | None = None,
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
    place = _Surroundings(work_dir, on_event, should_stop, _HEAD_CHECKPOINT_SPACING_S, fingerprint, scalars_dir)
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
    """Runs the loop to its end, with smaller batches where the memory asks for it; leaves the best weights."""
    place.work_dir.mkdir(parents=True, exist_ok=True)
    at_start = [to_numpy(each) for each in network.variables]
    if not len(samples.validation_rows):
        notes.append("There are no validation images: early stopping watched the training loss instead.")
    for text in notes:
        place.on_event(Note(text))
    halvings = 0
    while True:
        try:
            return _attempt(network, config, samples, class_count, place, notes, halvings)
        except BatchTooLarge as refused:
            text = tell_halving(config, refused)
            halvings = refused.halvings + 1
        notes.append(text)
        place.on_event(Note(text, "warning"))
        for variable, value in zip(network.variables, at_start, strict=True):
            variable.assign(value)


def _attempt(
    network: Any,
    whole: FitConfig,
    samples: Samples,
    class_count: int,
    place: _Surroundings,
    notes: list[str],
    halvings: int,
) -> _Trained:
    averages = AveragedWeights(network, whole.ema, is_settled=whole.settle_head) if whole.ema else None
    compile_network(network, whole)
    state, note = restore_checkpoint(
        place.work_dir / CHECKPOINT,
        network,
        fingerprint=place.fingerprint,
        averages=averages.variables if averages else (),
    )
    if note:
        notes.append(note)
        place.on_event(Note(note))
    if halvings > state.halvings:
        network.optimizer.learning_rate = float(network.optimizer.learning_rate) / 2 ** (halvings - state.halvings)
        state.halvings = halvings
    config = with_smaller_batches(whole, state.halvings)
    if state.ended is None and state.epochs_done < config.epochs:
        deaths = begin_attempt(place.work_dir, epochs_done=state.epochs_done, halvings=state.halvings)
        if deaths >= DEATHS_BEFORE_HALVING and config.batch_size // 2 >= SMALLEST_BATCH:
            raise BatchTooLarge(state.halvings)
        steps = steps_per_epoch(samples, config)
        quicken_norms(network, steps)
        trained_on = samples.class_indices[samples.train_rows]
        labelled = trained_on[trained_on != UNLABELLED]
        weights = class_weights(labelled, class_count) if config.balance == "class_weights" else None
        try:
            if config.settle_head and not state.epochs_done:
                _settle(network, config, samples, state, class_count, place, averages)
            network.fit(
                samples.batches(config, class_count=class_count, first_epoch=state.epochs_done),
                initial_epoch=state.epochs_done,
                epochs=config.epochs,
                steps_per_epoch=steps,
                class_weight=weights,
                callbacks=_callbacks(network, config, samples, state, place, averages, class_count, steps),
                shuffle=False,  # the stream has its own order
                verbose=0,
            )
        except (MemoryError, tf.errors.ResourceExhaustedError) as error:
            raise BatchTooLarge(state.halvings) from error
        except tf.errors.OpError as error:
            if samples.calls.error is not None:  # what reading an image raised; TensorFlow knows its text alone
                raise samples.calls.error from error
            raise
        finally:
            samples.calls.wait_until_idle()
            end_attempt(place.work_dir)
    for variable, value in zip(network.weights, state.best_weights, strict=True):
        variable.assign(value)
    stopped_early = state.ended == "stopped" or state.epochs_done < config.epochs
    return _Trained(network, state, _monitored(samples), stopped_early, tuple(notes))


def _settle(
    network: Any,
    config: FitConfig,
    samples: Samples,
    state: LoopState,
    class_count: int,
    place: _Surroundings,
    averages: AveragedWeights | None,
) -> None:
    """Fits the new head to the trunk that it was put on; its time is the run's."""
    if not isinstance(samples, ImageSamples):
        return
    began = time.monotonic()
    interruption = Interruption(state, place.should_stop)
    interruption.set_model(network)
    images = settle_head(network, samples, config, class_count=class_count, between=interruption.ask_in_time)
    if averages:
        averages.restart()
    state.seconds += time.monotonic() - began
    place.on_event(Note(f"The new head was fitted to the trunk as it is, on {images} images; now all weights learn."))


def _monitored(samples: Samples) -> str:
    return "val_loss" if len(samples.validation_rows) else "loss"


def _callbacks(
    network: Any,
    config: FitConfig,
    samples: Samples,
    state: LoopState,
    place: _Surroundings,
    averages: AveragedWeights | None,
    class_count: int,
    steps: int,
) -> list[Any]:
    """In the order they run at the end of an epoch: each relies on those before it."""
    interruption = Interruption(state, place.should_stop)
    batches = samples.validation_batches(config, class_count=class_count)
    validation = None
    if batches is not None:
        validation = Validation(batches, samples.validation_rows, averages=averages, between=interruption.ask_in_time)
    changing = [
        Thaw(network, place.on_event, epochs=config.unfreeze_epochs) if config.unfreeze_epochs else None,
        WarmUp(rate=config.learning_rate, epochs=config.warmup_epochs, steps=steps) if config.warmup_epochs else None,
        UpdateAverages(averages) if averages else None,
    ]
    watching = [
        validation,
        FiniteLoss(),
        BestWeights(state, monitored=_monitored(samples), patience=config.patience, averages=averages),
        CutLearningRate(
            state,
            place.on_event,
            patience=max(1, config.patience // 2),
            first_rate=config.learning_rate,
            after=config.warmup_epochs,
        ),
        interruption,
        Progress(
            state,
            place.on_event,
            steps=steps,
            batch_size=min(config.batch_size, len(samples.train_rows)),
            epochs=config.epochs,
            validation=validation,
        ),
        Scalars(place.scalars_dir, steps=steps) if place.scalars_dir else None,
        Checkpoint(
            place.work_dir / CHECKPOINT,
            state,
            fingerprint=place.fingerprint,
            spacing_s=place.checkpoint_spacing_s,
            averages=averages.variables if averages else (),
        ),
    ]
    return [each for each in (*changing, *watching) if each is not None]


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
    if isinstance(samples, ImageSamples) and samples.teacher is not None:
        digest.update(samples.teacher.classes.tobytes() + samples.teacher.shares.tobytes())
    return digest.hexdigest()
