"""Counting anew while somebody moves the cutoffs: the library is read once for each state that it is in.

A process keeps what it read, by column, for the few projects that somebody looked at last. Whether it still holds is
told by a handful of figures from indexes. What is frozen is always read afresh, so this can only ever be a moment old.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy import Engine, ScalarSelect, TextClause, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.core.database import get_engine
from app.datasets import queries
from app.datasets.choosing import as_trained, in_order, standing
from app.datasets.counting import Census, count, take_census
from app.datasets.models import BenchmarkSet, Snapshot
from app.datasets.schemas import CutoffChoice, Draw, Flags, ImageColumns, Ints, Recount, ViewUsed
from app.datasets.service import check_cutoffs
from app.datasets.splitting import draw
from app.embeddings.models import Clustering
from app.labelling.models import LabelAction
from app.library.curation_models import CurationDecision
from app.library.models import USABLE, CaptureGroup, DuplicateGroup, Image
from app.library.views import get_view

LIBRARIES: Final = 2
"""Projects whose library is kept: about 90 bytes for each labelled or grouped image."""
CENSUSES: Final = 6
LARGE: Final = 50_000
"""From so many images on, the figure that is slow to take is taken at most every two seconds."""
_PAUSE: Final = 2.0

Stamp = tuple[object, ...]


@dataclass
class _Library:
    """A project's images as they were read, and what has been worked out from them."""

    stamp: Stamp
    columns: ImageColumns
    clusters: Ints
    asked_at: float
    draws: dict[int, Draw] = field(default_factory=dict)
    censuses: OrderedDict[object, Census] = field(default_factory=OrderedDict)


class _Kept:
    """What one database's libraries were when last read."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.libraries: OrderedDict[int, _Library] = OrderedDict()

    def library(self, session: Session, project_id: int) -> _Library:
        known = self.libraries.get(project_id)
        is_recent = known is not None and len(known.columns) >= LARGE and time.monotonic() - known.asked_at < _PAUSE
        if known is None or not (is_recent or known.stamp == _stamp(session, project_id)):
            stamp = _stamp(session, project_id)
            columns = queries.library_columns(session, project_id)
            clusters = queries.cluster_numbers(session, columns, project_id)
            known = _Library(stamp, columns, clusters, time.monotonic())
            self.libraries[project_id] = known
        elif not is_recent:
            known.asked_at = time.monotonic()
        self.libraries.move_to_end(project_id)
        while len(self.libraries) > LIBRARIES:
            self.libraries.popitem(last=False)
        return known


_kept: WeakKeyDictionary[Engine, _Kept] = WeakKeyDictionary()


def is_at_hand(project_id: int) -> bool:
    """Whether the project's library was read before, so that counting anew takes a moment."""
    kept = _kept.get(get_engine())
    return kept is not None and project_id in kept.libraries


def recount(session: Session, project_id: int, choice: CutoffChoice) -> Recount:
    """What a snapshot with this choice would hold now. Raises InvalidInput for bad cutoffs, NotFound for a view."""
    check_cutoffs(choice.lower, choice.upper)
    view = get_view(session, choice.view_id, project_id) if choice.view_id is not None else None
    names = queries.class_names(session, project_id)
    merged = queries.trained_as(session, project_id)
    before = queries.snapshot_before(session, project_id, upper=choice.upper, include_small=choice.include_small)
    kept = _kept.setdefault(get_engine(), _Kept())
    with kept.lock:
        library = kept.library(session, project_id)
        minute = int(time.monotonic() // 60) if view else 0  # A view may rest on anything; the stamp knows images.
        taken_of = (view and view.query, minute)
        key = (tuple(names), tuple(merged.items()), choice.include_small, choice.seed, before, taken_of)
        census = library.censuses.get(key)
        if census is None:
            within = queries.within_view(session, library.columns, project_id, view.filter) if view else None
            earlier = queries.ids_of_snapshot(session, before)
            census = _census(library, choice, tuple(names), merged, within, earlier)
            library.censuses[key] = census
            while len(library.censuses) > CENSUSES:
                library.censuses.popitem(last=False)
        library.censuses.move_to_end(key)
    shown = count(
        census,
        lower=choice.lower,
        upper=choice.upper,
        names=names,
        sub_class_names=queries.sub_class_names(session, project_id),
        trained_as=merged,
        include_small=choice.include_small,
        view=ViewUsed(view.name, view.query) if view else None,
    )
    return Recount(shown, choice.seed, census.undrawn, census.leaked_now)


def _census(
    library: _Library,
    choice: CutoffChoice,
    class_ids: tuple[int, ...],
    merged: dict[int, int],
    within: Flags | None,
    earlier: Ints,
) -> Census:
    """As `service.make_plan` counts."""
    decided = library.draws.get(choice.seed)
    if decided is None:
        decided = draw(library.columns, seed=choice.seed)
        library.draws = {choice.seed: decided}
    columns = as_trained(library.columns, merged)
    usable = standing(
        columns, decided, np.array(class_ids, dtype=np.int64), include_small=choice.include_small, within=within
    )
    order = in_order(columns, decided, usable, previous_ids=earlier, clusters=library.clusters, seed=choice.seed)
    return take_census(columns, decided, usable, order, within)


def _stamp(session: Session, project_id: int) -> Stamp:
    """Figures that change with what a count depends on, each from an index."""

    def newest(column: InstrumentedAttribute[int], of_project: InstrumentedAttribute[int]) -> ScalarSelect[int]:
        return select(func.max(column)).where(of_project == project_id).scalar_subquery()

    def images(condition: InstrumentedAttribute[bool] | TextClause) -> ScalarSelect[int]:
        return (
            select(func.count()).select_from(Image).where(Image.project_id == project_id, condition).scalar_subquery()
        )

    clustered_at = select(func.max(Clustering.created_at)).where(Clustering.project_id == project_id)
    row = session.execute(
        select(
            newest(Image.id, Image.project_id),
            newest(LabelAction.id, LabelAction.project_id),
            newest(CurationDecision.id, CurationDecision.project_id),
            newest(BenchmarkSet.id, BenchmarkSet.project_id),
            newest(CaptureGroup.id, CaptureGroup.project_id),
            newest(DuplicateGroup.id, DuplicateGroup.project_id),
            newest(Snapshot.id, Snapshot.project_id),
            clustered_at.scalar_subquery(),
            images(Image.is_small_subject),
            images(Image.is_reviewed),
            images(Image.in_benchmark),
            images(Image.leaked),
            images(USABLE),
        )
    ).one()
    return tuple(row)
