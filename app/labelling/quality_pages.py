"""Proposals to mark images not good, confirmed or turned down as one act: what is turned down is judged good."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import update
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse, Response

from app.accounts.roles import allows
from app.core.database import id_rows, write
from app.core.errors import Forbidden, InvalidInput, NotFound
from app.core.texts import tr
from app.labelling.conflicts import undo_settlement
from app.labelling.schemas import Act, ActionResult, Change, Id, LabelRequest
from app.labelling.service import act_on, apply_labels
from app.labelling.words import result_words
from app.library.curation_models import ActiveShare, CurationDecision
from app.library.decisions import Memory, Settled
from app.library.fields import quality_words
from app.library.models import NOT_GOOD_REASONS
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.error_handlers import wants_json
from app.web.forms import parsed
from app.web.templating import redirect

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Labeller = Annotated[Access, Depends(require("labeller"))]
_AT_ONCE = 200
SMALL = "small_subject"


class VerdictForm(BaseModel):
    """What was shown (`id:label version`), which of it is not good, and why."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    reason: str
    shown: list[Annotated[str, Field(pattern=r"^\d{1,18}:\d{1,18}$")]] = Field(min_length=1, max_length=_AT_ONCE)
    image_ids: list[Id] = Field(default=[], max_length=_AT_ONCE)


def _versions(form: VerdictForm) -> dict[int, int]:
    """Label version by image shown. Raises InvalidInput where another image was chosen."""
    versions = {int(image_id): int(version) for image_id, _, version in (one.partition(":") for one in form.shown)}
    if not set(form.image_ids) <= versions.keys():
        raise InvalidInput(tr("an image can be judged only where it is shown"))
    return versions


def settle_quality(session: Session, form: VerdictForm, *, project_id: int, user_id: int) -> ActionResult:
    """Judge what was shown, as one act: the chosen not good for the reason, the others good.

    Raises InvalidInput for a reason there is not, and for a chosen image that was not shown.
    """
    if form.reason not in NOT_GOOD_REASONS:
        raise InvalidInput(tr("a reason is one of %(reasons)s", reasons=", ".join(NOT_GOOD_REASONS)))
    versions, chosen = _versions(form), set(form.image_ids)
    changes = [
        Change(image_id, quality=form.reason if image_id in chosen else "good", expected_version=version)
        for image_id, version in versions.items()
    ]
    words = tr(
        "%(bad)s %(reason)s, %(good)s judged good",
        bad=len(chosen),
        reason=quality_words()[form.reason],
        good=len(versions) - len(chosen),
    )
    return apply_labels(
        session,
        project_id=project_id,
        user_id=user_id,
        how="grid",
        changes=changes,
        kind="not_good",
        summary=words,
    )


def settle_subjects(session: Session, form: VerdictForm, *, project_id: int, user_id: int) -> Settled:
    """Flag the chosen as small subjects; the others are not asked about again. Raises InvalidInput."""
    versions = _versions(form)
    label_action_id = None
    if chosen := sorted(set(form.image_ids)):
        request = LabelRequest(
            image_ids=chosen,
            act=Act.SMALL_SUBJECT,
            how="grid",
            versions={image_id: versions[image_id] for image_id in chosen},
        )
        result = act_on(session, request, project_id=project_id, user_id=user_id, may_remove_many=False)
        label_action_id = result.action_id
    memory = Memory(session, project_id)
    own = ActiveShare.image_id.in_(id_rows(session, list(versions))), ActiveShare.project_id == project_id
    settled = update(ActiveShare).where(*own, ~ActiveShare.is_settled).values(is_settled=True)
    memory.subjects += session.scalars(settled.returning(ActiveShare.image_id)).all()
    words = tr("%(small)s small subjects, %(not_small)s not", small=len(chosen), not_small=len(versions) - len(chosen))
    return memory.close(kind="subjects", summary=words, user_id=user_id, label_action_id=label_action_id)


def undo_subjects(session: Session, decision_id: int, *, project_id: int, user_id: int, may_undo_others: bool) -> None:
    """Take a verdict on small subjects back, with its flags. Raises NotFound, Conflict, and Forbidden for another's."""
    decision = session.get(CurationDecision, decision_id)
    if decision is None or decision.project_id != project_id or decision.kind != "subjects":
        raise NotFound(tr("no decision %(id)s in this project", id=decision_id))
    if decision.user_id != user_id and not may_undo_others:
        raise Forbidden(tr("this act is another's; undoing it needs the role reviewer"))
    undo_settlement(session, decision_id, project_id=project_id, user_id=user_id)


@router.post("/library/quality/decisions/{decision_id}/undo")
def undo_decided(request: Request, access: Labeller, decision_id: Annotated[int, Path(ge=1, le=2**62)]) -> Response:
    """Take a verdict on small subjects back."""
    with write() as session:
        undo_subjects(
            session,
            decision_id,
            project_id=access.project.id,
            user_id=access.user_id,
            may_undo_others=allows(access.role, "reviewer"),
        )
    if wants_json(request):
        return JSONResponse({"words": tr("Taken back.")})
    return redirect(f"/projects/{access.project.slug}/library/quality?doubt=small_subject", tr("Taken back."))


@router.post("/library/quality/settle")
def settle(request: Request, access: Labeller, form: FormFields) -> Response:
    """Confirm a page of proposals, except those clicked out."""
    wanted = parsed(VerdictForm, form)
    if wanted.reason == SMALL:
        return _settle_subjects(request, access, wanted)
    with write() as session:
        result = settle_quality(session, wanted, project_id=access.project.id, user_id=access.user_id)
    words = result_words(result, tr("judged"))
    path = f"/projects/{access.project.slug}"
    if wants_json(request):
        return JSONResponse({"words": words, "undo_url": f"{path}/actions/{result.action_id}/undo"})
    return redirect(f"{path}/library/quality", words)


def _settle_subjects(request: Request, access: Access, form: VerdictForm) -> Response:
    with write() as session:
        settled = settle_subjects(session, form, project_id=access.project.id, user_id=access.user_id)
    path = f"/projects/{access.project.slug}/library/quality"
    if wants_json(request):
        return JSONResponse(
            {"words": f"{settled.summary}.", "undo_url": f"{path}/decisions/{settled.decision_id}/undo"}
        )
    return redirect(f"{path}?doubt={SMALL}", f"{settled.summary}.")
