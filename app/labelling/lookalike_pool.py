"""The waiting images of a view with what is known of them, kept in memory between pages and fed with each new event.

At most WINDOW waiting and SUPPORT labelled images, whatever the size of the library; a window that runs low is filled
anew. What others label meanwhile arrives by their label events.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Engine, func, or_, select, text, union_all
from sqlalchemy.orm import Session

from app.core.database import get_engine, id_rows
from app.embeddings.models import Embedding, ImageCluster
from app.embeddings.similarity import nearest
from app.embeddings.store import read_embeddings
from app.labelling.lookalike_schemas import View
from app.labelling.models import LabelAction, LabelClass, LabelEvent
from app.labelling.propagation import Places, Propagation, reduced
from app.library.models import IN_QUEUE, Image, ImageState
from app.predictions.models import Prediction
from app.predictions.queries import newest_candidates
from app.predictions.service import newest_job_for
from app.registry.queries import get_version, reference_trunk, suggesting

WINDOW: Final = 6000
SUPPORT: Final = 8000
_LOOKED_AT: Final = 20_000
_MOST_LABELLED: Final = 200
_LEAST_LABELLED: Final = 5
_SPARE_CLASSES: Final = 64
_MOST_EVENTS: Final = 5000
_LIKE: Final = 600
_KEPT: Final = 4
_TERMS: Final = 100


class Pool:
    """A view's waiting images by their place in the arrays. Use it under `lock`."""

    def __init__(self, session: Session, project_id: int, view: View) -> None:
        self.lock = threading.Lock()
        self.project_id = project_id
        self.last_event_id = session.scalar(select(func.max(LabelEvent.id))) or 0
        self.trunk_id = _trunk_id(session, project_id)
        classes = session.scalars(
            select(LabelClass.id).where(LabelClass.project_id == project_id).order_by(LabelClass.id)
        )
        self.class_ids = list(classes)
        self._labelled: dict[int, int] = {}
        wanted = _candidates(session, project_id, self.trunk_id, view) if self.trunk_id else []
        labelled = _labelled_ids(session, project_id, self.class_ids) if wanted else {}
        ids, rows = self._embedded(session, [*wanted, *labelled])
        is_known = np.fromiter((image_id in labelled for image_id in ids), np.bool_, len(ids))
        small = reduced(rows) if ids else rows
        known = [image_id for image_id in ids if image_id in labelled]
        self._support: dict[int, int | None] = {image_id: labelled[image_id] for image_id in known}
        self._support_rows = small[is_known]
        self.ids = [image_id for image_id in ids if image_id not in labelled]
        self._rows = small[~is_known]
        self.place_of = {image_id: place for place, image_id in enumerate(self.ids)}
        self.is_waiting = np.ones(len(self.ids), dtype=np.bool_)
        self.was_full = len(wanted) >= WINDOW
        self.propagation = self._propagation()

    @property
    def runs_low(self) -> bool:
        """Whether a window that held less than there is has fallen to half."""
        return self.was_full and int(self.is_waiting.sum()) < WINDOW // 2

    def is_good(self, session: Session) -> bool:
        """Whether it can be brought up to date, and is; else it is to be made anew."""
        with self.lock:
            return bool(self.is_waiting.any()) and not self.runs_low and self.take_events(session)

    def class_place(self, class_id: int) -> int:
        """The place of a class; one made since gets a spare one. Raises ValueError where there is none left."""
        if class_id not in self.class_ids:
            if len(self.class_ids) >= self.propagation.class_count:
                raise ValueError("no place is left for a new class")
            self.class_ids.append(class_id)
        return self.class_ids.index(class_id)

    def take_events(self, session: Session) -> bool:
        """Follow what was labelled since; False where it is simpler to start anew."""
        events = session.execute(
            select(LabelEvent.id, LabelEvent.image_id, Image.state, Image.class_id, Image.quality)
            .join(LabelAction, LabelAction.id == LabelEvent.action_id)
            .join(Image, Image.id == LabelEvent.image_id)
            .where(LabelEvent.id > self.last_event_id, LabelAction.project_id == self.project_id)
            .order_by(LabelEvent.id)
            .limit(_MOST_EVENTS)
        ).all()
        if not events:
            return True
        if len(events) == _MOST_EVENTS or not self._has_places(event.class_id for event in events):
            return False
        self.last_event_id = events[-1].id
        now_labelled: dict[int, int] = {}
        is_undone = False
        for event in {event.image_id: event for event in events}.values():
            label = event.class_id if event.state == ImageState.LABELLED else None
            is_undone |= self._changes(event.image_id, label)
            place = self.place_of.get(event.image_id)
            if place is not None:
                self.is_waiting[place] = event.state == ImageState.POOL and event.quality in {None, "good"}
                if label is not None and event.image_id not in self._labelled:
                    now_labelled[event.image_id] = label
        self._labelled |= now_labelled
        if is_undone:
            self.propagation = self._propagation()
        elif now_labelled:
            self.propagation.learn(self._rows[self.places(now_labelled)], self._class_places(now_labelled.values()))
        return True

    def supposing(self, labels: dict[int, int]) -> Propagation:
        """The propagation as if images of the pool (by id) were of these classes."""
        known = {image_id: label for image_id, label in labels.items() if image_id in self.place_of}
        if not known or not self._has_places(known.values()):
            return self.propagation
        return self.propagation.supposing(self.places(known), self._class_places(known.values()))

    def places(self, image_ids: Iterable[int]) -> Places:
        """The places of images, those that are not of this pool left out."""
        return np.array([self.place_of[each] for each in image_ids if each in self.place_of], dtype=np.int64)

    def _changes(self, image_id: int, label: int | None) -> bool:
        """Whether a label that was learned is another now, which cannot be unlearned singly."""
        if image_id in self._support:
            was, self._support[image_id] = self._support[image_id], label
            return was != label
        was_learned = self._labelled.get(image_id)
        if was_learned is None or was_learned == label:
            return False
        del self._labelled[image_id]
        return True

    def _has_places(self, class_ids: Iterable[int | None]) -> bool:
        try:
            self._class_places(each for each in class_ids if each is not None)
        except ValueError:
            return False
        return True

    def _class_places(self, class_ids: Iterable[int]) -> Places:
        return np.array([self.class_place(each) for each in class_ids], dtype=np.int64)

    def _propagation(self) -> Propagation:
        count = len(self.class_ids) + _SPARE_CLASSES
        is_labelled = np.array([label is not None for label in self._support.values()], dtype=np.bool_)
        rows = np.concatenate([self._support_rows[is_labelled], self._rows[self.places(self._labelled)]])
        labels = [label for label in (*self._support.values(), *self._labelled.values()) if label is not None]
        place_of = {class_id: place for place, class_id in enumerate(self.class_ids)}
        return Propagation(self._rows, rows, np.array([place_of[each] for each in labels], dtype=np.int64), count)

    def _embedded(self, session: Session, image_ids: list[int]) -> tuple[list[int], NDArray[np.float32]]:
        if not image_ids or self.trunk_id is None:
            return [], np.zeros((0, 1), np.float32)
        return read_embeddings(session, self.trunk_id, image_ids)


