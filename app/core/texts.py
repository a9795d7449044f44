"""The catalogue of texts: English in the source, every other language a file `templates/locale/<language>.po`.

    tr("Nothing to undo")                             tr("%(name)s was merged", name=name)
    tr_n("%(n)s image", "%(n)s images", n)

The language is that of the request, set by `app.web.languages`; outside of one (worker, command line) it is English.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from typing import Any, Final

from babel import Locale
from babel.core import negotiate_locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from app.core.settings import ROOT

SOURCE: Final = "en"
_FOLDER: Final = ROOT / "templates" / "locale"
_current: ContextVar[str] = ContextVar("language", default=SOURCE)


@lru_cache(maxsize=1)
def languages() -> dict[str, str]:
    """Every language there is a catalogue for, by its code, with its name in itself; English first."""
    codes = [SOURCE, *sorted(path.stem for path in _FOLDER.glob("*.po"))]
    return {code: (Locale.parse(code).get_display_name(code) or code).capitalize() for code in codes}


def language() -> str:
    """The code of the language in use."""
    return _current.get()


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Use a language of `languages()` until the end of the block."""
    token = _current.set(code)
    try:
        yield
    finally:
        _current.reset(token)


def best_language(chosen: str | None, accepted: str) -> str:
    """The chosen language, else the first that a browser accepts (RFC 9110 §12.5.4), else English."""
    if chosen in languages():
        return str(chosen)
    weighed = [_weighed(part) for part in accepted[:500].split(",")]
    wanted = [code for code, weight in sorted(weighed, key=lambda each: -each[1]) if weight > 0]
    return negotiate_locale(wanted, list(languages()), sep="-") or SOURCE


def _weighed(part: str) -> tuple[str, float]:
    code, _, weight = part.strip().partition(";q=")
    try:
        return code, float(weight or 1)
    except ValueError:
        return code, 0.0


@lru_cache(maxsize=16)
def read_catalogue(code: str) -> Catalog:
    """The catalogue of a language as it stands in its file."""
    with (_FOLDER / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code, abort_invalid=True)


@lru_cache(maxsize=16)
def _translations(code: str) -> NullTranslations:
    if code == SOURCE:
        return NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, read_catalogue(code))
    compiled.seek(0)
    return GNUTranslations(compiled)


def plain(message: str) -> str:
    """A text of the catalogue, its placeholders as they are."""
    return _translations(language()).gettext(message)


def plain_n(one: str, many: str, n: int) -> str:
    """The form of a text that goes with the number `n`, its placeholders as they are."""
    return _translations(language()).ngettext(one, many, n)


def tr(message: str, **values: Any) -> str:
    """A text in the language in use, with `%(name)s` filled in from `values`."""
    return plain(message) % values if values else plain(message)


def tr_n(one: str, many: str, n: int, **values: Any) -> str:
    """The form that goes with `n`, which is also the value of `%(n)s`."""
    return plain_n(one, many, n) % {"n": n, **values}
