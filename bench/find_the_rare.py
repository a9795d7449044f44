"""How many of the images that a rare class lacks are among the first 20 that a throw-away run suggests.

Of several classes 36 images are labelled, which is just below the cutoff of 40, and 10 are hidden in the pool among
images of all other classes. No hidden image, and no other one of the pool, has a near neighbour (cosine above .85 on
the trunk) among the labelled ones: a burst would be found by anything. Of the other classes 60% are labelled, whole
groups of near neighbours at a time. Everything goes the product's way: import, labels, a head-only throw-away run, its
evaluation, the identification of the pool.

Against it, in the same library: a run without the lowered cutoff, whose best offer is what it doubts most; and the pool
by its nearest labelled image of the class (or by the mean of the three nearest, whichever finds more). How the product
weighs its two witnesses was chosen on `caltech`; `grocery` confirms it.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from filling import fill_library, make_project
from looping import run_to_end
from measuring import Figure, Goal, Options, Outcome, installation, run_benchmark, say
from networks import export, publish_trunk
from numpy.typing import NDArray
from photos import Photo, load_photos
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from sqlalchemy import select, update

import app.assembly.following  # noqa: F401 - counts of results follow the images
from app.core.database import read, write
from app.embeddings.centres import unit_rows
from app.embeddings.store import read_embeddings
from app.embeddings.work import embed_missing
from app.labelling.schemas import Change
from app.labelling.service import apply_labels, ensure_class
from app.library.models import Image
from app.library.preparing import Preparer
from app.library.service import change_images
from app.predictions.models import Candidate, Prediction, ScoringJob
from app.registry.artifacts import load_head, load_trunk
from app.training.schemas import TrainingRequest
from app.training.service import start_training

ABOUT: Final = "Recall of hidden images of rare classes among the first 20 suggestions of a throw-away run."
TRUNK: Final = "efficientnet_lite0"
LABELLED: Final = 36
HIDDEN: Final = 10
SHOWN: Final = 20
NEAR: Final = 0.85
SHARE: Final = 0.6
_DRAWS: Final = 20
_PART: Final = 1000

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Stock:
    """A set in the library: image ids ascending, the class of each by place in `names`, cosines (N, N)."""

    project_id: int
    trunk_id: int
    ids: NDArray[np.int64]
    truth: NDArray[np.int64]
    names: Sequence[str]
    cosines: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What is labelled, hidden and in the pool (with the hidden ones); the rest is out of the library for a round."""

    rare: Sequence[int]
    labelled: Flags
    hidden: Flags
    pool: Flags


def measure(options: Options) -> Outcome:
    """Each set, some draws of rare classes each; the figures are means over classes and draws."""
    rounds, rare = options.choose_rounds(quick=1, full=3), 6 if options.quick else 8
    figures: dict[str, Figure] = {}
    parameters: dict[str, Any] = {"trunk": TRUNK, "rounds": rounds, "cutoff": 40}
    sets: dict[str, list[Photo]] = {}
    for photo in load_photos(options):
        sets.setdefault(photo.set_name, []).append(photo)
    for name, photos in sets.items():
        classes = name_classes(options, photos)
        with installation() as data:
            say(f"{name}: importing and embedding {len(photos)} photos")
            stock = make_stock(photos, classes, export(TRUNK, data))
            found = [_round(stock, seed, rare) for seed in range(rounds)]
        recalls = {key: float(np.mean([recall for each in found for recall in each[key]])) for key in found[0]}
        mine, near = recalls["product"], max(recalls["nearest"], recalls["three_nearest"])
        figures |= {
            f"{name}_recall_at_20": mine,
            f"{name}_gain_over_normal_cutoff": mine - recalls["normal_cutoff"],
            f"{name}_gain_over_neighbours": mine - near,
            f"{name}_head_alone": recalls["head"],
            f"{name}_neighbours_alone": near,
        }
        parameters[f"{name}_rare_classes"] = len(found[0]["product"])
    for key in ("recall_at_20", "gain_over_normal_cutoff", "gain_over_neighbours"):
        figures[key] = min(figures[f"{name}_{key}"] or 0.0 for name in sets)
    goals = [
        Goal("recall_at_20", figures["recall_at_20"], "at least", 0.8),
        Goal("gain_over_neighbours", figures["gain_over_neighbours"], "at least", 0.0),
    ]
    return Outcome(parameters, figures, goals)


