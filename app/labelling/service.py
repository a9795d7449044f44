"""Labelling's acts: label, judge, set aside, remove, restore, turn, undo; each one action, each undoable as one.

All functions take a write session. Classes are in classes.py, the queue in queue.py, conflicts in conflicts.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import BigInteger, ColumnElement, case, cast, exists, null, select
from sqlalchemy.orm import Session, aliased

from app.core.errors import Forbidden, InvalidInput, NotFound
from app.core.texts import tr
from app.labelling.actions import Heading, earlier_result, label_text, perform
from app.labelling.classes import class_in_use, ensure_class, sub_class_of
from app.labelling.events import Staged, Step, Targets, constant
from app.labelling.imported import label_imported
from app.labelling.models import LabelEvent
from app.labelling.schemas import (
    MAX_IMAGES,
    UNSET,
    Act,
    ActionResult,
    Change,
    LabelRequest,
    Unset,
)
from app.labelling.undo import action_of_key, undo
from app.library.models import NOT_GOOD_REASONS, Image, ImageState
from app.library.selection import resolve
from app.registry.models import ModelVersion

__all__ = [
    "act_on",
    "action_of_key",
    "apply_labels",
    "apply_one_label_to",
    "ensure_class",
    "label_imported",
    "undo",
]

REMOVE_AT_ONCE = 20
"""As many as one has looked at one by one; removing more is mass removal, which is for engineers."""

_STATES = {
    Act.UNKNOWN: ImageState.UNKNOWN,
    Act.NONE: ImageState.NONE,
    Act.POOL: ImageState.POOL,
    Act.REMOVE: ImageState.REMOVED,
}
_SUMMARIES = {
    Act.UNKNOWN: "Set aside as unknown",
    Act.NONE: "Shows none of the classes",
    Act.POOL: "Back to the pool",
    Act.REMOVE: "Removed",
    Act.RESTORE: "Restored",
    Act.ROTATE: "Turned by 90°",
    Act.GOOD: "Judged good",
    Act.SMALL_SUBJECT: "Marked as a small subject",
    Act.NOT_SMALL_SUBJECT: "Marked as large enough a subject",
}


def apply_labels(
    session: Session,
    *,
    project_id: int,
    user_id: int | None,
    how: str,
    changes: Sequence[Change],
    kind: str,
    summary: str,
    request_key: str | None = None,
) -> ActionResult:
    """Several changes as one action, each image once. A stale or forbidden change is skipped and reported.

    Raises InvalidInput where a change contradicts itself or names a class that is archived or not of this project.
    """
    heading = Heading(project_id, user_id, kind, summary, request_key)
    return perform(session, heading, how=how, steps=steps_of(session, project_id, changes))


def steps_of(
    session: Session, project_id: int, changes: Sequence[Change], *, conditions: Sequence[ColumnElement[bool]] = ()
) -> list[Step]:
    """Changes as the steps of an act, those alike in one. `conditions` over Image leave some as they are.

    Raises as `apply_labels` does.
    """
    _require_each_once([change.image_id for change in changes])
    groups: dict[Change, list[Staged]] = {}
    for change in changes:
        shape = replace(change, image_id=0, expected_version=None, suggestion_confidence=None)
        row = Staged(change.image_id, change.expected_version, change.suggestion_confidence)
        groups.setdefault(shape, []).append(row)
    steps = []
    for shape, staged in sorted(groups.items(), key=lambda group: _class_order(group[0])):
        _require_version_of(session, project_id, shape.suggested_by_version_id)
        targets = _targets_of(session, project_id, shape)
        version_id = shape.suggested_by_version_id
        steps.append(Step(targets, staged, suggested_by_version_id=version_id, conditions=conditions))
    return steps


def _class_order(shape: Change) -> int:
    """Classes are locked in the order of their ids, so that two acts never wait for each other."""
    return shape.class_id if isinstance(shape.class_id, int) else 0


def apply_one_label_to(
    session: Session,
    *,
    project_id: int,
    user_id: int | None,
    image_ids: Sequence[int],
    class_id: int,
    sub_class_id: int | Unset | None = UNSET,
    how: str = "bulk",
    kind: str = "label",
    summary: str | None = None,
    expected_versions: Mapping[int, int] | None = None,
    suggested_by_version_id: int | None = None,
    confidences: Mapping[int, float] | None = None,
    request_key: str | None = None,
    conditions: Sequence[ColumnElement[bool]] = (),
) -> ActionResult:
    """One label for many images (up to 10,000) as one action. `conditions` over Image leave some as they are."""
    _require_each_once(image_ids)
    _require_version_of(session, project_id, suggested_by_version_id)
    staged = _staged(image_ids, expected_versions or {}, confidences or {})
    step = Step(
        _label_targets(session, project_id, class_id, sub_class_id),
        staged,
        suggested_by_version_id=suggested_by_version_id,
        conditions=conditions,
    )
    words = summary or f"Labelled {_label_words(session, project_id, class_id, sub_class_id)}"
    heading = Heading(project_id, user_id, kind, words, request_key)
    return perform(session, heading, how=how, steps=[step])


def act_on(
    session: Session,
    request: LabelRequest,
    *,
    project_id: int,
    user_id: int,
    may_remove_many: bool,
    image_ids: Sequence[int] | None = None,
) -> ActionResult:
    """Do what a page or script asks. `image_ids` is what its selection means, where that was looked up before.

    Raises Forbidden where more than REMOVE_AT_ONCE images are to be removed by somebody who may not, and InvalidInput,
    NotFound or Conflict for classes and selections as `apply_labels` and `resolve` do.
    """
    heading = Heading(project_id, user_id, request.act.value, "", request.request_key)
    if (earlier := earlier_result(session, heading)) is not None:
        return earlier
    if image_ids is None:
        image_ids = chosen_ids(session, request, project_id=project_id)
    if not image_ids:
        raise InvalidInput(tr("no image matches this selection now"))
    if request.act is Act.REMOVE and len(image_ids) > REMOVE_AT_ONCE and not may_remove_many:
        raise Forbidden(
            tr(
                "removing more than %(most)s images at once needs the role engineer; received %(received)s",
                most=REMOVE_AT_ONCE,
                received=f"{len(image_ids):,}",
            )
        )
    heading = replace(heading, summary=summary_of(session, request, project_id=project_id))
    step = step_of(session, request, image_ids, project_id=project_id, user_id=user_id)
    return perform(session, heading, how=request.how, steps=[step])


def step_of(
    session: Session, request: LabelRequest, image_ids: Sequence[int], *, project_id: int, user_id: int | None
) -> Step:
    """What a request makes of some images. Raises as `act_on` does for classes and versions."""
    unseen, used = _unseen(request, user_id), request.suggestion
    _require_version_of(session, project_id, used.version_id if used else None)
    if request.class_id is not None:
        targets = _label_targets(session, project_id, request.class_id, _sub_class_of(request))
    else:
        targets = _targets_of_act(request)
    return Step(
        targets,
        _staged(image_ids, request.versions, used.confidences if used else {}),
        suggested_by_version_id=used.version_id if used else None,
        restores=request.act is Act.RESTORE,
        conditions=unseen,
    )


def chosen_ids(session: Session, request: LabelRequest, *, project_id: int) -> list[int]:
    """The images that a request means, each once."""
    if request.selection is not None:
        return resolve(session, project_id, request.selection, MAX_IMAGES)
    return list(dict.fromkeys(request.image_ids or []))


def summary_of(session: Session, request: LabelRequest, *, project_id: int) -> str:
    """What the history calls an act. Raises NotFound or InvalidInput for a class that is none or not in use."""
    if request.class_id is not None:
        return f"Labelled {_label_words(session, project_id, request.class_id, _sub_class_of(request))}"
    return _SUMMARIES.get(request.act) or f"Judged not good: {(request.reason or '').replace('_', ' ')}"


def _sub_class_of(request: LabelRequest) -> int | Unset | None:
    return request.sub_class_id if "sub_class_id" in request.model_fields_set else UNSET


def _unseen(request: LabelRequest, user_id: int | None) -> Sequence[ColumnElement[bool]]:
    """A filter's images were not all on the page: what somebody else changed since it was made stays as it is."""
    if request.selection is None or request.selection.seen_at is None:
        return ()
    last = aliased(LabelEvent)
    changed = exists().where(
        last.id == Image.last_event_id,
        last.at > request.selection.seen_at,
        last.user_id.is_distinct_from(user_id),
    )
    return (~changed,)


