"""Why a view lists what it lists, class by class: counts and the cutoff, origins, confusions, when last unknown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.core.database import id_rows
from app.evaluation.models import ConfusionCell
from app.evaluation.queries import evaluations_by_subset
from app.identification.counting import count_results
from app.identification.coverage import MissingPart, missing_parts
from app.identification.result_filter import ResultFilter
from app.identification.scope import JobScope
from app.identification.walking import STEPS, Total, look
from app.labelling.class_counts import usable_up_to
from app.labelling.models import LabelEvent
from app.library.models import Image, ImageCount, ImageState, Origin
from app.predictions.models import Prediction

_SUBSETS: Final = ("test", "validation")
_CONFUSED_WITH: Final = 3
_CELLS: Final = 5_000
_CAP: Final = 1_000


@dataclass(frozen=True, slots=True)
class Confusion:
    """A class that another is taken for, or that is taken for it: so many images of the set it was measured on."""

    class_id: int
    name: str
    images: int


@dataclass(frozen=True, slots=True)
class ClassReasons:
    """What one class needs, and why its results are worth a look. `usable` is counted up to 1,000."""

    class_id: int
    name: str
    usable: int
    trained_with: int
    cutoff: int
    staged: int
    labelled: int
    open_results: Total
    subset: str
    confusions: Sequence[Confusion]
    last_unknown: datetime | None
    missing: Sequence[MissingPart]

    @property
    def lacks(self) -> int:
        """Images still missing to the cutoff."""
        return max(0, self.cutoff - self.usable)

    @property
    def staged_share(self) -> float:
        """Share of its labelled images that are staged or synthetic, 0..1."""
        return self.staged / self.labelled if self.labelled else 0.0


def class_reasons(session: Session, scope: JobScope, class_id: int) -> ClassReasons | None:
    """The reasons of one class; None where the version does not know it."""
    entry = next((each for each in scope.classes if each.class_id == class_id), None)
    if entry is None:
        return None
    waiting = ResultFilter(class_id=class_id)
    staged, labelled = _origins(session, scope, [class_id]).get(class_id, (0, 0))
    subset, confused = _confusions(session, scope, class_id)
    saved = _last_unknown(session, scope, ResultFilter(view="unknowns", state="unknown", class_id=class_id))
    return ClassReasons(
        class_id,
        entry.name,
        usable_up_to(session, scope.project_id, [class_id], cap=_CAP).get(class_id, 0),
        entry.usable,
        scope.lower_cutoff,
        staged,
        labelled,
        count_results(session, scope, waiting),
        subset,
        confused,
        saved.get(class_id),
        missing_parts(session, scope, waiting),
    )


def side_words(session: Session, scope: JobScope, wanted: ResultFilter, class_ids: Sequence[int]) -> Mapping[int, str]:
    """A line for each listed class that says why the view lists it; none where there is nothing to say."""
    if wanted.view == "low_counts":
        usable = usable_up_to(session, scope.project_id, class_ids, cap=_CAP)
        return {each: _against(usable.get(each, 0), scope.lower_cutoff) for each in class_ids}
    if wanted.view == "replace":
        origins = _origins(session, scope, class_ids)
        return {
            each: f"{staged:,} of {labelled:,} staged or synthetic ({staged / labelled:.0%})"
            for each, (staged, labelled) in origins.items()
            if labelled
        }
    if wanted.view == "look_alikes":
        return {each: f"taken for it: {', '.join(names)}" for each, names in _all_confusions(session, scope).items()}
    if wanted.view == "unknowns":
        saved = _last_unknown(session, scope, wanted)
        return {each: f"last unknown {at:%Y-%m-%d}" for each, at in saved.items()}
    return {}


def _against(usable: int, cutoff: int) -> str:
    return f"{usable:,} of {cutoff:,} usable" if usable < cutoff else f"{usable:,} usable, cutoff {cutoff:,}"


def _origins(session: Session, scope: JobScope, class_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """(staged or synthetic, all) labelled images by class, from the kept counts."""
    rows = session.execute(
        select(ImageCount.class_id, ImageCount.origin, ImageCount.images).where(
            ImageCount.project_id == scope.project_id,
            ImageCount.state == ImageState.LABELLED,
            ImageCount.class_id.in_(id_rows(session, list(class_ids))),
        )
    )
    found: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for class_id, origin, images in rows:
        found[class_id][0] += images if origin != Origin.REAL else 0
        found[class_id][1] += images
    return {class_id: (staged, labelled) for class_id, (staged, labelled) in found.items()}


def _measured(session: Session, scope: JobScope) -> tuple[str, int] | None:
    """The set that tells most about confusions, with its evaluation."""
    found = evaluations_by_subset(session, scope.version.id)
    return next(((name, found[name].id) for name in _SUBSETS if name in found), None)


def _confusions(session: Session, scope: JobScope, class_id: int) -> tuple[str, list[Confusion]]:
    measured = _measured(session, scope)
    if measured is None:
        return "", []
    cell = ConfusionCell
    rows = session.execute(
        select(cell.true_class_id, cell.predicted_class_id, cell.images).where(
            cell.evaluation_id == measured[1],
            or_(cell.true_class_id == class_id, cell.predicted_class_id == class_id),
            cell.true_class_id != cell.predicted_class_id,
        )
    )
    images: defaultdict[int, int] = defaultdict(int)
    for true_id, predicted_id, count in rows:
        images[true_id if predicted_id == class_id else predicted_id] += count
    most = sorted(images.items(), key=lambda pair: (-pair[1], pair[0]))[:_CONFUSED_WITH]
    return measured[0], [Confusion(other, _name(scope, other), count) for other, count in most]


def _name(scope: JobScope, class_id: int) -> str:
    return scope.names.get(class_id, "what it does not know")


def _all_confusions(session: Session, scope: JobScope) -> dict[int, list[str]]:
    """For each predicted class, the classes most often taken for it."""
    measured = _measured(session, scope)
    if measured is None:
        return {}
    cell = ConfusionCell
    rows = session.execute(
        select(cell.predicted_class_id, cell.true_class_id)
        .where(cell.evaluation_id == measured[1], cell.true_class_id != cell.predicted_class_id)
        .order_by(cell.images.desc(), cell.predicted_class_id, cell.true_class_id)
        .limit(_CELLS)
    )
    found: defaultdict[int, list[str]] = defaultdict(list)
    for predicted_id, true_id in rows:
        if len(found[predicted_id]) < _CONFUSED_WITH - 1:
            found[predicted_id].append(_name(scope, true_id))
    return found


def _last_unknown(session: Session, scope: JobScope, wanted: ResultFilter) -> dict[int, datetime]:
    """When one of the results was last saved as unknown, by predicted class; of those that one page's work finds."""
    walked = look(session, scope, wanted, limit=sum(STEPS))
    ids = [image_id for _, image_id in walked.places]
    rows = session.execute(
        select(Prediction.class_1, func.max(LabelEvent.at))
        .join(Image, Image.id == Prediction.image_id)
        .join(LabelEvent, LabelEvent.id == Image.last_event_id)
        .where(Prediction.job_id == scope.job_id, Prediction.image_id.in_(id_rows(session, ids)))
        .group_by(Prediction.class_1)
    )
    return {class_id: at for class_id, at in rows}  # noqa: C416 - rows are no tuples to mypy
