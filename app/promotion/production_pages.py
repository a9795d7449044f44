"""Pages that move the production pointer: the gate with its form, the history, roll back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.core.database import read, write
from app.core.errors import Conflict, Forbidden, InvalidInput, WinnowError
from app.promotion import queries, service
from app.promotion.schemas import PromoteRequest, RollBackRequest
from app.registry.queries import production, version_by_number
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.error_handlers import status_of
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
Number = Annotated[int, Path(ge=1, le=2**62)]
Key = Annotated[int | None, Query(ge=1, le=2**62)]
PAGE = 50


@router.get("/models/{number}/gate")
def gate_page(request: Request, access: Viewer, number: Number) -> Response:
    """What the gate says of a version now; who may promote finds the form below."""
    return _gate_page(request, access, number)


def _gate_page(
    request: Request, access: Access, number: int, *, refused: WinnowError | None = None, sent: Any = None
) -> Response:
    with read() as session:
        version = version_by_number(session, access.project.id, number)
        serving = production(session, access.project.id)
        judged = service.gate(session, version.id, access.project.id)
    context: dict[str, Any] = {"version": version, "serving": serving, "gate": judged, "sent": sent or {}}
    context |= {"needs_override": service.needs_override(judged, version), "refused": refused}
    status = status_of(refused) if refused else 200
    return render(request, "promotion/gate.html", http_status=status, active="models", **context)


@router.post("/models/{number}/promote")
def promote(request: Request, access: Engineer, number: Number, form: FormFields) -> Response:
    """Put a version into production; what the rules refuse is said above the form, with the gate as it is now."""
    fields = {name: form.get(name, "") for name in PromoteRequest.model_fields}
    try:
        sent = parsed(PromoteRequest, fields)
        with write() as session:
            version = version_by_number(session, access.project.id, number)
            service.promote(
                session,
                project_id=access.project.id,
                version_id=version.id,
                user_id=access.user_id,
                role=access.role,
                **sent.model_dump(),
            )
    except (Conflict, InvalidInput, Forbidden) as refused:
        return _gate_page(request, access, number, refused=refused, sent=fields)
    return redirect(f"/projects/{access.project.slug}/production", f"Version {number} is in production.")


@router.get("/production")
def production_page(request: Request, access: Viewer, before: Key = None) -> Response:
    """What serves, and every move of the pointer."""
    return _production_page(request, access, before=before)


def _production_page(
    request: Request, access: Access, *, before: int | None = None, refused: WinnowError | None = None
) -> Response:
    with read() as session:
        found = queries.deployment_lines(session, access.project.id, before=before, limit=PAGE + 1)
        back = service.previous_deployment(session, access.project.id)
        numbers = queries.numbers_of(session, [back.version_id] if back else [])
        serving = production(session, access.project.id)
    context: dict[str, Any] = {"history": found[:PAGE], "serving": serving, "refused": refused}
    context |= {"older": found[PAGE - 1].id if len(found) > PAGE else None, "is_first": before is None}
    context["back_to"] = numbers[back.version_id] if back else None
    status = status_of(refused) if refused else 200
    return render(request, "promotion/production.html", http_status=status, active="models", **context)


@router.post("/production/rollback")
def roll_back(request: Request, access: Engineer, form: FormFields) -> Response:
    """Put the version before back into production, with its thresholds."""
    try:
        sent = parsed(RollBackRequest, form)
        with write() as session:
            service.roll_back(
                session,
                project_id=access.project.id,
                user_id=access.user_id,
                role=access.role,
                **sent.model_dump(),
            )
            serving = production(session, access.project.id)
    except (Conflict, InvalidInput) as refused:
        return _production_page(request, access, refused=refused)
    number = serving.number if serving else "–"
    return redirect(f"/projects/{access.project.slug}/production", f"Version {number} is back in production.")
