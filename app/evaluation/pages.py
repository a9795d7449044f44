"""What a version got right and wrong: the confusion matrix, and the judged images behind every figure."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.core.database import read
from app.core.errors import NotFound
from app.evaluation import queries
from app.evaluation.judged import judged_page
from app.evaluation.models import Evaluation
from app.evaluation.schemas import JudgedFilter
from app.evaluation.words import chips
from app.library.class_names import class_names
from app.registry.queries import version_by_number
from app.registry.schemas import VersionRef
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import render

router = APIRouter(prefix="/projects/{slug}/models/{number}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Number = Annotated[int, Path(ge=1, le=2**62)]
Text = Annotated[str, Query(max_length=100)]
After = Annotated[str | None, Query(max_length=80)]
MOST_CELLS: Final = 40
MOST_PAIRS: Final = 200


@router.get("/confusion")
def confusion_page(request: Request, access: Viewer, number: Number, q: Text = "") -> Response:
    """What was taken for what: as a matrix for few classes, as the worst pairs for many."""
    wanted = JudgedFilter.from_query({"subset": request.query_params.get("subset", "")})
    with read() as session:
        version = version_by_number(session, access.project.id, number)
        lines = queries.subset_lines(session, version)
        evaluation = queries.get_evaluation(session, version.id, wanted.subset)
        cells = queries.confusion_cells(session, evaluation.id)
        names = queries.class_names(session, version.id)
    pairs = queries.confused_pairs(cells, names, text=q)
    context: dict[str, Any] = {"version": version, "lines": lines, "evaluation": evaluation, "names": names}
    if len(names) - 1 <= MOST_CELLS:
        context["matrix"] = queries.confusion_matrix(cells, names)
    context["tables"] = [[each for each in pairs if bool(each.true_id) is is_known] for is_known in (True, False)]
    context |= {"wanted": wanted, "q": q, "most": MOST_PAIRS}
    return render(request, "evaluation/confusion.html", active="models", **context)


@router.get("/images")
def judged_images(request: Request, access: Viewer, number: Number, after: After = None) -> Response:
    """Images of one subset with what was true and what was predicted."""
    wanted = JudgedFilter.from_query(request.query_params)
    with read() as session:
        version = version_by_number(session, access.project.id, number)
        evaluation = queries.get_evaluation(session, version.id, wanted.subset)
        other = _other(session, access.project.id, wanted)
        context: dict[str, Any] = {
            "found": judged_page(session, evaluation, wanted, other=other[1], after=after),
            "names": queries.class_names(session, version.id),
            "current": class_names(session, access.project.id),
            "other_names": queries.class_names(session, other[0].id) if other[0] else {},
            "lines": queries.subset_lines(session, version),
        }
    context |= {"version": version, "wanted": wanted, "is_first": after is None}
    context["chips"] = chips(wanted, context["names"], request.url.path)
    return render(request, "evaluation/images.html", active="models", **context)


def _other(
    session: Session, project_id: int, wanted: JudgedFilter
) -> tuple[VersionRef, Evaluation] | tuple[None, None]:
    if wanted.against is None:
        return None, None
    version = version_by_number(session, project_id, wanted.against)
    found = queries.evaluations_by_subset(session, version.id).get(wanted.subset)
    if found is None:
        raise NotFound(f"version {version.number} was not measured on {wanted.subset}")
    return version, found
