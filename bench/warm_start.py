"""Does a warm start pay? A network from scratch against one that starts from its parent, after two classes were added.

The compact network at 48 px. The parent learns all classes but two, from scratch. Then both starts learn all of them
from the same photos with the same optimiser, schedule, patience and cap; only the weights at step 0 differ. A third run
starts warm with the settings that Winnow proposes for a warm start. Plateau: the first epoch whose 3-epoch mean of
validation accuracy is within 2 points of the best such mean of the run. The test photos are those of the published
split, or else the last by name of each class; all networks answer the same ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

import numpy as np
from measuring import Figure, Goal, Options, Outcome, ratio, run_benchmark, say
from numpy.typing import NDArray
from photos import Photo, load_photos

from app.imaging.model_input import from_upload
from app.inference.head import load_head

ABOUT: Final = "Epochs, seconds and test accuracy from scratch against a warm start after two more classes."
TRUNK: Final = "compact_cnn"
SIZE: Final = 48
NEW_CLASSES: Final = 2
Split = Literal["train", "validation", "test"]
_VALIDATION_SHARE: Final = 0.2
_MEAN_OF: Final = 3
_WITHIN: Final = 0.02


@dataclass(frozen=True, slots=True)
class Task:
    """Photos of some classes as pixels (N, 48, 48, 3) with class (0..count-1) and split; the new classes come last."""

    name: str
    class_count: int
    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]
    parts: Sequence[Split]


@dataclass(frozen=True, slots=True)
class Trained:
    """One run: epochs and seconds to the plateau, which test photos were answered rightly, and its trunk."""

    epochs_to_plateau: int
    seconds_to_plateau: float
    epochs: int
    is_right: NDArray[np.bool_]
    trunk: Path


def measure(options: Options) -> Outcome:
    """Each set of photos and each seed: parent, from scratch, warm."""
    seeds = options.choose_rounds(quick=1, full=3)
    cap, patience = (40, 8) if options.quick else (120, 16)
    tasks = _tasks(options, most_classes=8 if options.quick else 24)
    runs: dict[str, list[Trained]] = {}
    for task in tasks:
        for seed in range(seeds):
            for arm, trained in _train_arms(task, seed=seed, epochs=cap, patience=patience).items():
                runs.setdefault(arm, []).append(trained)
    figures = _figures(**runs)
    parameters = {
        "trunk": TRUNK,
        "input_size": SIZE,
        "seeds": seeds,
        "most_epochs": cap,
        "patience": patience,
        "classes": {task.name: task.class_count for task in tasks},
        "photos": {task.name: dict(Counter(task.parts)) for task in tasks},
    }
    goals = [
        Goal("first_epochs_ratio", figures["first_epochs_ratio"], "at most", 0.5),
        Goal("accuracy_gain_low", figures["accuracy_gain_low"], "at least", -0.02),
    ]
    return Outcome(parameters, figures, goals)


def _tasks(options: Options, *, most_classes: int) -> list[Task]:
    """One for each set of photos, of its classes with the most photos to learn from."""
    photos = load_photos(options)
    names = dict.fromkeys(photo.set_name for photo in photos)
    return [_task(name, [photo for photo in photos if photo.set_name == name], most_classes) for name in names]


def _task(name: str, photos: Sequence[Photo], most_classes: int) -> Task:
    counts = Counter(photo.class_name for photo in photos if photo.part == "learn")
    order = {class_name: place for place, (class_name, _) in enumerate(counts.most_common(most_classes))}
    chosen = [photo for photo in photos if photo.class_name in order]
    seen: Counter[str] = Counter()
    parts: list[Split] = []
    for photo in chosen:
        seen[photo.class_name] += photo.part == "learn"
        # The last ones taken, not a random choice: photos of one burst stay on one side.
        is_last = seen[photo.class_name] > round(counts[photo.class_name] * (1 - _VALIDATION_SHARE))
        parts.append("test" if photo.part == "test" else "validation" if is_last else "train")
    pixels = np.stack([from_upload(photo.content, size=SIZE) for photo in chosen])
    classes = np.array([order[photo.class_name] for photo in chosen], np.int64)
    return Task(name, len(order), pixels, classes, parts)


def _train_arms(task: Task, *, seed: int, epochs: int, patience: int) -> dict[str, Trained]:
    """From scratch, warm with the same settings, warm with Winnow's own."""
    from worker.learning.config import default_config

    config = default_config(TRUNK, "random", input_size=SIZE, epochs=epochs, patience=patience, seed=seed)
    proposed = default_config(TRUNK, "warm", input_size=SIZE, seed=seed)
    with TemporaryDirectory(prefix="winnow-bench-") as folder:
        work = Path(folder)
        parent = _train(task, config, task.class_count - NEW_CLASSES, work / "parent")
        say(f"{task.name}, seed {seed}: parent reached its plateau in epoch {parent.epochs_to_plateau}")
        arms = {
            "scratch": _train(task, config, task.class_count, work / "scratch"),
            "warm": _train(task, config.changed(start="warm"), task.class_count, work / "warm", parent=parent.trunk),
            "proposed": _train(task, proposed, task.class_count, work / "proposed", parent=parent.trunk),
        }
    for arm, run in arms.items():
        say(
            f"  {arm}: plateau in epoch {run.epochs_to_plateau} of {run.epochs}, {run.seconds_to_plateau:.1f} s,"
            f" {run.is_right.mean():.3f} of the test photos right"
        )
    return arms


