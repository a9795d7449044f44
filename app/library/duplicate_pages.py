"""The pages of duplicates: groups and proposals side by side, settled by keys, each act with its undo."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse, Response

from app.core.database import Json, read, write
from app.core.texts import tr, tr_n
from app.library import duplicate_queries as queries
from app.library import settling
from app.library.decisions import Settled
from app.library.duplicate_queries import Show
from app.library.near_pairs import MOST_BITS
from app.library.proposing import DEFAULT_RADIUS, KIND
from app.library.settling import Bundle
from app.library.words import Names, badges
from app.runs.service import request_one
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.error_handlers import wants_json
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Reviewer = Annotated[Access, Depends(require("reviewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]
Name = Annotated[str, Path(max_length=40)]
Key = Annotated[int | None, Query(ge=1, le=2**62)]
Id = Annotated[int, Field(ge=1, le=2**62)]

_BUNDLES: Final = 12


class SearchForm(BaseModel):
    """How near hashes are to be proposed, in bits."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    radius: int = Field(DEFAULT_RADIUS, ge=1, le=MOST_BITS)


class SplitForm(BaseModel):
    """The images that do not belong; none: no two of them show the same."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    image_ids: list[Id] = Field(default=[], max_length=10_000)


class ChooseForm(BaseModel):
    """The image that shall stand for its group."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    image_ids: list[Id] = Field(min_length=1, max_length=1)


@router.get("/library/duplicates")
def duplicates_page(request: Request, access: Viewer, show: Show = Show.OPEN, before: Key = None) -> Response:
    """Groups to settle, with conflicting labels, proposed by hash or embedding, or settled."""
    with read() as session:
        context = _listed(session, access, show, before)
    return render(request, "library/duplicates.html", active="library", most_bits=MOST_BITS, **context)


@router.get("/library/duplicates/list")
def duplicates_list(request: Request, access: Viewer, show: Show = Show.OPEN, before: Key = None) -> Response:
    """A fragment: the list itself, as it is now."""
    with read() as session:
        context = _listed(session, access, show, before)
    return render(request, "library/_bundles.html", **context)


def _listed(session: Session, access: Access, show: Show, before: int | None) -> dict[str, Any]:
    found = queries.bundle_ids(session, access.project.id, show, before=before, limit=_BUNDLES + 1)
    return {
        "bundles": queries.bundle_views(session, access.project.id, found[:_BUNDLES]),
        "older": found[_BUNDLES - 1].id if len(found) > _BUNDLES else None,
        "counts": queries.counts(session, access.project.id),
        "names": Names.of(session, access.project.id),
        "show": show.value,
        "before": before,
        "badges": badges,
        "path": f"/projects/{access.project.slug}/library/duplicates",
    }


@router.post("/library/duplicates/search")
def search(access: Engineer, form: FormFields) -> Response:
    """Look for duplicates in the whole library, in the background; what it finds is proposed."""
    wanted = parsed(SearchForm, form)
    return begun(access, KIND, tr("Search for duplicates"), {"radius": wanted.radius})


def begun(access: Access, kind: str, title: str, parameters: Json) -> Response:
    """Ask for a search of the whole library, and go where it is watched."""
    with write() as session:
        asked = {"project_id": access.project.id, "created_by": access.user_id}
        run_id = request_one(session, kind=kind, title=title, parameters=parameters, **asked)
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}", tr("This goes on in the background."))


@router.post("/library/duplicates/{bundle}/keep")
def keep(request: Request, access: Reviewer, bundle: Name) -> Response:
    """They show the same picture."""
    with write() as session:
        settled = settling.keep(session, Bundle.named(bundle), **_who(access))
    return _answer(request, access, settled)


@router.post("/library/duplicates/{bundle}/split")
def split(request: Request, access: Reviewer, bundle: Name, form: FormFields) -> Response:
    """The chosen images show something else; without any, none shows what another does."""
    chosen = parsed(SplitForm, form).image_ids
    with write() as session:
        settled = settling.split(session, Bundle.named(bundle), chosen, **_who(access))
    return _answer(request, access, settled)


@router.post("/library/duplicates/{bundle}/representative")
def representative(request: Request, access: Reviewer, bundle: Name, form: FormFields) -> Response:
    """Let the chosen image stand for its group."""
    (image_id,) = parsed(ChooseForm, form).image_ids
    with write() as session:
        settled = settling.choose(session, Bundle.named(bundle), image_id, **_who(access))
    return _answer(request, access, settled)


def _who(access: Access) -> dict[str, Any]:
    return {"project_id": access.project.id, "user_id": access.user_id}


def _answer(request: Request, access: Access, settled: Settled) -> Response:
    words = f"{settled.summary}."
    if settled.retired:
        said = ("%(n)s image is retired from measuring.", "%(n)s images are retired from measuring.")
        words += " " + tr_n(*said, settled.retired)
    path = f"/projects/{access.project.slug}/library"
    if wants_json(request):
        return JSONResponse({"words": words, "undo_url": f"{path}/decisions/{settled.decision_id}/undo"})
    return redirect(f"{path}/duplicates", words)
