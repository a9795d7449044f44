"""Transactions, newest first, and the grading of served answers."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.core.database import read, write
from app.core.settings import get_settings
from app.serving import queries, service
from app.serving.schemas import GradeToUndo, NewGrade, TransactionFilter, as_transaction_id
from app.serving.words import chips, choices_of
from app.web.access import Access
from app.web.dependencies import require
from app.web.forms import parsed
from app.web.templating import render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Reviewer = Annotated[Access, Depends(require("reviewer"))]
Key = Annotated[str, Query(max_length=26)]


@router.get("/transactions")
def transactions_page(request: Request, access: Viewer, before: Key = "", after: Key = "") -> Response:
    """Every request that was answered, newest first."""
    chosen = parsed(TransactionFilter, request.query_params)
    older, newer = (as_transaction_id(key) if key else None for key in (before, after))
    with read() as session:
        shown: dict[str, Any] = {
            "page": queries.page(session, access.project.id, chosen, before=older, after=newer),
            "total": queries.count(session, access.project.id, chosen),
            "versions": queries.deployed_versions(session, access.project.id),
            "clients": queries.clients(session, access.project.id),
            "waiting": queries.waiting_for_grade(session, access.project.id),
            "address": get_settings().base_url,
        }
    path = f"/projects/{access.project.slug}/transactions"
    query = urlencode(chosen.to_query())
    shown |= {"filter": chosen, "chips": chips(chosen, path), "offers": choices_of(shown["versions"], shown["clients"])}
    return render(request, "serving/transactions.html", active="reports", path=path, query=query, **shown)


@router.get("/grade")
def grade_page(request: Request, access: Reviewer) -> Response:
    """Answers to grade, one after the other, in random order."""
    with read() as session:
        lines = queries.to_grade(session, access.project.id)
        waiting = queries.waiting_for_grade(session, access.project.id)
        newest = queries.page(session, access.project.id, TransactionFilter(), limit=1).lines
    return render(
        request, "serving/grade.html", active="reports", lines=lines, waiting=waiting, has_served=bool(newest)
    )


@router.get("/grade/more")
def more_to_grade(request: Request, access: Reviewer, after: Key) -> Response:
    """The answers after the last one that the page has."""
    with read() as session:
        lines = queries.to_grade(session, access.project.id, after=as_transaction_id(after))
    return render(request, "serving/_to_grade.html", lines=lines)


@router.post("/grades")
def grade(access: Reviewer, sent: NewGrade) -> dict[str, int]:
    """Keep a verdict."""
    with write() as session:
        grade_id = service.grade(session, project_id=access.project.id, user_id=access.user_id, **sent.model_dump())
    return {"grade_id": grade_id}


@router.post("/grades/undo")
def undo_grade(access: Reviewer, sent: GradeToUndo) -> dict[str, str]:
    """Take a verdict of one's own back."""
    with write() as session:
        transaction_id = service.undo_grade(
            session, project_id=access.project.id, grade_id=sent.grade_id, user_id=access.user_id
        )
    return {"transaction_id": transaction_id}