def name_classes(options: Options, photos: Sequence[Photo]) -> list[str]:
    """The class of each photo: its folder, or where a taxonomy names sub-classes the class above it."""
    above: dict[str, str] = {}
    if options.data is not None and (path := options.data / f"{photos[0].set_name}-taxonomy.csv").exists():
        with path.open(newline="") as file:
            above = {row["folder"]: row["class"] for row in csv.DictReader(file)}
    return [above.get(photo.class_name, photo.class_name) for photo in photos]


def make_stock(photos: Sequence[Photo], classes: Sequence[str], exported: Any) -> Stock:
    """The photos in a library, with their embeddings by the exported trunk."""
    project_id = make_project()
    with Preparer() as preparer:
        fill_library(project_id, [photo.content for photo in photos], preparer)
    with write() as session:
        trunk_id = publish_trunk(session, exported)
    with read() as session:
        rows = session.execute(
            select(Image.id, Image.file_name)
            .where(Image.project_id == project_id, Image.is_representative, Image.state == "pool")
            .order_by(Image.id)
        ).all()
    ids = [row.id for row in rows]
    embed_missing(load_trunk(trunk_id), ids)
    with read() as session:
        _, embeddings = read_embeddings(session, trunk_id, ids)
    # Photos are named by their number as they come in.
    names = [classes[int(row.file_name[6:12])] for row in rows]
    known, truth = np.unique(names, return_inverse=True)
    unit = unit_rows(embeddings)
    return Stock(project_id, trunk_id, np.array(ids), truth, known.tolist(), unit @ unit.T)


def _round(stock: Stock, seed: int, rare: int) -> dict[str, list[float]]:
    """The recall of each rare class, by what suggested."""
    layout = _layout(stock, seed, rare)
    class_ids = _label(stock, layout)
    pool, names = stock.ids[layout.pool], Counter(stock.truth[layout.labelled].tolist())
    say(f"  round {seed + 1}: {len(layout.rare)} rare of {len(names)} classes, {len(pool)} images in the pool")
    throwaway = _train(stock, purpose="throwaway")
    normal = _train(stock, purpose="normal", then_identify=True)
    found: dict[str, list[float]] = {
        key: [] for key in ("product", "head", "nearest", "three_nearest", "normal_cutoff")
    }
    for place in layout.rare:
        hits = set(stock.ids[layout.hidden & (stock.truth == place)].tolist())
        cosines = stock.cosines[np.ix_(layout.pool, layout.labelled & (stock.truth == place))]
        shown = {
            "product": _suggested(throwaway, class_ids[place]),
            "head": _by_head(stock, throwaway, class_ids[place], pool),
            "nearest": pool[np.argsort(-cosines.max(axis=1))].tolist(),
            "three_nearest": pool[np.argsort(-np.sort(cosines)[:, -3:].mean(axis=1))].tolist(),
            "normal_cutoff": _most_doubtful(normal),
        }
        for key, image_ids in shown.items():
            found[key].append(len(hits & set(image_ids[:SHOWN])) / HIDDEN)
    say("  " + ", ".join(f"{key} {np.mean(values):.3f}" for key, values in found.items()))
    return found


def _layout(stock: Stock, seed: int, rare: int) -> Layout:
    random = np.random.default_rng(seed)
    labelled, hidden = (np.zeros(len(stock.ids), dtype=np.bool_) for _ in range(2))
    chosen: list[int] = []
    for place in random.permutation(len(stock.names)).tolist():
        images = np.flatnonzero(stock.truth == place)
        drawn = _draw_rare(stock, images, random) if len(chosen) < rare else None
        if drawn is not None:
            chosen.append(place)
            hidden[drawn[0]] = labelled[drawn[1]] = True
        elif len(chosen) >= rare or len(images) < LABELLED + HIDDEN:
            labelled[draw_groups(stock, images, random)] = True
    is_rare = np.isin(stock.truth, chosen)
    labelled &= is_rare | ~near_to(stock, hidden)
    return Layout(chosen, labelled, hidden, hidden | ~(is_rare | labelled | near_to(stock, labelled)))


