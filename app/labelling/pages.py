"""The acts that every grid and screen sends."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

from app.accounts.roles import allows
from app.core.clock import now
from app.core.database import read, write
from app.core.texts import tr
from app.labelling import (
    class_act_pages,
    class_file_pages,
    class_pages,
    history_pages,
    key_pages,
    large_acts,
    lookalike_pages,
    people_pages,
    proposal_pages,
    quality_checks,
    queries,
    review_pages,
    screen_pages,
    service,
    standard_pages,
    suggestion_pages,
    watch_pages,
)
from app.labelling.schemas import ActionResult, LabelRequest, OneImageForm, RequestKey
from app.labelling.screen_schemas import UndoRequest
from app.labelling.veil import Veil
from app.labelling.words import result_words
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.error_handlers import wants_json
from app.web.forms import parsed, refusal
from app.web.templating import redirect

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Labeller = Annotated[Access, Depends(require("labeller"))]
Reviewer = Annotated[Access, Depends(require("reviewer"))]
ActionId = Annotated[int, Path(ge=1, le=2**62)]


@router.post("/labels")
def act(access: Labeller, sent: LabelRequest) -> Response:
    """Label, judge, set aside, remove, restore or turn some images as one action."""
    veil = Veil(project_id=access.project.id, user_id=access.user_id, is_on=True)
    if not veil.is_veiled(sent):
        return _answer(access, _act(access, sent))
    return _answer(access, _act(access, veil.unveiled(sent), may_be_check=True), veil)


@router.post("/labels/many", status_code=202)
def act_on_many(request: Request, access: Reviewer, sent: LabelRequest) -> Response:
    """The same on all that match a filter, however many: a run, undone as one."""
    who: dict[str, Any] = {"project_id": access.project.id, "user_id": access.user_id}
    with write() as session:
        run_id = large_acts.request_act(
            session, seen_by_now(sent), **who, may_remove_many=allows(access.role, "engineer")
        )
    return _begun(request, access, run_id)


@router.post("/label")
def act_by_form(access: Labeller, form: FormFields) -> Response:
    """The same for one image by a plain form."""
    sent = parsed(OneImageForm, form)
    try:
        wanted = sent.request()
    except ValidationError as error:
        raise refusal(error) from error
    result = _act(access, wanted)
    return _back(f"/projects/{access.project.slug}/images/{sent.image_id}", result, "changed")


@router.post("/actions/{action_id}/undo")
def undo(
    request: Request, access: Labeller, action_id: ActionId, request_key: Annotated[RequestKey | None, Query()] = None
) -> Response:
    """Take an action back as one, for scripts (JSON) and for the history's buttons. A large one goes on as a run."""
    who: dict[str, Any] = {"project_id": access.project.id, "user_id": access.user_id}
    who["may_undo_others"] = allows(access.role, "reviewer")
    with write() as session:
        if large_acts.is_large(session, action_id):
            return _begun(request, access, large_acts.request_undo(session, action_id, **who))
        result = service.undo(session, action_id, **who, request_key=request_key)
    if wants_json(request):
        return _answer(access, result)
    return _back(f"/projects/{access.project.slug}/history", result, "changed back")


@router.post("/label/undo")
def undo_last(access: Labeller, sent: UndoRequest) -> Response:
    """Take an act of one's own back, named by the key it was sent with: it may never have arrived."""
    project_id, user_id = access.project.id, access.user_id
    with write() as session:
        action_id = sent.action_id or service.action_of_key(
            session, sent.action_key or "", project_id=project_id, user_id=user_id
        )
        if action_id is None:
            return _answer(access, ActionResult(action_id=0, changed=0))
        result = service.undo(
            session,
            action_id,
            project_id=project_id,
            user_id=user_id,
            may_undo_others=False,
            request_key=sent.request_key,
        )
        veil = Veil(project_id=project_id, user_id=user_id, is_on=quality_checks.is_on(session, project_id))
    return _answer(access, result, veil if veil.is_on else None)


def _act(access: Access, sent: LabelRequest, *, may_be_check: bool = False) -> ActionResult:
    sent = seen_by_now(sent)
    with read() as session:  # A filter may take long to answer: not while everybody else waits to write.
        image_ids = service.chosen_ids(session, sent, project_id=access.project.id)
    with write() as session:
        check = quality_checks.check_of(session, user_id=access.user_id, image_ids=image_ids) if may_be_check else None
        if check is not None:
            return quality_checks.act_on_check(session, check, sent)
        return service.act_on(
            session,
            sent,
            project_id=access.project.id,
            user_id=access.user_id,
            may_remove_many=allows(access.role, "engineer"),
            image_ids=image_ids,
        )


def seen_by_now(sent: LabelRequest) -> LabelRequest:
    """The request, its selection bound to what is here at this moment where it does not say when it was made."""
    if sent.selection is None or sent.selection.seen_at is not None:
        return sent
    return sent.model_copy(update={"selection": sent.selection.model_copy(update={"seen_at": now()})})


def _begun(request: Request, access: Access, run_id: int) -> Response:
    address = f"/projects/{access.project.slug}/runs/{run_id}"
    if not wants_json(request):
        return redirect(address, tr("This goes on in the background."), kind="info")
    return JSONResponse({"run_id": run_id, "address": address}, status_code=202)


def _back(url: str, result: ActionResult, verb: str) -> Response:
    return redirect(url, result_words(result, verb), kind="warn" if result.skipped_count else "good")


def _answer(access: Access, result: ActionResult, veil: Veil | None = None) -> Response:
    with read() as session:
        versions = queries.versions_after(session, result.action_id)
        if veil is not None:
            versions = veil.versions(versions | quality_checks.versions_of(session, result.action_id))
    skipped = [{name: getattr(row, name) for name in row.__slots__} for row in result.skipped]
    return JSONResponse(
        {
            "action_id": result.action_id,
            "changed": result.changed,
            "skipped": veil.answers(skipped) if veil is not None else skipped,
            "skipped_count": result.skipped_count,
            "versions": versions,
            "undo_url": f"/projects/{access.project.slug}/actions/{result.action_id}/undo",
        }
    )


router.include_router(screen_pages.router)
router.include_router(lookalike_pages.router)
router.include_router(key_pages.router)
router.include_router(suggestion_pages.router)
router.include_router(class_act_pages.router)
router.include_router(class_file_pages.router)
router.include_router(proposal_pages.router)
router.include_router(watch_pages.router)
router.include_router(class_pages.router)
router.include_router(standard_pages.router)
router.include_router(review_pages.router)
router.include_router(people_pages.router)
router.include_router(history_pages.router)
