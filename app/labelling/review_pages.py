"""Pages of second opinions: giving them, settling disagreements, asking for them, how far people agree."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import JSONResponse, Response

from app.core.database import read, write
from app.core.spreadsheet import csv_text
from app.core.texts import tr, tr_n
from app.labelling import agreement, check_figures, class_counts, proposals, review, review_asking, review_queries
from app.labelling.agreement import Agreement
from app.labelling.review_forms import AskForm, AskRequest, NextAsked, SecondAnswer, SettleForm
from app.library.selection import resolve
from app.projects.queries import get_project
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/review")
Labeller = Annotated[Access, Depends(require("labeller"))]
Reviewer = Annotated[Access, Depends(require("reviewer"))]
OpinionId = Annotated[int, Path(ge=1, le=2**62)]
Key = Annotated[int, Query(ge=0, le=2**62)]

_ON_A_PAGE: Final = 20
_CSV_COLUMNS: Final[tuple[str, ...]] = (
    *("of", "what", "pairs", "agreed", "share", "low", "high"),
    *("kappa", "kappa_low", "kappa_high"),
)


@router.get("")
def review_page(request: Request, access: Labeller) -> Response:
    """Where one gives second opinions, blind."""
    with read() as session:
        context: dict[str, Any] = {
            "waiting": review.waiting(session, access.project.id, access.user_id),
            "disagreed": review.disagreements(session, access.project.id),
            "proposed": proposals.open_proposals(session, access.project.id),
            "classes": _in_use(access),
            "percent": get_project(session, access.project.slug).review_percent,
        }
    return render(request, "labelling/review.html", active="label", here="opinions", **context)


@router.post("/next")
def next_asked(access: Labeller, sent: NextAsked) -> Response:
    """The next images to give a second opinion on, held for this person."""
    who = {"project_id": access.project.id, "user_id": access.user_id}
    with write() as session:
        found = review.next_asked(session, **who, after=sent.after, count=sent.count)
    with read() as session:
        waiting = review.waiting(session, access.project.id, access.user_id)
    base = f"/projects/{access.project.slug}/images"
    asked = [{"id": each.id, "picture": f"{base}/{each.image_id}/rendition", "turn": each.rotation} for each in found]
    return JSONResponse({"asked": asked, "waiting": waiting})


@router.post("/{opinion_id}/answer")
def answer(access: Labeller, opinion_id: OpinionId, sent: SecondAnswer) -> Response:
    """Give a second opinion; whether it agrees is not told, so that the next one is blind too."""
    who = {"project_id": access.project.id, "user_id": access.user_id}
    with write() as session:
        review.answer(session, opinion_id, sent.judgement(), **who)
    return JSONResponse({"answered": opinion_id})


@router.post("/{opinion_id}/take-back")
def take_back(access: Labeller, opinion_id: OpinionId) -> Response:
    """Take one's own second opinion back."""
    with write() as session:
        review.take_back(session, opinion_id, project_id=access.project.id, user_id=access.user_id)
    return JSONResponse({"taken_back": opinion_id})


@router.post("/ask")
def ask(access: Reviewer, sent: AskRequest) -> Response:
    """Ask for second opinions on a selection, for grids."""
    with read() as session:
        image_ids = resolve(session, access.project.id, sent.selection)
    with write() as session:
        asked = review_asking.ask(session, project_id=access.project.id, image_ids=image_ids, user_id=access.user_id)
    return JSONResponse({"chosen": len(image_ids), "asked": asked, "says": _asked_words(asked)})


