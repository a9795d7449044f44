"""Labelling by pages of look-alikes: the page, the next one as JSON, the answer to one."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse, Response

from app.core.database import read, write
from app.core.errors import NotFound
from app.core.texts import tr
from app.labelling import key_bindings, own_day, quality_checks, queries, queue, screen_words
from app.labelling.lookalike_schemas import PageAnswer, PageRequest, ProposedSection, View
from app.labelling.lookalikes import accept_page, next_candidates, proposed_sections
from app.labelling.models import LabelClass
from app.labelling.screen_pages import day_began
from app.library.models import CaptureGroup, Image
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import render

router = APIRouter()
Labeller = Annotated[Access, Depends(require("labeller"))]
Key = Annotated[int | None, Query(ge=1, le=2**62)]
Cluster = Annotated[int | None, Query(ge=0, le=10**6)]
_KEYS: Final = ("find", "unknown", "none", "not_good", "skip", "undo")


@router.get("/label/grid")
def lookalikes_page(
    request: Request,
    access: Labeller,
    *,
    class_id: Key = None,
    cluster: Cluster = None,
    capture: Key = None,
    like: Key = None,
    one: bool = False,
) -> Response:
    """Label pages of look-alikes: among all that waits, a predicted class, a cluster, a capture group, an image's like.

    `one` shows one class at a time.
    """
    targets = {"class": class_id, "cluster": cluster, "capture": capture, "like": like}
    view = next((View(kind=kind, target=at) for kind, at in targets.items() if at is not None), View())
    with read() as session:
        context: dict[str, Any] = {
            "among": _among(session, access.project.id, view),
            "waiting": quality_checks.waiting(session, access.project.id),
            "keys": {each.name: each.key for each in key_bindings.commands_of(session, access.user_id)},
        }
    context |= {"view": view, "one_class": one, "cap": queue.WAITING_CAP, "reasons": screen_words.reason_words()}
    return render(request, "labelling/lookalikes.html", active="label", user_id=access.user_id, **context)


@router.post("/label/grid/next")
def next_page(access: Labeller, sent: PageRequest) -> Response:
    """The next page of look-alikes, leased to the labeller."""
    who = {"project_id": access.project.id, "user_id": access.user_id}
    with read() as session:
        candidates = next_candidates(session, sent, **who)
    wanted = [image_id for one in candidates for image_id, _ in one.images]
    with write() as session:
        held = queue.hold(session, **who, image_ids=wanted, have=sent.have)
    with read() as session:
        sections, suggested = proposed_sections(session, candidates, held, project_id=access.project.id)
        body: dict[str, Any] = {
            "sections": [_section_as_json(access.project.slug, section) for section in sections],
            "version_id": suggested.version_id,
            "waiting": quality_checks.waiting(session, access.project.id),
            "today": own_day.labelled_since(session, since=day_began(sent.since), **who),
        }
    return JSONResponse(body)


@router.post("/label/grid/accept")
def accept(access: Labeller, sent: PageAnswer) -> Response:
    """Label what stays on a page as one action; what was taken out comes back under another class."""
    with write() as session:
        result = accept_page(session, sent, project_id=access.project.id, user_id=access.user_id)
    with read() as session:
        versions = queries.versions_after(session, result.action_id)
    return JSONResponse(
        {
            "action_id": result.action_id,
            "changed": result.changed,
            "skipped": [{name: getattr(row, name) for name in row.__slots__} for row in result.skipped],
            "skipped_count": result.skipped_count,
            "versions": versions,
        }
    )


def _section_as_json(slug: str, section: ProposedSection) -> dict[str, Any]:
    return {
        "class_id": section.class_id,
        "name": section.class_name,
        "images": [
            {
                "id": one.image.id,
                "version": one.image.label_version,
                "name": one.image.file_name,
                "picture": f"/projects/{slug}/images/{one.image.id}/thumbnail?r={one.image.rotation}",
                "sure": round(one.sure, 4),
                "version_confidence": one.version_confidence,
            }
            for one in section.images
        ],
    }


def _among(session: Session, project_id: int, view: View) -> str | None:
    """The view in words; None for all. Raises NotFound where it names what this project has not."""
    if view.kind == "all" or view.target is None:
        return None
    if view.kind == "cluster":
        return tr("Cluster %(number)s", number=view.target)
    table = {"class": LabelClass, "capture": CaptureGroup, "like": Image}[view.kind]
    found: Any = session.get(table, view.target)
    if found is None or found.project_id != project_id:
        raise NotFound(tr("this project has none of that number"))
    if isinstance(found, Image):
        return tr("What looks like %(name)s", name=found.file_name)
    return tr("Predicted %(name)s", name=found.name) if isinstance(found, LabelClass) else str(found.key)
