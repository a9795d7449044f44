"""What the page of a job's results shows: the list or its sections, the count, the filters and what they offer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.errors import InvalidInput
from app.identification import queries
from app.identification.counting import count_results
from app.identification.fields import to_library
from app.identification.grouping import sections_page
from app.identification.result_filter import ResultFilter
from app.identification.saved import results_views
from app.identification.scope import JobScope
from app.identification.views import view_named, views_for
from app.identification.words import DIFFERENT_WORDS, DIFFERS_WORDS, GROUP_WORDS, MIX_WORDS, SORT_WORDS, UNLIKE_WORDS
from app.library.words import Names
from app.predictions.models import ScoringJob
from app.registry.models import ModelVersion
from app.runs.models import Run

_OTHERS_OFFERED = 20
_MOST_SECTIONS = 100_000


def page_context(session: Session, scope: JobScope, wanted: ResultFilter, place: Mapping[str, str]) -> dict[str, Any]:
    """Everything the page needs; `place` is where its list begins. Raises InvalidInput for a place that is none."""
    others, start = other_jobs(session, scope), _section(place.get("section", "0"))
    context: dict[str, Any] = {
        "scope": scope,
        "wanted": wanted,
        "run": queries.job_run(session, scope),
        "total": count_results(session, scope, wanted),
        "view": view_named(wanted.view),
        "views": views_for(scope),
        "names": Names.of(session, scope.project_id, wanted.library),
        "others": others,
        "versus": dict(others).get(wanted.versus or 0, ""),
        "saved": results_views(session, scope.project_id),
        "library_query": "" if wanted.like else to_library(scope.job_id, wanted).query_string(),
        "sections": None,
        "section": 0,
        "words": {
            "sort": SORT_WORDS,
            "mix": MIX_WORDS,
            "differs": DIFFERS_WORDS,
            "group": GROUP_WORDS,
            "different": DIFFERENT_WORDS,
            "unlike": UNLIKE_WORDS,
        },
    }
    if wanted.group and wanted.view != "candidates":
        context["sections"] = sections_page(session, scope, wanted, start=start)
        context["section"] = start
        context["found"] = queries.ResultPage(context["sections"].results, None, None)
    else:
        before, after = place.get("before"), place.get("after")
        context["found"] = queries.results_page(session, scope, wanted, before=before, after=after)
    return context


def _section(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > _MOST_SECTIONS:
        raise InvalidInput("a page of sections begins at a whole number", code="invalid_filter")
    return int(text)


def other_jobs(session: Session, scope: JobScope) -> list[tuple[int, str]]:
    """(job, words) of identifications by other versions, newest first: their answers can be held against these."""
    rows = session.execute(
        select(ScoringJob.id, ModelVersion.number, Run.title)
        .join(ModelVersion, ModelVersion.id == ScoringJob.version_id)
        .join(Run, Run.id == ScoringJob.run_id)
        .where(
            ScoringJob.project_id == scope.project_id,
            ScoringJob.purpose == "identification",
            ScoringJob.version_id != scope.version.id,
            ScoringJob.dropped_at.is_(None),
        )
        .order_by(ScoringJob.id.desc())
        .limit(_OTHERS_OFFERED)
    )
    return [(job_id, f"v{number}: {title}") for job_id, number, title in rows]
