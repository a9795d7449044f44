"""The work of an import run: the library's, with what formats and labelling add to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from app.exchange.carrying import carry
from app.exchange.reading import labels_of, list_source, open_plan
from app.exchange.schemas import FormatPlan
from app.identification.service import request_after_import
from app.labelling.service import label_imported
from app.library.importing import import_files
from app.library.listing import Source
from app.library.models import ImportBatch
from app.library.reading import Labels
from app.library.schemas import ImportRequest, LabelRow
from app.runs.context import RunContext


def run_import(context: RunContext) -> None:
    """Do an import run; labels are given in the transaction that takes the images in."""
    told = _Told()
    import_files(
        context, open_labels=told.open, label_imported=_label, taken=told.carry, followed_by=request_after_import
    )


class _Told:
    """The plan of an import's format, asked for labels as files are read and for the rest once they are images."""

    def __init__(self) -> None:
        self._plan: FormatPlan | None = None

    def open(self, request: ImportRequest, source: Source) -> Labels:
        """How the files get their labels. Raises InvalidInput."""
        _, self._plan = open_plan(request, list_source(source).entries)
        return labels_of(request, self._plan)

    def carry(self, session: Session, batch: ImportBatch, ids: Mapping[str, int], added: frozenset[int]) -> None:
        """Give new images what the format says beside the label."""
        if self._plan is not None:
            told = {image_id: self._plan.planned(name) for name, image_id in ids.items() if image_id in added}
            carry(session, batch, told)


def _label(session: Session, batch: ImportBatch, rows: Sequence[LabelRow]) -> None:
    label_imported(session, batch.project_id, batch.created_by, rows, batch_id=batch.id, batch_name=batch.name)