def _train(task: Task, config: Any, class_count: int, work_dir: Path, *, parent: Path | None = None) -> Trained:
    from worker.learning.data import ManifestRow, pack_manifest
    from worker.learning.fit import fit

    def read(rows: Sequence[int]) -> Iterator[NDArray[np.uint8] | None]:
        return iter(task.pixels[list(rows)])

    manifest = [
        ManifestRow(row, int(task.classes[row]), part)
        for row, part in enumerate(task.parts)
        if task.classes[row] < class_count
    ]
    samples = pack_manifest(manifest, read, folder=work_dir / "shards", input_size=SIZE)
    result = fit(config, samples, class_count=class_count, work_dir=work_dir, parent_trunk=parent)
    plateau = plateau_epoch([epoch.val_accuracy or 0.0 for epoch in result.history])
    return Trained(
        epochs_to_plateau=plateau,
        seconds_to_plateau=sum(epoch.seconds for epoch in result.history[:plateau]),
        epochs=result.epochs_run,
        is_right=_is_right(task, class_count, result.trunk_path, result.head_path),
        trunk=result.trunk_path,
    )


def _is_right(task: Task, class_count: int, trunk_path: Path, head_path: Path) -> NDArray[np.bool_]:
    """For each test photo of the classes learned."""
    from worker.learning.trunks import read_trunk

    rows = [row for row, part in enumerate(task.parts) if part == "test" and task.classes[row] < class_count]
    trunk, _ = read_trunk(trunk_path)
    embeddings = trunk.predict(task.pixels[rows].astype(np.float32), batch_size=64, verbose=0)
    answers = load_head(head_path).scores(embeddings).argmax(axis=1)
    return np.asarray(answers == task.classes[rows])


def plateau_epoch(accuracies: Sequence[float]) -> int:
    """The first epoch, from 1, whose mean with the two before it is within 2 points of the best such mean."""
    if len(accuracies) < _MEAN_OF:
        return len(accuracies)
    means = np.convolve(accuracies, np.full(_MEAN_OF, 1 / _MEAN_OF), mode="valid")
    return int(np.argmax(means >= means.max() - _WITHIN)) + _MEAN_OF


def _figures(scratch: Sequence[Trained], warm: Sequence[Trained], proposed: Sequence[Trained]) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    for arm, runs in (("scratch", scratch), ("warm", warm), ("proposed_warm", proposed)):
        figures[f"{arm}_epochs_to_plateau"] = median(run.epochs_to_plateau for run in runs)
        figures[f"{arm}_seconds_to_plateau"] = median(run.seconds_to_plateau for run in runs)
        figures[f"{arm}_test_accuracy"] = float(_answers(runs).mean())
    for prefix, runs in (("", warm), ("proposed_", proposed)):
        figures[f"{prefix}first_epochs_ratio"] = _ratio("epochs_to_plateau", runs, scratch)
        figures[f"{prefix}seconds_ratio"] = _ratio("seconds_to_plateau", runs, scratch)
        figures |= {f"{prefix}{name}": value for name, value in _gain(_answers(runs), _answers(scratch)).items()}
    return figures | {"test_images": len(_answers(scratch))}


def _answers(runs: Sequence[Trained]) -> NDArray[np.bool_]:
    """Of all runs one after another."""
    return np.concatenate([run.is_right for run in runs])


def _ratio(name: str, runs: Sequence[Trained], scratch: Sequence[Trained]) -> float:
    return ratio([float(getattr(run, name)) for run in runs], [float(getattr(run, name)) for run in scratch])


def _gain(warm: NDArray[np.bool_], scratch: NDArray[np.bool_]) -> dict[str, Figure]:
    """Accuracy gained over the run from scratch, image by image, with the lower bound of its 95% interval."""
    fixed, broken, images = int((warm & ~scratch).sum()), int((scratch & ~warm).sum()), len(warm)
    gain = (fixed - broken) / images
    # Of a difference of paired proportions (Agresti, Categorical Data Analysis, 10.1).
    error = sqrt(fixed + broken - (fixed - broken) ** 2 / images) / images
    return {"accuracy_gain": gain, "accuracy_gain_low": gain - 1.96 * error}


if __name__ == "__main__":
    run_benchmark("warm_start", measure, about=ABOUT)
