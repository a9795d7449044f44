"""Every router of the application, in the order in which addresses are tried.

A domain adds its line here; nothing else includes a router. Fixed addresses (`/projects/new`) come before those with a
parameter (`/projects/{slug}`).
"""

from __future__ import annotations

from fastapi import APIRouter

from app.accounts import pages as accounts
from app.accounts import user_pages as users
from app.assembly import first_run
from app.datasets import api as datasets_api
from app.datasets import benchmark_pages as benchmarks
from app.datasets import pages as datasets
from app.datasets import snapshot_pages as snapshots
from app.embeddings import duplicate_pages as alikes
from app.embeddings import map_pages
from app.embeddings import pages as embeddings
from app.embeddings import reference_pages as references
from app.evaluation import pages as evaluation
from app.exchange import api as exchange_api
from app.exchange import export_pages as exports
from app.exchange import preview_pages as previews
from app.exchange import relabel_pages as relabelling
from app.identification import act_pages, retiring_pages
from app.identification import api as identifications_api
from app.identification import job_pages as identification_jobs
from app.identification import pages as identification
from app.identification import view_pages as result_view_pages
from app.labelling import duplicate_labels
from app.labelling import pages as labelling
from app.labelling import quality_pages as judging
from app.labelling import settlement_pages as settlements
from app.library import capture_pages as captures
from app.library import duplicate_pages as duplicates
from app.library import filter_pages as library_filters
from app.library import import_pages as imports
from app.library import media
from app.library import pages as library
from app.library import quality_pages as quality
from app.library import view_pages as views
from app.predictions import keeping_pages as kept_results
from app.predictions import pages as predictions
from app.projects import notice_pages as notices
from app.projects import pages as projects
from app.projects import webhook_pages as webhooks
from app.promotion import api as promotion_api
from app.promotion import pages as models
from app.promotion import production_pages as production
from app.registry import engine_pages as engines
from app.registry import trunk_pages as trunks
from app.reports import pages as reports
from app.runs import api as runs_api
from app.runs import pages as runs
from app.serving import api as serving_api
from app.serving import pages as serving
from app.studies import api as studies_api
from app.studies import pages as studies
from app.training import api as training_api
from app.training import (
    augmentation_pages,
    comparison_pages,
    compression_pages,
    lineage_pages,
    snapshot_runs,
    tensorboard_pages,
)
from app.training import pages as training
from app.training import recipe_api as recipes_api
from app.training import recipe_pages as recipes
from app.web import health, languages, openapi

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    openapi.router,
    languages.router,
    accounts.router,
    users.router,
    first_run.router,
    notices.router,
    projects.router,
    webhooks.router,
    library_filters.router,
    views.router,
    duplicates.router,
    captures.router,
    alikes.router,
    duplicate_labels.router,
    quality.router,
    judging.router,
    settlements.router,
    library.router,
    media.router,
    previews.router,
    imports.router,
    exports.router,
    relabelling.router,
    exchange_api.router,
    labelling.router,
    embeddings.router,
    trunks.router,
    engines.router,
    references.router,
    map_pages.router,
    predictions.router,
    kept_results.router,
    result_view_pages.router,
    identification_jobs.router,
    identification.router,
    identifications_api.router,
    act_pages.router,
    retiring_pages.router,
    datasets.router,
    snapshots.router,
    datasets_api.router,
    benchmarks.router,
    training.router,
    snapshot_runs.router,
    augmentation_pages.router,
    comparison_pages.router,
    compression_pages.router,
    compression_pages.api,
    lineage_pages.router,
    tensorboard_pages.router,
    training_api.router,
    recipes.router,
    recipes_api.router,
    studies.router,
    studies_api.router,
    runs.router,
    runs_api.router,
    evaluation.router,
    models.router,
    production.router,
    promotion_api.router,
    serving_api.router,
    serving.router,
    reports.router,
)

SERVE_ROUTERS: tuple[APIRouter, ...] = (health.router, openapi.router, serving_api.router)
