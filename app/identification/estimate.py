"""What an identification will take, said before it starts: which images need embedding, and for how long.

Nothing here grows with the library. A filter is counted as the library counts it, up to 10,000 images; of a larger
selection, which share has embeddings is told by looking at stretches of images spread over its ids.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from app.core.database import Json
from app.core.errors import Conflict
from app.embeddings.models import Embedding
from app.identification.rates import EMBEDDING, SCORING, rate_of, usual_scoring_rate
from app.identification.schemas import Selection
from app.identification.selection import selected_images
from app.library.models import Image, ImageCount, ImageState
from app.library.queries import COUNT_CAP, count
from app.library.selection import filter_of
from app.registry.queries import get_version, production
from app.registry.schemas import VersionRef
from app.registry.speeds import inference_rate

COUNTED: Final = 20_000
STRETCHES: Final = 20
_IMAGES_PER_STRETCH: Final = 500
_STATES: Final = {
    "pool": (ImageState.POOL,),
    "unknown": (ImageState.UNKNOWN,),
    "open": (ImageState.POOL, ImageState.UNKNOWN),
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a version would have to do for a selection, by one worker.

    `images` is a lower bound unless `is_exact`; `embedded` of them have an embedding by the version's trunk, counted or
    (`is_sampled`) judged by a sample. Rates are images per second, None where nothing has measured them here; `seconds`
    is None then too. `rate_from` says what the embedding rate rests on: earlier jobs, or a measuring of the trunk.
    """

    version_number: int
    architecture: str
    input_size: int
    images: int
    is_exact: bool
    embedded: int
    is_sampled: bool
    embedding_rate: float | None
    scoring_rate: float | None
    rate_from: str | None

    @property
    def to_embed(self) -> int:
        """Images whose embedding must be computed first."""
        return self.images - self.embedded

    @property
    def seconds(self) -> float | None:
        """How long one worker will take."""
        if not self.images:
            return 0.0
        if self.to_embed and self.embedding_rate is None:
            return None
        if self.embedded and self.scoring_rate is None:
            return None
        by_embedding = self.to_embed / self.embedding_rate if self.embedding_rate else 0.0
        return by_embedding + (self.embedded / self.scoring_rate if self.scoring_rate else 0.0)

    def to_public(self) -> Json:
        """For the JSON API and the command."""
        return asdict(self) | {"to_embed": self.to_embed, "seconds": self.seconds}


def estimate(session: Session, selection: Selection, *, project_id: int, version_id: int | None) -> Estimate:
    """What a version (None: production) would have to do; within a session for reading.

    Raises NotFound, InvalidInput, and Conflict where nothing is in production.
    """
    if version_id is None:
        serving = production(session, project_id)
        if serving is None:
            raise Conflict("nothing is in production yet: choose a version")
        version_id = serving.version_id
    version = get_version(session, version_id, project_id)
    images, is_exact = _size(session, selection, project_id)
    embedded, is_sampled = _embedded(session, selection, project_id, version, images)
    trunk = version.trunk
    measured = rate_of(session, trunk.id, EMBEDDING)
    rate = measured or inference_rate(session, trunk.architecture, trunk.input_size)
    return Estimate(
        version_number=version.number,
        architecture=trunk.architecture,
        input_size=trunk.input_size,
        images=images,
        is_exact=is_exact,
        embedded=embedded,
        is_sampled=is_sampled,
        embedding_rate=rate,
        scoring_rate=rate_of(session, trunk.id, SCORING) or usual_scoring_rate(session),
        rate_from=None if rate is None else "jobs" if measured else "trunks",
    )


def _size(session: Session, selection: Selection, project_id: int) -> tuple[int, bool]:
    if selection.kind in _STATES:
        counted = select(func.coalesce(func.sum(ImageCount.images), 0))
        of_project = (ImageCount.project_id == project_id, ImageCount.state.in_(_STATES[selection.kind]))
        return int(session.scalar(counted.where(*of_project)) or 0), True
    found = count(session, project_id, filter_of(selection.query))
    return found.images, found.is_exact


def _embedded(
    session: Session, selection: Selection, project_id: int, version: VersionRef, images: int
) -> tuple[int, bool]:
    """How many of them have an embedding, and whether a sample told."""
    chosen = selected_images(selection, project_id)
    if images <= COUNTED:
        most = images if selection.kind in _STATES else COUNT_CAP
        seen, embedded = _look(session, chosen, version, most)
        return min(images, embedded), seen < images
    lowest, highest = session.execute(
        select(func.min(Image.id), func.max(Image.id)).where(Image.project_id == project_id)
    ).one()
    step = max(1, (highest - lowest) // STRETCHES)
    looks = [
        _look(session, chosen.where(Image.id >= lowest + place * step), version, _IMAGES_PER_STRETCH)
        for place in range(STRETCHES)
    ]
    seen = sum(number for number, _ in looks)
    return round(images * sum(number for _, number in looks) / seen) if seen else 0, True


def _look(session: Session, chosen: Select[int], version: VersionRef, most: int) -> tuple[int, int]:
    """(images looked at, those with an embedding) of the first `most` of a selection."""
    ids = chosen.add_columns(Image.rotation).order_by(Image.id).limit(most).subquery()
    is_same = and_(
        Embedding.trunk_id == version.trunk.id, Embedding.image_id == ids.c.id, Embedding.rotation == ids.c.rotation
    )
    query = select(func.count(), func.count(Embedding.image_id)).select_from(ids).outerjoin(Embedding, is_same)
    seen, embedded = session.execute(query).one()
    return int(seen), int(embedded)
