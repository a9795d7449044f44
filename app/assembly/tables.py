"""Every table of the product, imported once, so that metadata is complete for migrations and tests."""

from __future__ import annotations

from app.accounts import models as accounts
from app.core.database import Table
from app.datasets import models as datasets
from app.embeddings import models as embeddings
from app.evaluation import models as evaluation
from app.exchange import models as exchange
from app.identification import act_models as acts
from app.identification import chunk_models as chunks
from app.identification import look_models as looks
from app.labelling import models as labelling
from app.labelling import queue_models as queue
from app.labelling import watch_models as watches
from app.library import curation_models as curation
from app.library import models as library
from app.predictions import models as predictions
from app.projects import models as projects
from app.projects import notice_models as notices
from app.projects import webhook_models as webhooks
from app.promotion import models as promotion
from app.registry import engine_models as engines
from app.registry import models as registry
from app.runs import end_models as ends
from app.runs import models as runs
from app.serving import models as serving
from app.studies import models as studies
from app.training import models as training
from app.training import recipe_models as recipes

DOMAINS = (
    accounts,
    projects,
    notices,
    webhooks,
    runs,
    ends,
    registry,
    engines,
    library,
    curation,
    embeddings,
    predictions,
    labelling,
    queue,
    watches,
    datasets,
    training,
    recipes,
    studies,
    evaluation,
    acts,
    looks,
    chunks,
    serving,
    promotion,
    exchange,
)
metadata = Table.metadata