class _Slot:
    """A view's pool, made by one request while others for it wait."""

    def __init__(self) -> None:
        self.making = threading.Lock()
        self.pool: Pool | None = None


_pools: WeakKeyDictionary[Engine, OrderedDict[tuple[int, View], _Slot]] = WeakKeyDictionary()
_keeping = threading.Lock()


def pool_of(session: Session, project_id: int, view: View) -> Pool:
    """The pool of a view, made at first use and brought up to date; this process keeps the last few."""
    with _keeping:
        kept = _pools.setdefault(get_engine(), OrderedDict())
        slot = kept.setdefault((project_id, view), _Slot())
        kept.move_to_end((project_id, view))
        while len(kept) > _KEPT:
            kept.popitem(last=False)
    with slot.making:
        if slot.pool is None or not slot.pool.is_good(session):
            slot.pool = Pool(session, project_id, view)
        return slot.pool


def _trunk_id(session: Session, project_id: int) -> int | None:
    """The reference trunk, or else that of the version that suggests."""
    trunk = reference_trunk(session, project_id)
    version_id = suggesting(session, project_id)
    if trunk is None and version_id is not None:
        trunk = get_version(session, version_id).trunk
    return None if trunk is None else trunk.id


def _candidates(session: Session, project_id: int, trunk_id: int, view: View) -> list[int]:
    """Up to WINDOW waiting, embedded images of a view."""
    if view.kind == "all":
        waiting = select(Image.id).where(Image.project_id == project_id, text(IN_QUEUE))
    else:  # The sum keeps SQLite from walking the whole queue: the view's images are found by their ids.
        waiting = select(Image.id).where(Image.project_id + 0 == project_id, text(IN_QUEUE))
        waiting = waiting.where(_in_view(session, project_id, trunk_id, view.kind, view.target or 0))
    waiting = waiting.order_by(Image.id.desc()).limit(_LOOKED_AT)
    some = waiting.subquery()
    embedded = select(some.c.id).join(Embedding, (Embedding.image_id == some.c.id) & (Embedding.trunk_id == trunk_id))
    return list(session.scalars(embedded.order_by(some.c.id.desc()).limit(WINDOW)))


