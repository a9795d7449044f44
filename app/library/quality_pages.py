"""The page of proposals to mark images not good: a grid by reason, worst first, confirmed a page at a time."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.core.database import read
from app.core.texts import tr
from app.library.fields import quality_words
from app.library.models import NOT_GOOD_REASONS
from app.library.quality_proposals import COUNT_CAP, MEASURES, SHARES, Doubt, proposals
from app.library.words import Names
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Share = Annotated[float, Query(ge=0.01, le=5)]
Place = Annotated[str, Query(pattern=r"^(-?\d{1,12}(\.\d{1,20})?(e-?\d{1,3})?:\d{1,18})?$")]


SMALL: Final = "small_subject"


def doubt_words() -> dict[str, str]:
    """Why images may not be good, in words."""
    return {
        Doubt.BLURRED: tr("Blurred"),
        Doubt.DARK: tr("Dark"),
        Doubt.LOW_CONTRAST: tr("Low contrast"),
        Doubt.TINY: tr("Tiny"),
        Doubt.WIDE: tr("Very wide"),
        Doubt.NARROW: tr("Very narrow"),
        Doubt.SMALL_SUBJECT: tr("Small subject"),
    }


@router.get("/library/quality")
def quality_page(
    request: Request, access: Viewer, doubt: Doubt = Doubt.BLURRED, share: Share = 1.0, after: Place = ""
) -> Response:
    """Images that may not be good, by reason."""
    with read() as session:
        context = _listed(session, access, doubt, share, after)
    return render(request, "library/quality.html", active="library", **context)


@router.get("/library/quality/list")
def quality_list(
    request: Request, access: Viewer, doubt: Doubt = Doubt.BLURRED, share: Share = 1.0, after: Place = ""
) -> Response:
    """A fragment: the page of proposals as it is now."""
    with read() as session:
        context = _listed(session, access, doubt, share, after)
    return render(request, "library/_proposals.html", **context)


def _listed(session: Session, access: Access, doubt: Doubt, share: float, after: str) -> dict[str, Any]:
    value, _, image_id = after.partition(":")
    found = proposals(
        session, access.project.id, doubt, share=share, after=(float(value), int(image_id)) if after else None
    )
    path = f"/projects/{access.project.slug}/library/quality"
    words = quality_words()
    return {
        "found": found,
        "waiting": f"{found.waiting:,}" if found.waiting <= COUNT_CAP else f"{COUNT_CAP:,}+",
        "names": Names.of(session, access.project.id),
        "doubt": doubt.value,
        "doubts": doubt_words(),
        "measured": _measured_words(doubt),
        "share": f"{share:g}",
        "shares": [f"{each:g}" for each in SHARES],
        "verdict": MEASURES[doubt].verdict if doubt in MEASURES else SMALL,
        "verdicts": [(reason, words[reason]) for reason in NOT_GOOD_REASONS]
        if doubt in MEASURES
        else [(SMALL, tr("the subject is small"))],
        "after": after,
        "path": path,
    }


def _measured_words(doubt: Doubt) -> str:
    """What is measured, before its value."""
    return {
        Doubt.BLURRED: tr("sharpness"),
        Doubt.DARK: tr("brightness"),
        Doubt.LOW_CONTRAST: tr("contrast"),
        Doubt.TINY: tr("short side, px"),
        Doubt.WIDE: tr("width over height"),
        Doubt.NARROW: tr("width over height"),
        Doubt.SMALL_SUBJECT: tr("active share"),
    }[doubt]
