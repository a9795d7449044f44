"""Form fields and query parameters into pydantic models, with refusals in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.datastructures import ImmutableMultiDict

from app.core.errors import InvalidInput

Schema = TypeVar("Schema", bound=BaseModel)

_WORDS = {
    "missing": "is needed",
    "string_too_short": "needs at least {min_length} characters",
    "string_too_long": "may have at most {max_length} characters",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "may be at most {le}",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be yes or no",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
    "extra_forbidden": "is not a field of this form",
    "too_long": "may have at most {max_length} entries",
    "too_short": "needs at least {min_length} entries",
}


def parsed(schema: type[Schema], form: Mapping[str, Any]) -> Schema:
    """`form` as `schema`.

    List fields take every value sent under their name; an empty text leaves a non-text field at its default.
    Raises InvalidInput; its `detail["fields"]` gives the words for each field.
    """
    values: dict[str, Any] = {}
    for name, field in schema.model_fields.items():
        key = field.alias or name
        if key not in form:
            continue
        if _is_list(field.annotation) and isinstance(form, ImmutableMultiDict):
            values[key] = [value for value in form.getlist(key) if value != ""]
        elif form[key] != "" or str in _kinds(field.annotation):
            values[key] = form[key]
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise refusal(error) from error


def refusal(error: ValidationError) -> InvalidInput:
    """A pydantic refusal in plain words. What was typed is not repeated: it may be a password."""
    return said_plainly(error.errors(include_input=False, include_url=False))


def said_plainly(errors: list[ErrorDetails] | list[Any]) -> InvalidInput:
    """Pydantic's error details as one InvalidInput."""
    fields: dict[str, str] = {}
    for one in errors:
        place = ".".join(str(part) for part in one["loc"] if part not in ("body", "query", "path", "header"))
        fields.setdefault(place, _words(one))
    told = [f"{_label(name)} {words}" if name else words for name, words in fields.items()]
    return InvalidInput("; ".join(told)[:1].upper() + "; ".join(told)[1:] + ".", detail={"fields": fields})


def _words(one: ErrorDetails) -> str:
    pattern = _WORDS.get(one["type"])
    if pattern:
        return pattern.format(**one.get("ctx", {}))
    return one["msg"].removeprefix("Value error, ").rstrip(".")


def _label(name: str) -> str:
    return name.replace("_", " ")


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, else the annotation itself."""
    if get_origin(annotation) in (Union, UnionType):
        return get_args(annotation)
    return (annotation,)


def _is_list(annotation: Any) -> bool:
    return any(get_origin(kind) in (list, tuple, set) for kind in _kinds(annotation))
