"""Does a warm start pay? A chain of rounds that each add classes and images, from scratch against warm.

The compact network at 48 px. The first version learns half of the classes from part of their photos. Then come rounds,
each with more classes and more photos: once from scratch, and once warm from the round before (the trunk of the warm
version before it, under a new random output layer). Both arms have the same photos, optimiser, schedule, patience and
cap. A warm run is the product's: its new head is first fitted to the trunk as it is (`DEFAULT_SETTINGS`); that fit
looks at each training photo once and counts as an epoch, its time too. In the last round a third arm also keeps the
output weights of the classes that stay. Plateau: the first epoch whose 3-epoch mean of validation accuracy is within 2
points of the best such mean of the run. The test photos are those of the published split, or else the last by name of
each class; both arms answer the same ones.
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
from app.training.fit_settings import DEFAULT_SETTINGS

ABOUT: Final = "Epochs, seconds and test accuracy from scratch against warm, over rounds that add classes and photos."
TRUNK: Final = "compact_cnn"
SIZE: Final = 48
SHARED: Final[dict[str, Any]] = {"learning_rate": 5e-4, "ema": 0.99}
"""What both arms are trained with, beside the defaults of a start from scratch. At four times the rate a warm trunk is
shaken until the rate is cut: its loss then falls from epoch 18 on, and the plateau comes in epoch 55 (caltech). The
moving average was better from scratch too: .647 of the test photos right against .634, in 22 epochs against 26."""
WARM: Final = ("settle_head", "discriminative_rate")
"""What a warm start does otherwise, by its defaults. With a tenth of the rate at the stem it was on its plateau after 4
epochs where scratch took 22, and after 17 where scratch took 31 (a round that added a third of the photos), but
answered 1.0 and 3.1 points fewer of the test photos (caltech, one run each)."""
Split = Literal["train", "validation", "test"]
_VALIDATION_SHARE: Final = 0.25
_FIRST_SHARE: Final = 0.5
_MEAN_OF: Final = 3
_WITHIN: Final = 0.02


@dataclass(frozen=True, slots=True)
class Task:
    """Photos of some classes as pixels (N, S, S, 3) with class (0..count-1) and split; the new classes come last."""

    name: str
    class_count: int
    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]
    parts: Sequence[Split]

    def of_round(self, number: int, rounds: int) -> tuple[int, NDArray[np.int64]]:
        """Classes of round `number` of `rounds` (0: before the first), and the rows it has of them.

        Half of the classes with half of their training photos at first, all with all in the last round.
        """
        share = _FIRST_SHARE + (1 - _FIRST_SHARE) * number / rounds
        count = max(2, round(self.class_count * share))
        order = np.arange(len(self.classes))
        kept: list[int] = []
        for place in range(count):
            own = order[self.classes == place]
            trains = [row for row in own.tolist() if self.parts[row] == "train"]
            kept += trains[: max(1, round(len(trains) * share))]
            kept += [row for row in own.tolist() if self.parts[row] != "train"]
        return count, np.array(sorted(kept), np.int64)


@dataclass(frozen=True, slots=True)
class Trained:
    """One run: epochs and seconds to the plateau, which test photos were answered rightly, and its files."""

    epochs_to_plateau: int
    seconds_to_plateau: float
    accuracies: tuple[float, ...]
    """Of validation, by epoch."""
    is_right: NDArray[np.bool_]
    trunk: Path
    head: Path
    class_count: int


Arms = dict[str, Trained]


def measure(options: Options) -> Outcome:
    """Each set of photos and each seed: a chain of rounds."""
    seeds = options.choose_rounds(quick=1, full=3)
    rounds = 2 if options.quick else 6
    cap, patience = 60, 10
    tasks = _tasks(options, most_classes=10 if options.quick else 24)
    chains = [
        _train_chain(task, seed=seed, rounds=rounds, epochs=cap, patience=patience)
        for task in tasks
        for seed in range(seeds)
    ]
    figures = _figures(chains)
    parameters = {
        "trunk": TRUNK,
        "input_size": SIZE,
        "seeds": seeds,
        "rounds": rounds,
        "most_epochs": cap,
        "patience": patience,
        "shared": SHARED,
        "warm": {name: getattr(DEFAULT_SETTINGS["warm"], name) for name in WARM},
        "classes": {task.name: [task.of_round(number, rounds)[0] for number in range(rounds + 1)] for task in tasks},
        "photos": {task.name: dict(Counter(task.parts)) for task in tasks},
    }
    goals = [
        Goal("first_epochs_ratio", figures["first_epochs_ratio"], "at most", 0.5),
        Goal("last_epochs_ratio", figures["last_epochs_ratio"], "at most", 0.25),
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


def _train_chain(task: Task, *, seed: int, rounds: int, epochs: int, patience: int) -> list[Arms]:
    """The arms of each round."""
    from worker.learning.config import default_config

    config = default_config(
        TRUNK, "random", **{**SHARED, "input_size": SIZE, "epochs": epochs, "patience": patience, "seed": seed}
    )
    warm = config.changed(start="warm", **{name: getattr(DEFAULT_SETTINGS["warm"], name) for name in WARM})
    with TemporaryDirectory(prefix="winnow-bench-") as folder:
        work = Path(folder)
        before = _train(task, config, task.of_round(0, rounds), work / "first")
        say(f"{task.name}, seed {seed}: the first version reached its plateau in epoch {before.epochs_to_plateau}")
        chain = []
        for number in range(1, rounds + 1):
            images = task.of_round(number, rounds)
            arms = {
                "scratch": _train(task, config, images, work / f"scratch{number}"),
                "warm": _train(task, warm, images, work / f"warm{number}", parent=before),
            }
            if number == rounds:
                kept = warm.changed(keep_output=True)
                arms["kept"] = _train(task, kept, images, work / f"kept{number}", parent=before)
            for arm, run in arms.items():
                say(
                    f"  round {number}, {arm}: plateau in epoch {run.epochs_to_plateau} of {len(run.accuracies)},"
                    f" {run.seconds_to_plateau:.1f} s, {run.is_right.mean():.3f} of the test photos right"
                )
            before = arms["warm"]
            chain.append(arms)
    return chain


def _train(
    task: Task, config: Any, images: tuple[int, NDArray[np.int64]], work_dir: Path, *, parent: Trained | None = None
) -> Trained:
    from worker.learning.data import ManifestRow, pack_manifest
    from worker.learning.fit import fit
    from worker.learning.warm_start import ParentHead

    def read(rows: Sequence[int]) -> Iterator[NDArray[np.uint8] | None]:
        return iter(task.pixels[list(rows)])

    class_count, chosen = images
    manifest = [ManifestRow(row, int(task.classes[row]), task.parts[row]) for row in chosen.tolist()]
    samples = pack_manifest(manifest, read, folder=work_dir / "shards", input_size=SIZE)
    result = fit(
        config,
        samples,
        class_count=class_count,
        work_dir=work_dir,
        parent_trunk=parent.trunk if parent else None,
        parent_head=ParentHead(parent.head, {place: place for place in range(parent.class_count)}) if parent else None,
    )
    accuracies = tuple(epoch.val_accuracy or 0.0 for epoch in result.history)
    plateau = plateau_epoch(accuracies)
    seconds = [epoch.seconds for epoch in result.history]
    return Trained(
        epochs_to_plateau=plateau + config.settle_head,
        seconds_to_plateau=result.seconds - sum(seconds) + sum(seconds[:plateau]),
        accuracies=accuracies,
        is_right=_is_right(task, class_count, result.trunk_path, result.head_path),
        trunk=result.trunk_path,
        head=result.head_path,
        class_count=class_count,
    )


def _is_right(task: Task, class_count: int, trunk_path: Path, head_path: Path) -> NDArray[np.bool_]:
    """For each test photo of the classes learned."""
    from worker.learning.parity import keras_scorer

    rows = [row for row, part in enumerate(task.parts) if part == "test" and task.classes[row] < class_count]
    answers = keras_scorer(trunk_path, head_path)(task.pixels[rows]).argmax(axis=1)
    return np.asarray(answers == task.classes[rows])


def plateau_epoch(accuracies: Sequence[float], *, of: Sequence[float] | None = None) -> int:
    """The first epoch, from 1, whose mean with the two before it is within 2 points of the best such mean.

    The best is that of the run itself or, to say when it is as good as another, `of` that one; a run that never is
    counts with all its epochs.
    """
    means, best = _means(accuracies), _means(accuracies if of is None else of).max()
    found = np.flatnonzero(means >= best - _WITHIN)
    return min(len(accuracies), int(found[0]) + _MEAN_OF) if len(found) else len(accuracies)


def _means(accuracies: Sequence[float]) -> NDArray[np.float64]:
    return np.convolve(accuracies, np.full(_MEAN_OF, 1 / _MEAN_OF), mode="valid")


def _figures(chains: Sequence[Sequence[Arms]]) -> dict[str, Figure]:
    firsts, lasts = [chain[0] for chain in chains], [chain[-1] for chain in chains]
    every = [arms for chain in chains for arms in chain]
    figures: dict[str, Figure] = {
        "first_epochs_ratio": _ratio("warm", firsts),
        "last_epochs_ratio": _ratio("warm", lasts),
        "first_epochs_to_match_ratio": _match_ratio(firsts),
        "last_epochs_to_match_ratio": _match_ratio(lasts),
        "seconds_ratio": ratio(*([_seconds(chain, arm) for chain in chains] for arm in ("warm", "scratch"))),
        **_gain("warm", every),
        "kept_last_epochs_ratio": _ratio("kept", lasts),
        **{f"kept_{name}": value for name, value in _gain("kept", lasts).items()},
    }
    for arm in ("scratch", "warm"):
        figures[f"{arm}_epochs_to_plateau"] = median(arms[arm].epochs_to_plateau for arms in every)
        figures[f"{arm}_test_accuracy"] = float(_answers(arm, every).mean())
    figures["last_warm_test_accuracy"] = float(_answers("warm", lasts).mean())
    figures["last_kept_test_accuracy"] = float(_answers("kept", lasts).mean())
    return figures | {"answers": len(_answers("warm", every))}


def _answers(arm: str, every: Sequence[Arms]) -> NDArray[np.bool_]:
    """Of all runs one after another."""
    return np.concatenate([arms[arm].is_right for arms in every])


def _ratio(arm: str, every: Sequence[Arms]) -> float:
    """Epochs to the plateau over those from scratch: the median over the chains."""
    return ratio(*([float(arms[each].epochs_to_plateau) for arms in every] for each in (arm, "scratch")))


def _match_ratio(every: Sequence[Arms]) -> float:
    """Epochs until warm is as good as scratch on its plateau, over those that scratch takes to it."""
    settling = int(DEFAULT_SETTINGS["warm"].settle_head)
    matched = [plateau_epoch(arms["warm"].accuracies, of=arms["scratch"].accuracies) for arms in every]
    mine = [float(epochs + settling) for epochs in matched]
    return ratio(mine, [float(arms["scratch"].epochs_to_plateau) for arms in every])


def _seconds(chain: Sequence[Arms], arm: str) -> float:
    return sum(arms[arm].seconds_to_plateau for arms in chain)


def _gain(arm: str, every: Sequence[Arms]) -> dict[str, Figure]:
    """Accuracy gained over the run from scratch, image by image, with the lower bound of its 95% interval."""
    warm, scratch = _answers(arm, every), _answers("scratch", every)
    fixed, broken, images = int((warm & ~scratch).sum()), int((scratch & ~warm).sum()), len(warm)
    gain = (fixed - broken) / images
    # Of a difference of paired proportions (Agresti, Categorical Data Analysis, 10.1).
    error = sqrt(fixed + broken - (fixed - broken) ** 2 / images) / images
    return {"accuracy_gain": gain, "accuracy_gain_low": gain - 1.96 * error}


if __name__ == "__main__":
    run_benchmark("warm_start", measure, about=ABOUT)
