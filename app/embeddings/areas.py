"""An area of a map as a filter: `layout:x,y;x,y;x,y`, the polygon that somebody drew round some points."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final, Self

from sqlalchemy import ColumnElement, Select, and_, case, exists, select

from app.embeddings.models import MapLayout, MapPoint
from app.library.grammar import Values
from app.library.models import Image

MOST_CORNERS: Final = 80
_LEAST_CORNERS: Final = 3
_LONGEST: Final = 2000
_SHAPE: Final = re.compile(r"([1-9][0-9]{0,17}):(.+)")
_NUMBER: Final = re.compile(r"-?[0-9]{1,2}(\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True)
class Area:
    """The inside of a polygon on a layout, by the even-odd rule."""

    layout_id: int
    corners: tuple[tuple[float, float], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """An area as it stands in an address. Raises ValueError."""
        shape = _SHAPE.fullmatch(text) if len(text) <= _LONGEST else None
        if shape is None:
            raise ValueError("a layout's number, a colon, and corners as x,y;x,y;x,y")
        corners = tuple(_corner(corner) for corner in shape[2].split(";"))
        if not _LEAST_CORNERS <= len(corners) <= MOST_CORNERS:
            raise ValueError(f"{_LEAST_CORNERS} to {MOST_CORNERS} corners")
        return cls(int(shape[1]), corners)

    def holds_point(self) -> ColumnElement[bool]:
        """Whether a map point is of this layout and lies inside, by counting the edges to its right."""
        across = [x for x, _ in self.corners]
        edges = zip(self.corners, (*self.corners[1:], self.corners[0]), strict=True)
        crossings = [_crosses(first, second) for first, second in edges if first[1] != second[1]]
        return and_(
            MapPoint.layout_id == self.layout_id,
            MapPoint.x.between(min(across), max(across)),
            sum(crossings[1:], crossings[0]) % 2 == 1 if crossings else MapPoint.x != MapPoint.x,
        )


def _corner(text: str) -> tuple[float, float]:
    x, _, y = text.partition(",")
    if not (_NUMBER.fullmatch(x) and _NUMBER.fullmatch(y)):
        raise ValueError("corners are written as x,y with at most six decimals")
    corner = float(x), float(y)
    if not all(math.isfinite(value) and -1 <= value <= 2 for value in corner):  # noqa: PLR2004 - a margin round the map
        raise ValueError("corners lie on the map, from 0 to 1")
    return corner


def _crosses(first: tuple[float, float], second: tuple[float, float]) -> ColumnElement[int]:
    (x1, y1), (x2, y2) = first, second
    slope = (x2 - x1) / (y2 - y1)
    is_right_of = MapPoint.x < slope * MapPoint.y + (x1 - slope * y1)
    return case((and_(MapPoint.y >= min(y1, y2), MapPoint.y < max(y1, y2), is_right_of), 1), else_=0)


def parse_area(text: str) -> str:
    """Checks an area; it stays written as it is. Raises ValueError."""
    Area.parse(text)
    return text


def is_in_area(values: Values) -> ColumnElement[bool]:
    """Whether an image lies inside the area."""
    return exists().where(MapPoint.image_id == Image.id, Area.parse(values[0]).holds_point())


def ids_in_area(project_id: int, values: Values) -> Select[Any]:
    """The images inside the area, if its layout is of the project."""
    area = Area.parse(values[0])
    is_own = exists().where(MapLayout.id == area.layout_id, MapLayout.project_id == project_id)
    return select(MapPoint.image_id).where(area.holds_point(), is_own)
