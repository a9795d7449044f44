"""Saved views: the list, the menu of the library, and what is done with one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.core.database import read, write
from app.core.texts import tr
from app.library import views
from app.library.filters import ImageFilter
from app.library.words import Names, in_words
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}/library/views", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Labeller = Annotated[Access, Depends(require("labeller"))]
ViewId = Annotated[int, Path(ge=1, le=2**62)]


@router.get("")
def views_page(request: Request, access: Viewer) -> Response:
    """Every view of the project; for the library's menu, as a fragment with the filter that its address has."""
    project_id = access.project.id
    with read() as session:
        saved = views.list_views(session, project_id)
        deleted = views.deleted_views(session, project_id)
    path = f"/projects/{access.project.slug}/library"
    if request.headers.get("x-fragment"):
        chosen = ImageFilter.from_query(request.query_params)
        size = request.query_params.get("size", "")
        return render(request, "library/_views_menu.html", views=saved, filter=chosen, size=size, path=path)
    filters = {view.id: ImageFilter.from_query(view.query) for view in saved}
    with read() as session:
        names = Names.of(session, project_id, *filters.values())
    said = {view_id: in_words(chosen, names) for view_id, chosen in filters.items()}
    return render(request, "library/views.html", active="library", views=saved, said=said, deleted=deleted, path=path)


@router.post("")
def save(access: Labeller, form: FormFields) -> Response:
    """Keep a filter under a name; a view of that name takes it instead of its own."""
    chosen = ImageFilter.stored(str(form.get("query", "")))
    with write() as session:
        view = views.save_view(
            session,
            project_id=access.project.id,
            name=str(form.get("name", "")),
            chosen=chosen,
            size=str(form.get("size", "")) or None,
            user_id=access.user_id,
        )
    said = tr("Saved as the view %(name)s.", name=view.name)
    return redirect(f"/projects/{access.project.slug}/library?{view.address}", said)


@router.post("/{view_id}/rename")
def rename(access: Labeller, view_id: ViewId, form: FormFields) -> Response:
    """Another name; its filter stays."""
    with write() as session:
        view = views.rename_view(session, view_id, str(form.get("name", "")), project_id=access.project.id)
    return _back(access, tr("The view is now called %(name)s.", name=view.name))


@router.post("/{view_id}/delete")
def delete(access: Labeller, view_id: ViewId) -> Response:
    """Take it from the list; it can be brought back below."""
    with write() as session:
        view = views.delete_view(session, view_id, project_id=access.project.id)
    return _back(access, tr("The view %(name)s is deleted. It can be brought back below.", name=view.name))


@router.post("/{view_id}/restore")
def restore(access: Labeller, view_id: ViewId) -> Response:
    """Bring a deleted view back."""
    with write() as session:
        view = views.restore_view(session, view_id, project_id=access.project.id)
    return _back(access, tr("The view %(name)s is back.", name=view.name))


def _back(access: Access, notice: str) -> Response:
    return redirect(f"/projects/{access.project.slug}/library/views", notice)
