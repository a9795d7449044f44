"""The run that measures how much of each image the reference trunk is active in, for proposals of small subjects."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

import numpy as np
from sqlalchemy import select

from app.core.database import id_rows, insert_into, read, write
from app.core.errors import Conflict
from app.core.settings import get_settings
from app.core.texts import tr
from app.embeddings.queries import library_ids, library_size
from app.inference.activation import ActivationEngine, active_share
from app.library.curation_models import ActiveShare
from app.library.renditions import read_pixels
from app.registry.artifacts import checked_path
from app.registry.queries import reference_trunk
from app.runs.context import RunContext

KIND: Final = "embeddings.subjects"
_PAGE: Final = 256
_BATCH: Final = 16


def measure_subjects(context: RunContext) -> None:
    """The run kind `embeddings.subjects`: images that this trunk has not been asked about yet. Can be resumed.

    Raises Conflict without a reference trunk, and EngineError for one that cannot say where it is active.
    """
    with read() as session:
        trunk = reference_trunk(session, context.project_id)
        total = library_size(session, context.project_id)
    if trunk is None:
        raise Conflict(tr("this project has no reference trunk yet; it gets one with its first pretrained version"))
    path = checked_path(trunk.exported_file, trunk.exported_digest)
    engine = ActivationEngine(path, threads=get_settings().inference_threads or None)
    done = measured = 0
    for page in _pages(context.project_id):
        with read() as session:
            query = select(ActiveShare.image_id).where(
                ActiveShare.image_id.in_(id_rows(session, page)), ActiveShare.trunk_id == trunk.id
            )
            known = set(session.scalars(query))
        missing = [image_id for image_id in page if image_id not in known]
        shares = dict(_shares(engine, missing))
        _store(context.project_id, trunk.id, shares)
        done, measured = done + len(page), measured + len(shares)
        context.progress(done, total, "Measuring")
    with write() as session:
        context.complete(session, {"images": done, "measured": measured})


def _pages(project_id: int) -> Iterator[list[int]]:
    ids = library_ids(project_id)
    while page := list(islice(ids, _PAGE)):
        yield page


def _shares(engine: ActivationEngine, image_ids: list[int]) -> Iterator[tuple[int, float]]:
    pixels = read_pixels(image_ids, engine.input_size)
    while batch := list(islice(pixels, _BATCH)):
        shares = active_share(engine.energy(np.stack([image for _, image in batch])))
        yield from zip((image_id for image_id, _ in batch), shares.tolist(), strict=True)


def _store(project_id: int, trunk_id: int, shares: dict[int, float]) -> None:
    """What another trunk measured is replaced; what a person settled stays settled."""
    rows = [
        {"image_id": image_id, "project_id": project_id, "trunk_id": trunk_id, "share": share, "is_settled": False}
        for image_id, share in sorted(shares.items())
    ]
    if not rows:
        return
    with write() as session:
        statement = insert_into(session, ActiveShare)
        replaced = {name: statement.excluded[name] for name in ("trunk_id", "share")}
        session.connection().execute(statement.on_conflict_do_update(index_elements=["image_id"], set_=replaced), rows)