@router.post("/ask-newest")
def ask_newest(access: Reviewer, form: FormFields) -> Response:
    """Ask for second opinions on the newest images that nobody reviewed."""
    sent = parsed(AskForm, form)
    with read() as session:
        found = review_queries.newest_unreviewed(session, access.project.id, class_id=sent.class_id, count=sent.count)
    with write() as session:
        asked = review_asking.ask(session, project_id=access.project.id, image_ids=found, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/review", _asked_words(asked))


@router.post("/withdraw")
def withdraw(access: Reviewer) -> Response:
    """Take back what nobody has answered yet."""
    with write() as session:
        gone = review.withdraw(session, project_id=access.project.id)
    words = tr_n("%(n)s question withdrawn.", "%(n)s questions withdrawn.", gone)
    return redirect(f"/projects/{access.project.slug}/review", words)


@router.get("/disagreements")
def disagreements_page(request: Request, access: Reviewer, after: Key = 0) -> Response:
    """What two people see differently, for a reviewer to settle."""
    with read() as session:
        found = review_queries.disagreements(session, access.project.id, after=after, limit=_ON_A_PAGE)
        total = review.disagreements(session, access.project.id)
    more = found[-1].id if len(found) == _ON_A_PAGE else None
    context: dict[str, Any] = {"found": found, "total": total, "after": after, "more": more, "classes": _in_use(access)}
    return render(request, "labelling/review_disagreements.html", active="label", here="disagreements", **context)


@router.post("/{opinion_id}/settle")
def settle(access: Reviewer, opinion_id: OpinionId, form: FormFields) -> Response:
    """Settle one disagreement."""
    sent = parsed(SettleForm, form)
    with write() as session:
        who = {"project_id": access.project.id, "user_id": access.user_id}
        review.settle(session, opinion_id, sent.judgement(), **who, version=sent.version)
    page = f"/projects/{access.project.slug}/review/disagreements"
    return redirect(page, tr("Settled; History can undo it."))


@router.get("/agreement")
def agreement_page(request: Request, access: Reviewer) -> Response:
    """How far people agree."""
    with read() as session:
        found = agreement.report(session, access.project.id)
    context: dict[str, Any] = {"report": found, "cap": agreement.LOOKED_AT}
    return render(request, "labelling/review_agreement.html", active="label", here="agreement", **context)


@router.get("/checks")
def checks_page(request: Request, access: Reviewer) -> Response:
    """How labellers do on benchmark images mixed in unseen; for reviewers only."""
    with read() as session:
        found = check_figures.figures(session, access.project.id)
        wrong = check_figures.wrong_answers(session, access.project.id)
        percent = get_project(session, access.project.slug).check_percent
    context: dict[str, Any] = {"people": found, "wrong": wrong, "percent": percent}
    return render(request, "labelling/review_checks.html", active="label", here="checks", **context)


@router.get("/agreement.csv")
def agreement_csv(access: Reviewer) -> Response:
    """The same as a file."""
    with read() as session:
        found = agreement.report(session, access.project.id)
    rows = [_CSV_COLUMNS]
    rows += [_csv_row("all", found.overall)]
    rows += [_csv_row("class", each) for each in found.by_class]
    rows += [_csv_row("people", each) for each in found.by_pair]
    headers = {"Content-Disposition": f'attachment; filename="{access.project.slug}-agreement.csv"'}
    return Response(csv_text(rows), media_type="text/csv; charset=utf-8", headers=headers)


def _csv_row(of: str, found: Agreement) -> tuple[str, ...]:
    share, kappa = found.share, found.kappa
    shares = [f"{each:.4f}" for each in (share.value, share.low, share.high)] if found.pairs else ["", "", ""]
    kappas = [f"{each:.4f}" for each in (kappa.value, kappa.low, kappa.high)] if kappa else ["", "", ""]
    return (of, found.what, str(found.pairs), str(share.hits), *shares, *kappas)


def _asked_words(asked: int) -> str:
    return tr_n(
        "A second opinion is asked for on %(n)s image.", "Second opinions are asked for on %(n)s images.", asked
    )


def _in_use(access: Access) -> list[tuple[int, str]]:
    with read() as session:
        rows = class_counts.class_rows(session, access.project.id)
    return [(row.id, row.name) for row in rows if row.archived_at is None]