def _in_view(session: Session, project_id: int, trunk_id: int, kind: str, target: int) -> ColumnElement[bool]:
    if kind == "capture":
        return Image.capture_group_id == target
    if kind == "cluster":
        members = select(ImageCluster.image_id).where(ImageCluster.project_id == project_id)
        return Image.id.in_(members.where(ImageCluster.trunk_id == trunk_id, ImageCluster.cluster == target))
    if kind == "like":
        is_ours = session.scalar(select(Image.id).where(Image.id == target, Image.project_id + 0 == project_id))
        found = nearest(session, project_id, target, _LIKE) if is_ours else []
        return Image.id.in_(id_rows(session, [target, *(one.image_id for one in found)]))
    return Image.id.in_(id_rows(session, list(_predicted(session, project_id, target))))


def _predicted(session: Session, project_id: int, class_id: int) -> Sequence[int]:
    """What the suggesting version takes for a class, the surest; a class it does not know: its candidates."""
    version_id = suggesting(session, project_id)
    job = newest_job_for(session, version_id, "identification") if version_id else None
    found: Sequence[int] = []
    if job is not None:
        query = select(Prediction.image_id).where(Prediction.job_id == job.id, Prediction.class_1 == class_id)
        surest = query.order_by(Prediction.confidence_1.desc(), Prediction.image_id.desc())
        found = session.scalars(surest.limit(WINDOW)).all()
    return found or newest_candidates(session, project_id, class_id)


def _labelled_ids(session: Session, project_id: int, class_ids: Sequence[int]) -> dict[int, int]:
    """The newest good labelled images of each class, in all about SUPPORT, with their class."""
    each = int(np.clip(SUPPORT // max(1, len(class_ids)), _LEAST_LABELLED, _MOST_LABELLED))
    found: dict[int, int] = {}
    for start in range(0, len(class_ids), _TERMS):
        parts = [
            select(Image.id, Image.class_id)
            .where(Image.project_id == project_id, Image.class_id == class_id, Image.in_benchmark.is_(False))
            .where(or_(Image.quality.is_(None), Image.quality == "good"))
            .order_by(Image.id.desc())
            .limit(each)
            .subquery()
            for class_id in class_ids[start : start + _TERMS]
        ]
        found |= dict(session.execute(union_all(*(select(part) for part in parts))).all())
    return found
