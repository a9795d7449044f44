"""Results in sections: by predicted class, or by cluster of the reference trunk. A bounded part of each is shown."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.database import id_rows
from app.embeddings.models import ImageCluster
from app.identification.counting import class_counts
from app.identification.queries import Result, results_at
from app.identification.result_filter import ResultFilter
from app.identification.scope import JobScope
from app.identification.walking import STEPS, Place, look
from app.library.filters import ImageFilter
from app.registry.queries import reference_trunk

SECTIONS: Final = 8
SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Section:
    """Some results that belong together, with how many there are in words, and the filter that shows them all."""

    title: str
    words: str
    wanted: ResultFilter
    results: list[Result]


@dataclass(frozen=True, slots=True)
class Sections:
    """A page of sections, the largest first; `onward` is where the next page begins, None at the end."""

    sections: list[Section]
    onward: int | None

    @property
    def results(self) -> list[Result]:
        """All that is shown."""
        return [result for section in self.sections for result in section.results]


def sections_page(session: Session, scope: JobScope, wanted: ResultFilter, *, start: int = 0) -> Sections:
    """The sections of a filter that groups, from the `start`th on."""
    every = wanted.model_copy(update={"group": None})
    if wanted.group == "cluster":
        return _by_cluster(session, scope, every, start)
    return _by_class(session, scope, every, start)


def _by_class(session: Session, scope: JobScope, wanted: ResultFilter, start: int) -> Sections:
    counts = class_counts(session, scope, wanted)
    if wanted.class_id is not None and wanted.top == 1:
        counts = [count for count in counts if count.class_id == wanted.class_id]
    sections = []
    for count in counts[start : start + SECTIONS]:
        of_class = wanted.model_copy(update={"class_id": count.class_id, "top": 1})
        places = look(session, scope, of_class, limit=SHOWN).places
        name = scope.names.get(count.class_id, f"class {count.class_id}")
        sections.append(Section(name, count.words, of_class, results_at(session, scope, of_class, places)))
    shown = [section for section in sections if section.results]
    return Sections(shown, start + SECTIONS if start + SECTIONS < len(counts) else None)


def _by_cluster(session: Session, scope: JobScope, wanted: ResultFilter, start: int) -> Sections:
    """Clusters of what one page's work finds; what has no cluster yet comes last."""
    walked = look(session, scope, wanted, limit=sum(STEPS))
    more = "" if walked.reached is None else "+"
    places = _in_clusters(session, scope, walked.places)
    ordered = sorted(places, key=lambda cluster: (cluster is None, -len(places[cluster]), cluster))
    sections = []
    for cluster in ordered[start : start + SECTIONS]:
        title = "in no cluster yet" if cluster is None else f"cluster {cluster}"
        own = wanted if cluster is None else _of_cluster(wanted, cluster)
        found = results_at(session, scope, wanted, places[cluster][:SHOWN])
        sections.append(Section(title, f"{len(places[cluster]):,}{more}", own, found))
    return Sections(sections, start + SECTIONS if start + SECTIONS < len(ordered) else None)


def _in_clusters(session: Session, scope: JobScope, places: list[Place]) -> dict[int | None, list[Place]]:
    trunk = reference_trunk(session, scope.project_id)
    clusters: dict[int, int] = {}
    if trunk is not None:
        ids = id_rows(session, [image_id for _, image_id in places])
        of_images = (ImageCluster.trunk_id == trunk.id, ImageCluster.image_id.in_(ids))
        rows = session.execute(select(ImageCluster.image_id, ImageCluster.cluster).where(*of_images))
        clusters = {image_id: cluster for image_id, cluster in rows}  # noqa: C416 - rows are no tuples to mypy
    found: defaultdict[int | None, list[Place]] = defaultdict(list)
    for place in places:
        found[clusters.get(place[1])].append(place)
    return found


def _of_cluster(wanted: ResultFilter, cluster: int) -> ResultFilter:
    asked = wanted.library.to_query() | {"cluster": str(cluster)}
    return wanted.model_copy(update={"query": ImageFilter.from_query(asked).query_string()})
