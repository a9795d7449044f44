"""How numbers, times and sizes are written in every page, in the language of the page."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup

from app.core.clock import now
from app.core.texts import SOURCE, language, tr, tr_n

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_WEEK_DAYS = 7
_KIBI = 1024


def number(value: float | None, digits: int = 0) -> str:
    """12,345 or 0.873; a dash for None and for what is not finite."""
    if value is None or not math.isfinite(value):
        return "–"
    if (code := language()) == SOURCE:
        return f"{value:,.{digits}f}"
    return format_decimal(round(value, digits), format=f"#,##0{_decimals(digits)}", locale=code)


def percent(value: float | None, digits: int = 0) -> str:
    """0.873 as 87%; a dash for None."""
    if value is None or not math.isfinite(value):
        return "–"
    if (code := language()) == SOURCE:
        return f"{100 * value:.{digits}f}%"
    usual = Locale.parse(code).percent_formats[None].pattern
    return format_percent(round(value, digits + 2), format=usual.replace("##0", f"##0{_decimals(digits)}"), locale=code)


def _decimals(digits: int) -> str:
    return f".{'0' * digits}" if digits else ""


def duration(seconds: float | None) -> str:
    """4.2 s, 3 min 20 s, 2 h 5 min; a dash for None."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < _MINUTE:
        return f"{number(seconds, 1 if seconds < 10 else 0)} s"  # noqa: PLR2004 - ten seconds
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
            return f"{number(count, 0 if unit == 'B' else 1)} {unit}"
        count /= _KIBI
    return f"{number(count, 1)} TiB"


def when(at: datetime | None) -> Markup:
    """A time as "5 min ago" or a date, in a <time> element with the exact moment; a dash for None."""
    if at is None:
        return Markup("–")
    exact = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), exact, _said(now() - at, at))


def _said(age: timedelta, at: datetime) -> str:
    seconds = age.total_seconds()
    if seconds < 0 or seconds >= _WEEK_DAYS * _DAY:
        return at.strftime("%d %b %Y") if language() == SOURCE else format_date(at, locale=language())
    if seconds < _MINUTE:
        return tr("just now")
    if seconds < _HOUR:
        return tr("%(n)s min ago", n=int(seconds // _MINUTE))
    if seconds < _DAY:
        return tr("%(n)s h ago", n=int(seconds // _HOUR))
    return tr_n("%(n)s day ago", "%(n)s days ago", int(seconds // _DAY))


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
