"""How fast one worker identifies on this installation, as its chunks show: what an estimate rests on."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import insert_into
from app.identification.chunk_models import Chunk, IdentificationRate

EMBEDDING: Final = "embedding"
SCORING: Final = "scoring"
FEWEST_IMAGES: Final = 64
_STEPS: Final[dict[str, ColumnElement[bool]]] = {
    EMBEDDING: Chunk.embedded * 10 >= Chunk.scored * 9,
    SCORING: Chunk.embedded == 0,
}


def keep_rates(session: Session, run_id: int, trunk_id: int) -> None:
    """Keep what the run's finished chunks say of the trunk's rates; chunks that mix both steps say nothing."""
    rows = []
    for step, is_step in _STEPS.items():
        is_shown = (Chunk.run_id == run_id, Chunk.done_at.is_not(None), Chunk.scored > 0, is_step)
        images, seconds = session.execute(
            select(func.coalesce(func.sum(Chunk.scored), 0), func.coalesce(func.sum(Chunk.seconds), 0.0)).where(
                *is_shown
            )
        ).one()
        if images >= FEWEST_IMAGES and seconds > 0:
            rows.append(
                {
                    "trunk_id": trunk_id,
                    "step": step,
                    "images_per_s": int(images) / float(seconds),
                    "images": int(images),
                }
            )
    if rows:
        statement = insert_into(session, IdentificationRate)
        fresh = {name: statement.excluded[name] for name in ("images_per_s", "images", "measured_at")}
        session.connection().execute(
            statement.on_conflict_do_update(index_elements=["trunk_id", "step"], set_=fresh),
            [{**row, "measured_at": now()} for row in rows],
        )


def rate_of(session: Session, trunk_id: int, step: str) -> float | None:
    """Images per second of one worker, as the newest job on the trunk showed."""
    row = session.get(IdentificationRate, (trunk_id, step))
    return row.images_per_s if row else None


def usual_scoring_rate(session: Session) -> float | None:
    """Images per second whose embedding is at hand, by whatever trunk was last seen at it."""
    query = select(IdentificationRate.images_per_s).where(IdentificationRate.step == SCORING)
    return session.scalar(query.order_by(IdentificationRate.measured_at.desc()).limit(1))
