"""Pages of the classes: the list with counts against the cutoffs, one class, what the type-ahead gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import JSONResponse, Response

from app.core.database import read, write
from app.core.texts import tr
from app.labelling import class_counts, class_names, class_words, classes, proposals
from app.labelling.class_counts import ClassRow
from app.labelling.class_forms import ClassForm, SubClassForm
from app.labelling.class_standard import standard_of
from app.labelling.watching import is_watching
from app.library.filters import ImageFilter
from app.library.queries import page as image_page
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.error_handlers import wants_json
from app.web.forms import parsed
from app.web.templating import redirect, render

router = APIRouter(prefix="/classes")
Viewer = Annotated[Access, Depends(require("viewer"))]
Reviewer = Annotated[Access, Depends(require("reviewer"))]
ClassId = Annotated[int, Path(ge=1, le=2**62)]
Sort = Literal["name", "-name", "count", "-count", "needs", "-needs"]
Text = Annotated[str, Query(max_length=120)]
Number = Annotated[int, Query(ge=1, le=10_000)]

_ON_A_PAGE: Final = 100
_EXAMPLES: Final = 18
_ARCHIVED_SHOWN: Final = 100


@router.get("")
def classes_page(request: Request, access: Viewer, sort: Sort = "name", q: Text = "", page: Number = 1) -> Response:
    """Every class with its counts, by name, by labelled images, or by what it lacks."""
    project = access.project
    with read() as session:
        rows = class_counts.class_rows(session, project.id)
        used = [row for row in rows if row.archived_at is None]
        enough = class_counts.usable_up_to(session, project.id, [row.id for row in used], cap=project.lower_cutoff)
        together = class_counts.trained_together(used, enough)
        wanted = _sorted([row for row in used if row.is_called(q.strip().casefold())], sort, together)
        start = (page - 1) * _ON_A_PAGE
        shown = wanted[start : start + _ON_A_PAGE]
        usable = _usable_of(used, shown, access, session)
        waiting = proposals.open_proposals(session, project.id)
    archived = [row for row in rows if row.archived_at is not None and row.is_called(q.strip().casefold())]
    context: dict[str, Any] = {"rows": shown, "usable": usable, "total": len(wanted), "is_empty": not rows}
    context |= {"archived": archived[:_ARCHIVED_SHOWN], "archived_count": len(archived), "proposed": waiting}
    context |= {"short": sum(together[row.id] < project.lower_cutoff for row in wanted)}
    context |= {
        "more": start + _ON_A_PAGE < len(wanted),
        "sort": sort,
        "q": q,
        "page": page,
        "words": class_words,
        "cap": _cap(access),
    }
    return render(request, "labelling/classes.html", active="classes", **context)


def _sorted(rows: list[ClassRow], sort: Sort, usable: dict[int, int]) -> list[ClassRow]:
    if sort.endswith("count"):
        rows.sort(key=lambda row: row.labelled)
    elif sort.endswith("needs"):
        rows.sort(key=lambda row: usable[row.id])
    return rows[::-1] if sort.startswith("-") else rows


def _usable_of(used: Sequence[ClassRow], shown: Sequence[ClassRow], access: Access, session: Any) -> dict[int, int]:
    """Usable images as training sees them, of the classes on this page and of those that train with them."""
    trunks = {row.trains_as for row in shown}
    family = [row for row in used if row.trains_as in trunks]
    ids = [row.id for row in family]
    counted = class_counts.usable_up_to(session, access.project.id, ids, cap=_cap(access))
    return class_counts.trained_together(family, counted)


def _cap(access: Access) -> int:
    """How far usable images are counted: above what the cutoffs compare with."""
    return max(class_counts.USABLE_CAP, access.project.upper_cutoff + 1)


@router.get(".json")
def classes_json(access: Viewer) -> Response:
    """The classes in use, for the type-ahead."""
    with read() as session:
        rows = class_counts.class_rows(session, access.project.id)
    return JSONResponse({"classes": [class_words.class_entry(row) for row in rows if row.archived_at is None]})


@router.post("")
def make_class(request: Request, access: Reviewer, form: FormFields) -> Response:
    """A new class, by form or by script."""
    sent = parsed(ClassForm, form)
    with write() as session:
        made = classes.create_class(
            session,
            project_id=access.project.id,
            name=sent.name,
            note=sent.note,
            user_id=access.user_id,
            aliases=sent.alias_names(),
            colour=sent.colour if sent.has_colour else "",
            key=sent.key,
        )
    if wants_json(request):
        said = {"id": made.id, "name": made.name, "aliases": [], "colour": made.colour, "key": made.key}
        return JSONResponse({**said, "labelled": 0, "sub_classes": []}, status_code=201)
    words = tr("Made the class %(name)s.", name=made.name)
    return redirect(f"/projects/{access.project.slug}/classes/{made.id}", words)


@router.get("/{class_id}")
def class_page(request: Request, access: Viewer, class_id: ClassId) -> Response:
    """One class: its counts, its labelling standard, its sub-classes, its newest images."""
    with read() as session:
        classes.get_class(session, project_id=access.project.id, class_id=class_id)
        rows = class_counts.class_rows(session, access.project.id)
        shown = next(row for row in rows if row.id == class_id)
        used = [row for row in rows if row.archived_at is None]
        usable = _usable_of(used, [shown], access, session).get(class_id, 0)
        counts = class_counts.breakdown(session, access.project.id, class_id)
        examples = image_page(session, access.project.id, ImageFilter(class_id=class_id), limit=_EXAMPLES).images
        standard = standard_of(session, project_id=access.project.id, class_id=class_id)
        is_watched = is_watching(session, class_id, access.user_id)
    others = [(row.id, row.name) for row in used if row.id != class_id]
    twins = [row for row in used if row.trained_as_id == class_id]
    context: dict[str, Any] = {"shown": shown, "others": others, "examples": examples, "counts": counts}
    context |= {"usable": usable, "standard": standard, "twins": twins, "words": class_words, "cap": _cap(access)}
    context["is_watched"] = is_watched
    return render(request, "labelling/class.html", active="classes", **context)


@router.post("/{class_id}")
def change_class(access: Reviewer, class_id: ClassId, form: FormFields) -> Response:
    """Rename a class, write its labelling standard, its aliases, its colour and key."""
    sent = parsed(ClassForm, form)
    with write() as session:
        before = classes.get_class(session, project_id=access.project.id, class_id=class_id).name
        changed = classes.change_class(
            session,
            project_id=access.project.id,
            class_id=class_id,
            name=sent.name,
            note=sent.note,
            user_id=access.user_id,
            aliases=sent.alias_names() if "aliases" in form else None,
            colour=(sent.colour if sent.has_colour else "") if "colour" in form else None,
            key=sent.key if "key" in form else None,
        )
        if sent.keep_old_name and changed.name != before:
            class_names.add_alias(session, changed, before)
    return redirect(f"/projects/{access.project.slug}/classes/{class_id}", tr("Saved."))


@router.post("/{class_id}/sub-classes")
def make_sub_class(access: Reviewer, class_id: ClassId, form: FormFields) -> Response:
    """A new sub-class."""
    sent = parsed(SubClassForm, form)
    with write() as session:
        made = classes.create_sub_class(
            session, project_id=access.project.id, class_id=class_id, name=sent.name, user_id=access.user_id
        )
    words = tr("Made the sub-class %(name)s.", name=made.name)
    return redirect(f"/projects/{access.project.slug}/classes/{class_id}", words)


@router.post("/{class_id}/sub-classes/{sub_class_id}")
def rename_sub_class(access: Reviewer, class_id: ClassId, sub_class_id: ClassId, form: FormFields) -> Response:
    """Another name for a sub-class."""
    sent = parsed(SubClassForm, form)
    with write() as session:
        classes.rename_sub_class(
            session,
            project_id=access.project.id,
            class_id=class_id,
            sub_class_id=sub_class_id,
            name=sent.name,
            user_id=access.user_id,
        )
    return redirect(f"/projects/{access.project.slug}/classes/{class_id}", tr("Renamed."))
