"""What images can be filtered by beyond the library's own fields: each domain's, joined once, when this is imported.

Whatever reads filters imports it: the web application, the worker, and the commands that take a view.
"""

from __future__ import annotations

from app.datasets.fields import FIELDS as DATASETS
from app.embeddings.fields import FIELDS as EMBEDDINGS
from app.identification.fields import FIELDS as IDENTIFICATION
from app.identification.stack_fields import FIELDS as STACKS
from app.labelling.fields import FIELDS as LABELLING
from app.library.grammar import declare
from app.predictions.fields import FIELDS as PREDICTIONS

declare((*LABELLING, *EMBEDDINGS, *PREDICTIONS, *DATASETS, *IDENTIFICATION, *STACKS))
