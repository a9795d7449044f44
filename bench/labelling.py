"""Actions for each correct label: one image at a time, with suggestions, and by pages of look-alikes.

A simulated labeller (simulated_labeller.py) labels pools of real photos to 99%, without a mistake, through the public
API of the application. An action is a key, a press, or a look at a page; a page has 60 images at most.

- One by one: a look for each image; a key where its class is under a digit (what was used last), else "/", the fewest
  letters and arrows that find it, Enter.
- With suggestions: the same, and the version's first classes stand under the first digits.
- By pages: a look and an Enter for each page, a press for each image that is not of the class it stands under. What
  was taken out comes back until it stands right.

The version has learned from the first 10 images of each class (a softmax regression on EfficientNet-Lite0's
embeddings) and suggests to all three; these images are labelled, all others wait, in random order. Grocery photos come
in bursts of one shelf (cosine above .85): those of a burst that the version has seen are left out of its pool, in
`*_all` they are not. `one_class` are pages of one class each; `look_per_class` counts a look for each class on a page.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from filling import fill_library, make_project
from measuring import Figure, Goal, Options, Outcome, installation, run_benchmark, say
from networks import Exported, deploy, export, publish_trunk, register
from photos import Photo, load_photos
from simulated_labeller import Effort, Labeller
from sklearn.linear_model import LogisticRegression
from sqlalchemy import delete, select, text
from starlette.testclient import TestClient

from app.accounts.service import create_user
from app.accounts.sessions import open_session
from app.core.database import read, write
from app.embeddings.service import request_embedding
from app.embeddings.store import read_embeddings
from app.embeddings.work import embed_library
from app.identification.schemas import Selection
from app.identification.service import request_identification
from app.identification.work import identify
from app.inference.head import save_head
from app.labelling.classes import create_class
from app.labelling.models import LabelRejection
from app.labelling.service import apply_one_label_to
from app.library.models import IN_QUEUE, Image
from app.library.preparing import Preparer
from app.main import create_app
from app.projects.models import Project
from app.registry.schemas import ClassEntry
from app.registry.service import set_reference_trunk
from app.web.csrf import session_csrf_token
from worker.execution import execute_run

ABOUT: Final = "Human actions per correct label: one by one, with suggestions, by pages of look-alikes."
TRUNK: Final = "efficientnet_lite0"
LEARNED: Final = 10
BURST: Final = 0.85
COOKIE: Final = "winnow_session"
_IN_BURSTS: Final = frozenset({"grocery", "demo"})
_QUICK_CLASSES: Final = 20
_SHARPNESS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Task:
    """A project with a version in production: who labels, what waits, and what of it is of a burst that was learned."""

    slug: str
    user_id: int
    names: dict[int, str]
    truth: dict[int, int]
    in_learned_bursts: frozenset[int]


@dataclass(frozen=True, slots=True)
class Efforts:
    """The three ways over one pool."""

    plain: Effort
    helped: Effort
    pages: Effort


def measure(options: Options) -> Outcome:
    """Each set of photos in an installation of its own."""
    efforts: dict[str, Efforts] = {}
    one_class: dict[str, Effort] = {}
    with TemporaryDirectory(prefix="winnow-bench-") as folder:
        say(f"exporting {TRUNK}")
        exported = export(TRUNK, Path(folder))
        for set_name, photos in _sets(options).items():
            with installation():
                _measure_set(set_name, _prepare(set_name, photos, exported), efforts, one_class)
    figures = _figures(efforts, one_class)
    parameters = {
        "trunk": TRUNK,
        "learned_of_each_class": LEARNED,
        "pools": {name: each.pages.pool for name, each in efforts.items()},
        "page": 60,
    }
    goals = [
        Goal("grid_over_one_by_one", figures["grid_over_one_by_one"], "at most", 0.45),
        Goal("actions_per_image_caltech", figures["actions_per_image_caltech"], "at most", 0.28),
    ]
    return Outcome(parameters, figures, goals)


def _sets(options: Options) -> dict[str, list[Photo]]:
    """Photos by set, of classes with more than was learned; few classes where it shall be quick."""
    sets: dict[str, list[Photo]] = defaultdict(list)
    for photo in load_photos(options):
        sets[photo.set_name].append(photo)
    for set_name, photos in sets.items():
        counts = Counter(photo.class_name for photo in photos)
        names = sorted(name for name, count in counts.items() if count > LEARNED)
        kept = set(names[:_QUICK_CLASSES] if options.quick else names)
        sets[set_name] = [photo for photo in photos if photo.class_name in kept]
    return sets


def _measure_set(set_name: str, task: Task, efforts: dict[str, Efforts], one_class: dict[str, Effort]) -> None:
    with write() as session:
        token = open_session(session, user_id=task.user_id)
    with TestClient(create_app(), headers={"X-CSRF-Token": session_csrf_token(token)}) as client:
        client.cookies.set(COOKIE, token)
        everything = Labeller(client, task.slug, task.truth, task.names)
        labeller = everything
        if task.in_learned_bursts:
            efforts[f"{set_name}_all"] = _three_ways(f"{set_name}_all", everything)
            _start_again(everything)
            everything.put_aside(task.in_learned_bursts)
            rest = {image_id: true for image_id, true in task.truth.items() if image_id not in task.in_learned_bursts}
            labeller = Labeller(client, task.slug, rest, task.names)
        efforts[set_name] = _three_ways(set_name, labeller)
        _start_again(labeller)
        one_class[set_name] = labeller.by_pages(one_class=True)


def _three_ways(name: str, labeller: Labeller) -> Efforts:
    plain, helped = labeller.one_by_one()
    _start_again(labeller)
    found = Efforts(plain, helped, labeller.by_pages())
    for way, effort in (("one by one", plain), ("with suggestions", helped), ("by pages", found.pages)):
        say(f"{name}, {way}: {effort.actions_per_image:.3f} actions per image, {effort.looks} looks")
    return found


def _start_again(labeller: Labeller) -> None:
    """As before the first answer: nothing labelled, and nothing known of what was taken out of a page."""
    labeller.start_again()
    with write() as session:
        session.execute(delete(LabelRejection))


def _prepare(set_name: str, photos: Sequence[Photo], exported: Exported) -> Task:
    """Import, embed, label what is learned, train the head, identify."""
    say(f"{set_name}: importing and embedding {len(photos)} photos")
    user_id, _ = create_user(name="bench", by=None, password=token_hex(16))
    project_id = make_project(user_id)
    places = list(range(len(photos)))
    random.Random(0).shuffle(places)
    with Preparer() as preparer:
        fill_library(project_id, [photos[place].content for place in places], preparer)
    with write() as session:
        set_reference_trunk(session, project_id=project_id, trunk_id=(trunk_id := publish_trunk(session, exported)))
        run_id = request_embedding(session, project_id)
    execute_run(run_id, embed_library)
    classes = _classes(project_id, photos)
    with read() as session:
        named = session.execute(select(Image.file_name, Image.id).where(Image.project_id == project_id)).all()
        slug = session.scalars(select(Project.slug).where(Project.id == project_id)).one()
    at = {places[int(name[6:12])]: image_id for name, image_id in named}
    true = {image_id: classes[photos[place].class_name] for place, image_id in at.items()}
    learned = _learned(photos, at)
    _label(project_id, user_id, true, learned)
    with read() as session:
        ids, rows = read_embeddings(session, trunk_id, sorted(true))
    version_id = _train(project_id, exported, classes, ids, rows, [image_id in learned for image_id in ids], true)
    deploy(project_id, version_id)
    with write() as session:
        pool = Selection(kind="pool")
        run_id = request_identification(session, project_id=project_id, version_id=version_id, selection=pool)
    execute_run(run_id, identify)
    with read() as session:
        waiting = session.scalars(select(Image.id).where(Image.project_id == project_id, text(IN_QUEUE))).all()
    return Task(
        slug=slug,
        user_id=user_id,
        names={class_id: name for name, class_id in classes.items()},
        truth={image_id: true[image_id] for image_id in waiting},
        in_learned_bursts=_near(ids, rows, learned) & set(waiting) if set_name in _IN_BURSTS else frozenset(),
    )


def _classes(project_id: int, photos: Sequence[Photo]) -> dict[str, int]:
    names = sorted({photo.class_name for photo in photos})
    with write() as session:
        return {name: create_class(session, project_id=project_id, name=name).id for name in names}


def _learned(photos: Sequence[Photo], at: dict[int, int]) -> set[int]:
    """The first LEARNED images of each class."""
    seen: Counter[str] = Counter()
    found = set()
    for place, photo in enumerate(photos):
        seen[photo.class_name] += 1
        if seen[photo.class_name] <= LEARNED and place in at:
            found.add(at[place])
    return found


def _label(project_id: int, user_id: int, true: dict[int, int], learned: set[int]) -> None:
    by_class: dict[int, list[int]] = defaultdict(list)
    for image_id in sorted(learned):
        by_class[true[image_id]].append(image_id)
    with write() as session:
        for class_id, ids in by_class.items():
            apply_one_label_to(session, project_id=project_id, user_id=user_id, image_ids=ids, class_id=class_id)


def _train(
    project_id: int,
    exported: Exported,
    classes: dict[str, int],
    ids: list[int],
    rows: np.ndarray,
    is_learned: list[bool],
    true: dict[int, int],
) -> int:
    """A version whose head is a softmax regression on the learned images; its id."""
    own = rows[is_learned]
    length = float(np.linalg.norm(own, axis=1).mean())
    targets = [true[image_id] for image_id, learned in zip(ids, is_learned, strict=True) if learned]
    fitted = LogisticRegression(C=_SHARPNESS, max_iter=500).fit(own / length, targets)
    head = exported.head.with_name(f"trained-{project_id}-{len(ids)}.head.safetensors")
    save_head(
        head,
        kernel=np.ascontiguousarray(fitted.coef_.T / length, dtype=np.float32),
        bias=fitted.intercept_.astype(np.float32),
    )
    names = {class_id: name for name, class_id in classes.items()}
    entries = [
        ClassEntry(class_id, names[class_id], LEARNED, below_cutoff=False) for class_id in fitted.classes_.tolist()
    ]
    return register(project_id, replace(exported, head=head), entries)


def _near(ids: list[int], rows: np.ndarray, learned: set[int]) -> frozenset[int]:
    """Images whose embedding is all but that of one that was learned."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    is_learned = np.array([image_id in learned for image_id in ids])
    nearest = (unit @ unit[is_learned].T).max(axis=1)
    return frozenset(ids[place] for place in np.flatnonzero((nearest > BURST) & ~is_learned))