def _targets_of_act(request: LabelRequest) -> Targets:
    if request.act in _STATES:
        return _state_targets(_STATES[request.act])
    if request.act is Act.ROTATE:
        return {"rotation": (Image.rotation + 90) % 360}
    if request.act is Act.RESTORE:
        before = case((LabelEvent.id.is_(None), ImageState.POOL.value), else_=LabelEvent.from_state)
        return {"state": before, "class_id": LabelEvent.from_class_id, "sub_class_id": LabelEvent.from_sub_class_id}
    if request.act in (Act.SMALL_SUBJECT, Act.NOT_SMALL_SUBJECT):
        return {"is_small_subject": constant("is_small_subject", request.act is Act.SMALL_SUBJECT)}
    return {"quality": constant("quality", request.reason or "good")}


def _targets_of(session: Session, project_id: int, shape: Change) -> Targets:
    state = shape.to_state
    if isinstance(shape.class_id, int):
        if state not in {UNSET, ImageState.LABELLED}:
            raise InvalidInput(f"only the state 'labelled' has a class; received {state!r} with class {shape.class_id}")
        label = _label_targets(session, project_id, shape.class_id, shape.sub_class_id)
        return {**label, **_judged(shape)}
    if state is UNSET:
        if shape.class_id is None or shape.sub_class_id is not UNSET:
            raise InvalidInput("a change of class or sub-class names the class, or a state without one")
        return _judged(shape)
    if state == ImageState.LABELLED or state not in set(ImageState) - {ImageState.QUARANTINED}:
        raise InvalidInput(f"state {state!r} needs a class, or is none that a person gives")
    return {**_state_targets(ImageState(state)), **_judged(shape)}


