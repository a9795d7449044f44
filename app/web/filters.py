"""How numbers, times and sizes are written in every page."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from markupsafe import Markup

from app.core.clock import now

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_WEEK_DAYS = 7
_KIBI = 1024


def number(value: float | None, digits: int = 0) -> str:
    """12,345 or 0.873; a dash for None and for what is not finite."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}"


def percent(value: float | None, digits: int = 0) -> str:
    """0.873 as 87%; a dash for None."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{100 * value:.{digits}f}%"


def duration(seconds: float | None) -> str:
    """4.2 s, 3 min 20 s, 2 h 5 min; a dash for None."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004 - ten seconds
    minutes, rest = divmod(round(seconds), _MINUTE)
    if minutes < _MINUTE:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def filesize(count: float | None) -> str:
    """Bytes as 3.4 MiB; a dash for None."""
    if count is None:
        return "–"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < _KIBI:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _KIBI
    return f"{count:.1f} TiB"


def when(at: datetime | None) -> Markup:
    """A time as "5 min ago" or a date, in a <time> element with the exact moment; a dash for None."""
    if at is None:
        return Markup("–")
    exact = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), exact, _said(now() - at, at))


def _said(age: timedelta, at: datetime) -> str:
    seconds = age.total_seconds()
    if seconds < 0 or seconds >= _WEEK_DAYS * _DAY:
        return at.strftime("%d %b %Y")
    if seconds < _MINUTE:
        return "just now"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min ago"
    if seconds < _DAY:
        return f"{int(seconds // _HOUR)} h ago"
    days = int(seconds // _DAY)
    return f"{days} day{'s' if days > 1 else ''} ago"


def count_of(count: int, word: str, words: str | None = None) -> str:
    """1 image, 2,054 images; `words` is the plural where it is not word + s."""
    return f"{count:,} {word if count == 1 else words or word + 's'}"


FILTERS = {
    "number": number,
    "percent": percent,
    "duration": duration,
    "filesize": filesize,
    "when": when,
    "count_of": count_of,
}
