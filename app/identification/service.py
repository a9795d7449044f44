"""Asking for an identification, and taking its predictions as labels."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.core.database import Json, write
from app.core.errors import Conflict, InvalidInput, WinnowError
from app.core.texts import tr
from app.identification.queries import merged_classes, predicted, proposed
from app.identification.schemas import AcceptRequest, IdentifyRequest, Selection
from app.identification.scope import job_scope
from app.identification.selection import forget_ids, store_ids
from app.identification.standing import KIND, request_after_import, request_standing, standing_follow_up
from app.labelling.schemas import ActionResult, Change
from app.labelling.service import apply_labels
from app.library.selection import filter_of
from app.registry.queries import get_version, production
from app.runs.service import request_run

__all__ = [
    "accept_predictions",
    "follow_up",
    "request_after_import",
    "request_chosen",
    "request_identification",
    "request_standing",
    "standing_follow_up",
]

_TITLES = {
    "pool": "the pool",
    "unknown": "the unknowns",
    "open": "pool and unknowns",
    "filter": "a filtered selection",
    "ids": "chosen images",
}


def follow_up(version_id: int | str = "$result.version_id", *, title: str = "Identify the pool") -> Json:
    """For `follow_ups` of a run whose result holds `version_id`: that version over the pool."""
    return {
        "kind": KIND,
        "title": title,
        "parameters": {"version_id": version_id, "selection": {"kind": "pool"}},
    }


def request_identification(
    session: Session,
    *,
    project_id: int,
    version_id: int | None = None,
    selection: Selection,
    user_id: int | None = None,
    follow_ups: Sequence[Json] = (),
) -> int:
    """Queue a version (None: production) over a selection; returns the run. Raises NotFound, InvalidInput, Conflict."""
    if version_id is None:
        serving = production(session, project_id)
        if serving is None:
            raise Conflict("nothing is in production yet: choose a version")
        version_id = serving.version_id
    version = get_version(session, version_id, project_id)
    if selection.kind == "filter":
        filter_of(selection.query)
    return request_run(
        session,
        project_id=project_id,
        kind=KIND,
        title=f"Identify {_TITLES[selection.kind]} by v{version.number}",
        parameters={"version_id": version.id, "selection": selection.to_parameters()},
        created_by=user_id,
        follow_ups=follow_ups,
    )


def request_from_form(session: Session, form: IdentifyRequest, *, project_id: int, user_id: int | None) -> int:
    """What the page's form asks for; see `request_identification`."""
    return request_identification(
        session, project_id=project_id, version_id=form.version_id, selection=form.selection, user_id=user_id
    )


def request_chosen(image_ids: Sequence[int], *, version_id: int | None, project_id: int, user_id: int) -> int:
    """Queue chosen images of the project; returns the run. Raises InvalidInput for none, else as the request does.

    Their ids go to a file first, so this opens its own write session.
    """
    if not image_ids:
        raise InvalidInput(tr("no image matches this selection now"))
    selection = store_ids(image_ids)
    try:
        with write() as session:
            return request_identification(
                session, project_id=project_id, version_id=version_id, selection=selection, user_id=user_id
            )
    except WinnowError:
        forget_ids(selection)
        raise


def accept_predictions(
    session: Session, request: AcceptRequest, *, job_id: int, project_id: int, user_id: int
) -> ActionResult:
    """Label each image with the class the job proposes for it: one action, one undo, version and confidence kept.

    A class that was merged since stands for the one it went into. Raises NotFound for another project's job,
    InvalidInput for images that the job did not score, or that are no candidates for the class asked for.
    """
    scope = job_scope(session, job_id, project_id)
    image_ids = list(dict.fromkeys(request.image_ids))
    if request.class_id is None:
        found = predicted(session, job_id, image_ids)
    else:
        found = proposed(session, job_id, request.class_id, image_ids)
    unknown = [image_id for image_id in image_ids if image_id not in found]
    if unknown:
        what = "scored no" if request.class_id is None else f"has no candidate for class {request.class_id} in"
        raise InvalidInput(f"this job {what} image {unknown[0]}; only what it proposes can be accepted")
    into = merged_classes(session, project_id)
    changes = [
        Change(
            image_id,
            class_id=into.get(found[image_id][0], found[image_id][0]),
            expected_version=request.versions.get(image_id),
            suggested_by_version_id=scope.version.id,
            suggestion_confidence=found[image_id][1],
        )
        for image_id in image_ids
    ]
    return apply_labels(
        session,
        project_id=project_id,
        user_id=user_id,
        how="accepted_suggestion",
        changes=changes,
        kind="accept",
        summary=f"Accepted {len(changes)} predictions of v{scope.version.number}",
        request_key=request.request_key,
    )