def _figures(efforts: dict[str, Efforts], one_class: dict[str, Effort]) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    in_bursts = next((name for name in efforts if name in _IN_BURSTS), None)
    for name, suffix in ((in_bursts, ""), (f"{in_bursts}_all", "_all")):
        found = efforts.get(name or "")
        figures[f"grid_over_one_by_one{suffix}"] = _ratio(found.pages, found.helped) if found else None
    if in_bursts:
        figures["grid_over_one_by_one_one_class"] = _ratio(one_class[in_bursts], efforts[in_bursts].helped)
    for name in ("caltech", *(name for name in efforts if name != "caltech")):
        found = efforts.get(name)
        figures[f"actions_per_image_{name}"] = found.pages.actions_per_image if found else None
        if found is None:
            continue
        figures[f"one_by_one_per_image_{name}"] = found.plain.actions_per_image
        figures[f"suggestions_per_image_{name}"] = found.helped.actions_per_image
        looks = found.pages.sections - found.pages.looks
        figures[f"look_per_class_per_image_{name}"] = (found.pages.actions + looks) / found.pages.labelled
        figures[f"images_a_page_{name}"] = found.pages.labelled / found.pages.looks
        if name in one_class:
            figures[f"one_class_per_image_{name}"] = one_class[name].actions_per_image
    seconds = sorted(second for each in efforts.values() for second in each.pages.page_seconds)
    figures["next_page_p50_ms"] = 1000 * median(seconds)
    figures["next_page_p95_ms"] = 1000 * seconds[round(0.95 * (len(seconds) - 1))]
    return figures


def _ratio(pages: Effort, helped: Effort) -> float:
    return pages.actions_per_image / helped.actions_per_image


if __name__ == "__main__":
    run_benchmark("labelling", measure, about=ABOUT)