def _judged(shape: Change) -> Targets:
    targets = {}
    if shape.quality is not UNSET:
        if shape.quality not in {None, "good", *NOT_GOOD_REASONS}:
            raise InvalidInput(f"quality is 'good' or a reason for not good; received {shape.quality!r}")
        targets["quality"] = constant("quality", shape.quality)
    if shape.rotation is not UNSET:
        if shape.rotation not in {0, 90, 180, 270}:
            raise InvalidInput(f"rotation is 0, 90, 180 or 270 degrees; received {shape.rotation!r}")
        targets["rotation"] = constant("rotation", shape.rotation)
    if shape.is_small_subject is not UNSET:
        targets["is_small_subject"] = constant("is_small_subject", shape.is_small_subject)
    return targets


def _state_targets(state: ImageState) -> Targets:
    return {
        "state": constant("state", state.value),
        "class_id": constant("class_id", None),
        "sub_class_id": constant("sub_class_id", None),
    }


def _label_targets(session: Session, project_id: int, class_id: int, sub_class_id: int | Unset | None) -> Targets:
    class_in_use(session, project_id=project_id, class_id=class_id)
    if isinstance(sub_class_id, int):
        sub_class_of(session, class_id=class_id, sub_class_id=sub_class_id)
    kept = case((Image.class_id == class_id, Image.sub_class_id), else_=cast(null(), BigInteger))
    return {
        "state": constant("state", ImageState.LABELLED.value),
        "class_id": constant("class_id", class_id),
        "sub_class_id": kept if sub_class_id is UNSET else constant("sub_class_id", sub_class_id),
    }


def _label_words(session: Session, project_id: int, class_id: int, sub_class_id: int | Unset | None) -> str:
    name = class_in_use(session, project_id=project_id, class_id=class_id).name
    if not isinstance(sub_class_id, int):
        return name
    return label_text("labelled", name, sub_class_of(session, class_id=class_id, sub_class_id=sub_class_id).name)


def _staged(image_ids: Sequence[int], versions: Mapping[int, int], confidences: Mapping[int, float]) -> list[Staged]:
    return [Staged(image_id, versions.get(image_id), confidences.get(image_id)) for image_id in image_ids]


def _require_each_once(image_ids: Sequence[int]) -> None:
    if not 1 <= len(image_ids) <= MAX_IMAGES:
        raise InvalidInput(f"an act takes 1 to {MAX_IMAGES:,} images; received {len(image_ids):,}")
    if len(set(image_ids)) != len(image_ids):
        raise InvalidInput("an act takes each image once; received one twice")


def _require_version_of(session: Session, project_id: int, version_id: int | None) -> None:
    if version_id is None:
        return
    found = session.scalar(
        select(ModelVersion.id).where(ModelVersion.id == version_id, ModelVersion.project_id == project_id)
    )
    if found is None:
        raise NotFound(f"no model version {version_id} in this project")
