"""Filters over images: fields of a closed list with their values, read from and written to the address of a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, TypeVar
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import ColumnElement, Select

from app.core.errors import InvalidInput
from app.core.texts import tr
from app.library import fields as library
from app.library.grammar import MOST_VALUES, Field, Value, Values, declare, field_named, fields, written
from app.library.models import Image

AnySelect = TypeVar("AnySelect", bound=Select[Any])
declare(library.FIELDS, library.FAMILIES)


class ImageFilter:
    """Which images to show. Fields that are set are combined by "and", several values of one by "or".

    Without a state, removed and quarantined images are left out; "any" takes all. `batch_id` takes what arrived in an
    import, known bytes included; `conflict` what carries another label than it arrived with or than its duplicates.
    A field is an attribute: None where it is not set, its value, or a tuple where it has several.
    """

    __slots__ = ("_values",)
    _values: dict[str, Values]

    def __init__(self, **values: Any) -> None:
        """Fields by name; None leaves one unset. Raises InvalidInput for an unknown field or a value off its list."""
        given = {
            name: [written(each) for each in (value if isinstance(value, (list, tuple, set, frozenset)) else [value])]
            for name, value in values.items()
            if value is not None
        }
        unknown = sorted(name for name in given if field_named(name) is None)
        if unknown:
            raise InvalidInput(tr("there is no filter by %(names)s", names=", ".join(unknown)[:200]))
        self._values = _parsed(given)

    @classmethod
    def from_query(cls, query: Mapping[str, str] | Iterable[tuple[str, str]] | str) -> Self:
        """The filter in an address's query; other parameters and empty values are passed over. Raises InvalidInput.

        Several values stand as `class_id=1&class_id=2` or `class_id=1,2`.
        """
        given: dict[str, list[str]] = {}
        for name, value in _pairs(query):
            field = field_named(name)
            if field is None or not value.strip():
                continue
            if field.many:
                given.setdefault(name, []).extend(part.strip() for part in value.split(",") if part.strip())
            else:
                given[name] = [value]
        return cls._of(_parsed(given))

    @classmethod
    def stored(cls, query: str) -> Self:
        """The filter of a text that `query_string` gave once. Raises InvalidInput where a field of it is gone.

        Passing over what is unknown would match more than was meant.
        """
        unknown = sorted({name for name, _ in parse_qsl(query) if field_named(name) is None})
        if unknown:
            raise InvalidInput(tr("there is no filter by %(names)s", names=", ".join(unknown)[:200]))
        return cls.from_query(query)

    def to_query(self) -> dict[str, str]:
        """The query parameters that give this filter again."""
        return {name: ",".join(map(written, values)) for name, values in self._values.items()}

    def address(self, path: str, **more: object) -> str:
        """`path` with this filter and more parameters; those that are None are left out."""
        query = self.to_query() | {name: str(value) for name, value in more.items() if value is not None}
        return f"{path}?{urlencode(query)}" if query else path

    def query_string(self) -> str:
        """The same filter as one text, equal for equal filters: what is stored of a filter."""
        return urlencode(sorted(self.to_query().items()))

    def without(self, *names: str) -> Self:
        """The filter with some fields unset."""
        return self._of({name: values for name, values in self._values.items() if name not in names})

    def less(self, name: str, value: Value) -> Self:
        """The filter without one of a field's values."""
        left = tuple(each for each in self.values(name) if each != value)
        return self._of({**self._values, name: left}) if left else self.without(name)

    @classmethod
    def _of(cls, values: dict[str, Values]) -> Self:
        made = cls()
        made._values = values
        return made

    def chosen(self) -> Iterator[tuple[Field, Values]]:
        """The fields that are set, with their values."""
        for name, values in self._values.items():
            field = field_named(name)
            if field is not None:
                yield field, values

    def values(self, name: str) -> Values:
        """The values of one field; none where it is not set."""
        return self._values.get(name, ())

    def has_own(self) -> bool:
        """Whether a field is set that only this project has: a metadata column."""
        listed = {field.name for field in fields()}
        return any(name not in listed for name in self._values)

    def apply(self, query: AnySelect) -> AnySelect:
        """The query, of images of one project, with the filter's conditions."""
        return query.where(*self.conditions())

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions, over Image."""
        shown = [] if "state" in self._values else [Image.state.not_in(library.HIDDEN)]
        return [*shown, *(field.condition(values) for field, values in self.chosen())]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or field_named(name) is None:
            raise AttributeError(name)
        values = self._values.get(name, ())
        return values if len(values) > 1 else (values[0] if values else None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImageFilter) and self._values == other._values

    def __hash__(self) -> int:
        return hash(self.query_string())

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"ImageFilter({self.query_string()!r})"


def _pairs(query: Mapping[str, str] | Iterable[tuple[str, str]] | str) -> Iterable[tuple[str, str]]:
    if isinstance(query, str):
        return parse_qsl(query)
    if hasattr(query, "multi_items"):
        pairs: list[tuple[str, str]] = query.multi_items()
        return pairs
    return query.items() if isinstance(query, Mapping) else query


def _parsed(given: Mapping[str, list[str]]) -> dict[str, Values]:
    """Values of known fields, in the order of the list; each once, and in an order of their own."""
    values: dict[str, Values] = {}
    faults = []
    for name, texts in given.items():
        field = field_named(name)
        if field is None:
            continue
        try:
            if len(texts) > (MOST_VALUES if field.many else 1):
                raise ValueError("too many values")
            values[name] = tuple(sorted({field.parse(text) for text in texts}))
        except ValueError:
            faults.append(name)
    if faults:
        names = ", ".join(sorted(faults))
        raise InvalidInput(tr("these filters have values that are not allowed: %(names)s", names=names))
    order = {field.name: place for place, field in enumerate(fields())}
    listed = sorted(values, key=lambda name: (order.get(name, len(order)), name))
    return {name: values[name] for name in listed if values[name]}
