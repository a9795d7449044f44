"""The five ready views of an identification with 1,000,000 results against one with 10,000, on both databases.

Both libraries hold the same shares of everything; each view is asked for in turns on the small one (the baseline) and
the large one, through the whole application by HTTP in this process: its page, a later page, filters of the team's own
beside it, and the counts of its classes. Part of the results are settled already, as when people have labelled from
them. PostgreSQL is that of WINNOW_TEST_POSTGRES_SERVER; without it only SQLite is measured, and the parameters say so.
The plain names carry the worst view on the worse of the two databases.
"""

from __future__ import annotations

import os
import random
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import sqlalchemy as sa
from databases import SERVER, own_database
from filling import make_project
from many_images import CLASSES, Library, make_library
from measuring import Figure, Goal, Options, Outcome, run_benchmark, say, settled_on
from starlette.testclient import TestClient

from app.accounts.service import create_user
from app.accounts.tokens import create_token
from app.core.database import get_engine, write
from app.core.migrations import migrate
from app.identification.views import VIEWS, View
from app.main import create_app
from app.predictions.indexing import index_job
from app.registry.models import VersionClass

ABOUT: Final = "The five ready views with 1,000,000 results against 10,000: pages and counts, on both databases."
SMALL: Final = 10_000
JOB: Final = 1
LOW: Final = 20
LEANING: Final = 30
LOW_IMAGES: Final = 45
FIVE: Final = tuple(view for view in VIEWS if view.name not in ("all", "candidates"))
_OF_CLASS: Final = "class_id={class_id}"
# What is asked of a view's page, beside the view itself.
FILTERS: Final = ("", "", _OF_CLASS, "margin_high=0.3", "query=origin%3Dreal", "labelled_low=10", "mix=real")
_IMAGES: Final = (
    "INSERT INTO image_count (project_id, class_id, state, origin, images) "
    "SELECT project_id, COALESCE(class_id, 0), state, origin, COUNT(*) FROM image GROUP BY 1, 2, 3, 4"
)
_RESULTS: Final = (
    "INSERT INTO prediction_count (job_id, class_id, state, origin, images) "
    "SELECT p.job_id, p.class_1, i.state, i.origin, COUNT(*) FROM prediction p JOIN image i ON i.id = p.image_id "
    "GROUP BY 1, 2, 3, 4"
)


@dataclass(slots=True)
class Place:
    """One library: where it lies, what is in it, and what was measured on it, in seconds by (act, view)."""

    name: str
    data: Path
    settings: dict[str, str]
    library: Library
    token: str
    seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)


def measure(options: Options) -> Outcome:
    """Each database in turn; in it the two libraries take turns."""
    large = options.choose_photos(quick=100_000, full=1_000_000)
    rounds = options.choose_rounds(quick=3, full=6)
    samples = 10 if options.quick else 30
    figures: dict[str, Figure] = {}
    databases_measured = []
    with TemporaryDirectory(prefix="winnow-bench-", dir=os.environ.get("TMPDIR")) as folder, ExitStack() as databases:
        for database in ("sqlite", "postgresql"):
            if database == "postgresql" and not os.environ.get(SERVER):
                continue
            places = [_make(Path(folder) / f"{database}-{size}", database, size, databases) for size in (SMALL, large)]
            for turn in range(rounds):
                for place in places:
                    _round(place, samples=samples, seed=turn)
                    say(f"  {database} {place.name}, round {turn + 1} of {rounds}")
            figures |= _figures(database, *places)
            databases_measured.append(database)
    for act in ("page", "count"):
        worst = [figures[f"{act}_ratio_{database}"] for database in databases_measured]
        figures[f"{act}_ratio"] = max(value for value in worst if value is not None)
    parameters = {
        "results": large,
        "baseline_results": SMALL,
        "rounds": rounds,
        "samples_a_round": samples,
        "databases": databases_measured,
        "classes": CLASSES,
        "settled_share": 0.63,
        "asked_beside_the_view": [each for each in dict.fromkeys(FILTERS) if each],
        "pages": "whole application in this process, by HTTP",
        "ratios": "95th percentile over 95th percentile, of the worst view",
    }
    goals = [Goal(f"{act}_ratio", figures[f"{act}_ratio"], "at most", 2.0) for act in ("page", "count")]
    return Outcome(parameters, figures, goals)


def _figures(database: str, small: Place, large: Place) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    for act in ("page", "count"):
        ratios = []
        for view in FIVE:
            base, full = (float(np.percentile(place.seconds[act, view.name], 95)) for place in (small, large))
            medians = [median(place.seconds[act, view.name]) for place in (large, small)]
            ratios.append(full / base)
            figures[f"{view.name}_{act}_p95_ms_{database}"] = 1000 * full
            figures[f"{view.name}_{act}_ratio_{database}"] = full / base
            figures[f"{view.name}_{act}_median_ratio_{database}"] = medians[0] / medians[1]
        figures[f"{act}_ratio_{database}"] = max(ratios)
    return figures


