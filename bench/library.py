"""Pages, filters, labels and imports on a library of 1,000,000 images against one of 10,000, on both databases.

Both libraries hold the same shares of everything and lie in databases of their own; each act is measured in turns on
the small one (the baseline) and the large one. Pages go through the whole application by HTTP, in this process, with
an API token; labels and imports through the services. PostgreSQL is that of WINNOW_TEST_POSTGRES_SERVER; without it
only SQLite is measured, and the parameters say so. The plain names carry the worse of the two databases.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import sqlalchemy as sa
from databases import SERVER, own_database
from filling import make_project, take_one
from many_images import CLASSES, Library, make_library
from measuring import Figure, Goal, Options, Outcome, run_benchmark, say, settled_on
from PIL import Image as Picture
from starlette.testclient import TestClient

from app.accounts.service import create_user
from app.accounts.tokens import create_token
from app.core.database import read, write
from app.core.migrations import migrate
from app.labelling.service import apply_one_label_to, undo
from app.library.models import Image
from app.main import create_app

ABOUT: Final = "Library pages, filters, labels and imports at 1,000,000 images against 10,000, on both databases."
SMALL: Final = 10_000
MANY: Final = 10_000
HOT: Final = ("first_page", "next_page", "filter_count", "next_in_filter", "label_one", "import_one")
FILTERS: Final = (
    "state=pool&origin=staged",
    "class_id={class_id}&quality=not_good",
    "class_id={class_id},{other_id}&labelled_how=grid&reviewed=true",
    "sharpness_max=15",
    "brightness_min=0.5&short_side_min=1000",
    "meta_{site}=site+{some}",
    "captured_from=2024-01-03&captured_to=2024-01-03&camera=Camera+C",
    "predicted_class_id={class_id}&confidence_min=0.8&state=pool",
    "disagreement=true",
    "duplicate=duplicate&state=pool",
    "origin=synthetic&split=test&reviewed=true",
    "state=labelled&labelled_by={user}&label_age_min=30",
    "text=IMG_00{some}",
    "source=served&is_small_subject=true",
)


@dataclass(slots=True)
class Place:
    """One library: where it lies, what is in it, and what was measured on it, in seconds by act."""

    name: str
    data: Path
    settings: dict[str, str]
    library: Library
    token: str
    seconds: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def time(self, act: str) -> Iterator[None]:
        """Measure the block as one of `act`."""
        began = time.perf_counter()
        yield
        self.seconds.setdefault(act, []).append(time.perf_counter() - began)


def measure(options: Options) -> Outcome:
    """Each database in turn; in it the two libraries take turns."""
    large = options.choose_photos(quick=60_000, full=1_000_000)
    rounds = options.choose_rounds(quick=3, full=6)
    samples = 15 if options.quick else 40
    figures: dict[str, Figure] = {}
    found: dict[str, dict[str, Figure]] = {}
    with TemporaryDirectory(prefix="winnow-bench-", dir=os.environ.get("TMPDIR")) as folder, ExitStack() as databases:
        for database in ("sqlite", "postgresql"):
            if database == "postgresql" and not os.environ.get(SERVER):
                continue
            places = [_make(Path(folder) / f"{database}-{size}", database, size, databases) for size in (SMALL, large)]
            for turn in range(rounds):
                for place in places:
                    _round(place, samples=samples, seed=turn, is_large=place is places[1])
                    say(f"  {database} {place.name}, round {turn + 1} of {rounds}")
            found[database] = _figures(*places)
            figures |= {f"{name}_{database}": value for name, value in found[database].items()}
    for name in next(iter(found.values())):
        values = [each[name] for each in found.values() if each[name] is not None]
        figures[name] = max((value for value in values if value is not None), default=None)
    parameters = {
        "images": large,
        "baseline_images": SMALL,
        "rounds": rounds,
        "samples_a_round": samples,
        "databases": list(found),
        "classes": CLASSES,
        "pages": "whole application in this process, by HTTP",
        "ratios": "95th percentile over 95th percentile",
        "pictures": "64 tiny ones, shared by all images",
    }
    return Outcome(parameters, figures, _goals(figures))


def _goals(figures: dict[str, Figure]) -> list[Goal]:
    limits: dict[str, float] = {f"{act}_ratio": 2.0 for act in HOT} | {"import_one_ratio": 1.2}
    limits |= {"first_page_p95_ms": 300, "filter_count_p95_ms": 300, "label_10k_s": 2, "undo_10k_s": 2}
    return [Goal(name, figures[name], "at most", limit) for name, limit in limits.items()]


def _figures(small: Place, large: Place) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    for act in HOT:
        base, full = (float(np.percentile(place.seconds[act], 95)) for place in (small, large))
        figures[f"{act}_p95_ms"] = 1000 * full
        figures[f"{act}_baseline_p95_ms"] = 1000 * base
        figures[f"{act}_ratio"] = full / base
        figures[f"{act}_median_ratio"] = median(large.seconds[act]) / median(small.seconds[act])
    for act in ("label_10k", "undo_10k"):
        figures[f"{act}_s"] = max(large.seconds[act])
    return figures


def _make(data: Path, database: str, images: int, databases: ExitStack) -> Place:
    """A new installation with a library of so many images."""
    say(f"{database}: making a library of {images:,} images")
    settings: dict[str, str] = {}
    if database == "postgresql":
        settings["database_url"] = databases.enter_context(own_database())
    began = time.perf_counter()
    with settled_on(data, **settings):
        migrate()
        user_id, _ = create_user(name="bench", by=None)
        project_id = make_project(user_id)
        library = make_library(project_id, user_id, images)
        with write() as session:
            token = create_token(
                session,
                user_id=user_id,
                project_id=project_id,
                name="bench",
                role="administrator",
                own_role="administrator",
            )
    say(f"  made in {time.perf_counter() - began:.0f} s")
    return Place(f"{images:,}", data, settings, library, token)


def _round(place: Place, *, samples: int, seed: int, is_large: bool) -> None:
    """Every act `samples` times on one library, in one order; 10,000 labels and their undo once, on the large one."""
    chance = random.Random(seed)
    with settled_on(place.data, **place.settings), TestClient(create_app()) as client:
        client.headers["Authorization"] = f"Bearer {place.token}"
        acts: dict[str, Callable[[random.Random], object]] = {
            "first_page": lambda chance: _get(client, place, chance.choice(("library", "library?state=pool"))),
            "next_page": lambda chance: _get(client, place, f"library?before={_some_id(place, chance)}"),
            "filter_count": lambda chance: _get(client, place, f"library?{_some_filter(place, chance)}"),
            "next_in_filter": lambda chance: _next(client, place, chance),
            "label_one": lambda chance: _label(place, [_some_id(place, chance)], chance),
            "import_one": lambda chance: take_one(place.library.project_id, _picture(chance)),
        }
        for act, do in acts.items():
            for _ in range(3):
                do(random.Random(chance.random()))
            for number in range(samples):
                own = random.Random(1000 * seed + number)
                with place.time(act):
                    do(own)
        if is_large:
            _label_many(place, chance)


def _get(client: TestClient, place: Place, address: str) -> None:
    answer = client.get(f"/projects/bench/{address}")
    if answer.status_code != 200:
        raise RuntimeError(f"{address} gave {answer.status_code} on {place.name}: {answer.text[:300]}")


def _some_id(place: Place, chance: random.Random) -> int:
    return chance.randint(place.library.images // 20, place.library.images)


def _some_filter(place: Place, chance: random.Random) -> str:
    first = place.library.first_class
    values = {"class_id": first + chance.randrange(CLASSES), "other_id": first + chance.randrange(CLASSES)}
    return chance.choice(FILTERS).format(
        **values, site=place.library.site_column, some=chance.randint(10, 60), user=place.library.user_id
    )


def _next(client: TestClient, place: Place, chance: random.Random) -> None:
    _get(client, place, f"images/{_some_id(place, chance)}?{_some_filter(place, chance)}")


def _label(place: Place, image_ids: list[int], chance: random.Random) -> int:
    class_id = place.library.first_class + chance.randrange(CLASSES)
    with write() as session:
        return apply_one_label_to(
            session,
            project_id=place.library.project_id,
            user_id=place.library.user_id,
            image_ids=image_ids,
            class_id=class_id,
        ).action_id


def _label_many(place: Place, chance: random.Random) -> None:
    start = _some_id(place, chance)
    with read() as session:
        found = sa.select(Image.id).where(Image.state == "pool", Image.id < start).order_by(Image.id.desc())
        image_ids = list(session.scalars(found.limit(MANY)))
    with place.time("label_10k"):
        action_id = _label(place, image_ids, chance)
    with place.time("undo_10k"), write() as session:
        undo(
            session,
            action_id,
            project_id=place.library.project_id,
            user_id=place.library.user_id,
            may_undo_others=False,
        )


def _picture(chance: random.Random) -> bytes:
    """A small photo-like picture that nobody has seen."""
    pixels = np.frombuffer(sha256(str(chance.random()).encode()).digest() * 2, dtype=np.uint8).reshape(8, 8)
    content = BytesIO()
    Picture.fromarray(pixels).convert("RGB").resize((320, 240)).save(content, "JPEG", quality=90)
    return content.getvalue()


if __name__ == "__main__":
    run_benchmark("library", measure, about=ABOUT)