def near_to(stock: Stock, some: Flags) -> Flags:
    """Which images have a near neighbour among some."""
    near: Flags = (stock.cosines[:, some] > NEAR).any(axis=1)
    return near


def _draw_rare(
    stock: Stock, images: NDArray[np.int64], random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """HIDDEN images of a class and LABELLED ones that are no near neighbours of them, where it has so many."""
    for _ in range(_DRAWS if len(images) >= LABELLED + HIDDEN else 0):
        order = random.permutation(images)
        hidden, rest = order[:HIDDEN], order[HIDDEN:]
        far = rest[(stock.cosines[np.ix_(rest, hidden)] <= NEAR).all(axis=1)]
        if len(far) >= LABELLED:
            return hidden, far[:LABELLED]
    return None


def draw_groups(
    stock: Stock, images: NDArray[np.int64], random: np.random.Generator, share: float = SHARE
) -> NDArray[np.int64]:
    """About `share` of a class's images, whole groups of near neighbours at a time."""
    count, group_of = connected_components(csr_array(stock.cosines[np.ix_(images, images)] > NEAR), directed=False)
    order = random.permutation(count)
    before = np.cumsum(np.bincount(group_of)[order]) - np.bincount(group_of)[order]
    return images[np.isin(group_of, order[before < share * len(images)])]


def _label(stock: Stock, layout: Layout) -> Mapping[int, int]:
    """The library as a round wants it; class ids by place."""
    out = ~(layout.labelled | layout.pool)
    with write() as session:
        class_ids = {place: ensure_class(session, stock.project_id, name)[0] for place, name in enumerate(stock.names)}
        change_images(session, stock.ids.tolist(), project_id=stock.project_id, state="pool", class_id=None)
        change_images(session, stock.ids[out].tolist(), project_id=stock.project_id, state="removed")
        # Another round, another draw of splits, which the product never makes anew by itself.
        session.execute(update(Image).where(Image.project_id == stock.project_id).values(split=None, leaked=False))
    places = np.flatnonzero(layout.labelled).tolist()
    for start in range(0, len(places), _PART):
        part = places[start : start + _PART]
        changes = [Change(int(stock.ids[each]), class_id=class_ids[int(stock.truth[each])]) for each in part]
        heading: dict[str, Any] = {"project_id": stock.project_id, "user_id": None, "kind": "label"}
        with write() as session:
            apply_labels(session, **heading, summary="Labelled", how="bulk", changes=changes)
    return class_ids


def _train(stock: Stock, **asked: Any) -> int:
    """A head-only run with what follows it; the id of its identification."""
    request = {"project_id": stock.project_id, "start": "head_only", "trunk": TRUNK, "again": True, **asked}
    runs = run_to_end(start_training(TrainingRequest(**request)))
    result = runs["identification.identify"].result or {}
    return int(result["job_id"])


def _suggested(job_id: int, class_id: int) -> list[int]:
    query = select(Candidate.image_id).where(Candidate.job_id == job_id, Candidate.class_id == class_id)
    with read() as session:
        return list(session.scalars(query.order_by(Candidate.rank)))


def _by_head(stock: Stock, job_id: int, class_id: int, pool: NDArray[np.int64]) -> list[int]:
    """What the throw-away head alone puts first for a class."""
    with read() as session:
        loaded = load_head(session.get_one(ScoringJob, job_id).version_id)
        found, rows = read_embeddings(session, stock.trunk_id, pool.tolist())
    order = np.argsort(-loaded.head.scores(rows)[:, loaded.class_ids.index(class_id)])
    return np.array(found)[order].tolist()


def _most_doubtful(job_id: int) -> list[int]:
    query = select(Prediction.image_id).where(Prediction.job_id == job_id)
    with read() as session:
        return list(session.scalars(query.order_by(Prediction.confidence_1, Prediction.image_id).limit(SHOWN)))


if __name__ == "__main__":
    run_benchmark("find_the_rare", measure, about=ABOUT)