def _make(data: Path, database: str, images: int, databases: ExitStack) -> Place:
    """A new installation with an identification of so many images."""
    say(f"{database}: making {images:,} results")
    settings: dict[str, str] = {}
    if database == "postgresql":
        settings["database_url"] = databases.enter_context(own_database())
    began = time.perf_counter()
    with settled_on(data, **settings):
        migrate()
        user_id, _ = create_user(name="bench", by=None)
        project_id = make_project(user_id)
        library = make_library(project_id, user_id, images)
        _suit(library)
        with write() as session:
            who = {"user_id": user_id, "project_id": project_id, "name": "bench"}
            token = create_token(session, **who, role="administrator", own_role="administrator")  # type: ignore[arg-type]
    say(f"  made in {time.perf_counter() - began:.0f} s")
    return Place(f"{images:,}", data, settings, library, token)


def _suit(library: Library) -> None:
    """Give the library what the views look for: LOW classes that just made the cutoff, LEANING ones with staged images.

    And what an identification leaves at its end: the version's classes, kept counts, indexes.
    """
    first = library.first_class
    of_class = "SELECT id FROM image WHERE class_id = :class_id ORDER BY id LIMIT 1 OFFSET :kept"
    with write() as session:
        for class_id in range(first, first + LOW):
            last = session.scalar(sa.text(of_class), {"class_id": class_id, "kept": LOW_IMAGES})
            if last is None:
                continue
            moved = sa.text("UPDATE image SET class_id = class_id + 100 WHERE class_id = :class_id AND id >= :last")
            session.execute(moved, {"class_id": class_id, "last": last})
        session.execute(
            sa.text("UPDATE image SET origin = 'real' WHERE class_id >= :limit AND origin <> 'real'"),
            {"limit": first + LOW + LEANING},
        )
        version_id = session.scalar(sa.text("SELECT version_id FROM scoring_job WHERE id = :id"), {"id": JOB})
        rows = [
            {
                "version_id": version_id,
                "position": place,
                "class_id": first + place,
                "name": f"Class {place:04}",
                "usable": LOW_IMAGES if place < LOW else 500,
                "below_cutoff": False,
            }
            for place in range(CLASSES)
        ]
        session.execute(sa.insert(VersionClass), rows)
        for table in ("image_count", "prediction_count"):
            session.execute(sa.text(f"DELETE FROM {table}"))  # noqa: S608 - own names
        for statement in (_IMAGES, _RESULTS):
            session.execute(sa.text(statement))
    index_job(JOB)
    if get_engine().dialect.name == "postgresql":
        with get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


def _round(place: Place, *, samples: int, seed: int) -> None:
    """Every view's page and counts `samples` times, in an order that is drawn."""
    with settled_on(place.data, **place.settings), TestClient(create_app()) as client:
        client.headers["Authorization"] = f"Bearer {place.token}"
        for view in FIVE:
            _ask(client, place, view, random.Random(seed), is_measured=False)
        asked = [(view, number) for view in FIVE for number in range(samples)]
        random.Random(seed).shuffle(asked)
        for view, number in asked:
            _ask(client, place, view, random.Random(1000 * seed + number), is_measured=True)


def _ask(client: TestClient, place: Place, view: View, chance: random.Random, *, is_measured: bool) -> None:
    """One page of a view, and the counts of its classes; half of the pages are later ones."""
    more = chance.choice(FILTERS).format(class_id=place.library.first_class + chance.randrange(LOW + LEANING))
    query = "&".join(part for part in (view.defaults.to_query(), more) if part)
    later = f"&before={chance.uniform(0.3, 0.9):.6f}:{chance.randrange(1, place.library.images)}"
    # An order that is kept has cursors of its own.
    is_later = chance.random() < 0.5 and view.defaults.sort in ("confident", "doubtful")
    page = query + (later if is_later else "")
    for act, address in (("page", f"?{page}"), ("count", f"/classes?{query}")):
        began = time.perf_counter()
        answer = client.get(f"/projects/bench/identify/{JOB}{address}")
        if is_measured:
            place.seconds.setdefault((act, view.name), []).append(time.perf_counter() - began)
        if answer.status_code != 200:
            raise RuntimeError(f"{address} gave {answer.status_code} on {place.name}: {answer.text[:300]}")


if __name__ == "__main__":
    run_benchmark("views", measure, about=ABOUT)
