"""Proposed classes: the form of whoever misses one, and the list where a reviewer makes, maps or refuses them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import JSONResponse, Response

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.core.texts import tr
from app.labelling import class_counts, proposals
from app.labelling.class_forms import ProposalForm, SettleProposalForm
from app.labelling.veil import Veil
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.error_handlers import wants_json
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/classes")
Labeller = Annotated[Access, Depends(require("labeller"))]
Reviewer = Annotated[Access, Depends(require("reviewer"))]
ProposalId = Annotated[int, Path(ge=1, le=2**62)]


@router.post("/propose")
def propose(request: Request, access: Labeller, form: FormFields) -> Response:
    """Propose a class, by form or by script (`name`, `note`, `image_id`)."""
    sent = parsed(ProposalForm, form)
    veil = Veil(project_id=access.project.id, user_id=access.user_id, is_on=False)
    with write() as session:
        made = proposals.propose(
            session,
            project_id=access.project.id,
            name=sent.name,
            note=sent.note,
            image_id=veil.real(sent.image_id) if sent.image_id else None,
            user_id=access.user_id,
        )
    words = tr("Proposed %(name)s; a reviewer decides.", name=made.name)
    if wants_json(request):
        return JSONResponse({"id": made.id, "name": made.name, "says": words}, status_code=201)
    return redirect(f"/projects/{access.project.slug}/classes/proposals", words)


@router.get("/proposals")
def proposals_page(request: Request, access: Labeller) -> Response:
    """What is proposed, and what became of earlier proposals."""
    with read() as session:
        waiting = proposals.proposals(session, access.project.id, is_open=True)
        settled = proposals.proposals(session, access.project.id, is_open=False, limit=30)
        rows = class_counts.class_rows(session, access.project.id)
    used = [(row.id, row.name) for row in rows if row.archived_at is None]
    context: dict[str, Any] = {"waiting": waiting, "settled": settled, "classes": used}
    return render(request, "labelling/class_proposals.html", active="classes", **context)


@router.post("/proposals/{proposal_id}")
def settle(access: Reviewer, proposal_id: ProposalId, form: FormFields) -> Response:
    """Make the class, say which known one it is, or refuse it."""
    sent = parsed(SettleProposalForm, form)
    who: dict[str, Any] = {"project_id": access.project.id, "user_id": access.user_id}
    with write() as session:
        if sent.verdict == "make":
            made = proposals.make_proposed(session, proposal_id, name=sent.name, **who)
            words = tr("Made the class %(name)s.", name=made.name)
        elif sent.verdict == "map":
            if sent.class_id is None:
                raise InvalidInput(tr("choose the class that it is"))
            known = proposals.map_proposed(
                session, proposal_id, class_id=sent.class_id, keep_as_alias=sent.keep_as_alias, **who
            )
            words = tr("It is %(name)s.", name=known.name)
        else:
            proposals.refuse_proposed(session, proposal_id, reason=sent.reason, **who)
            words = tr("Refused.")
    return redirect(f"/projects/{access.project.slug}/classes/proposals", words)
