"""Forms become schemas, or a refusal that a person understands."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field
from starlette.datastructures import FormData

from app.core.errors import InvalidInput
from app.web.addresses import own_path
from app.web.forms import parsed


class Order(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=5)]
    note: str = "none"
    count: Annotated[int, Field(ge=1)] = 3
    most: int | None = None
    kind: Literal["small", "large"] = "small"
    ids: list[int] = []


def test_takes_what_was_sent_and_defaults_for_the_rest():
    order = parsed(Order, FormData([("name", "a"), ("ids", "1"), ("ids", "2"), ("csrf_token", "x")]))
    assert order == Order(name="a", ids=[1, 2])


def test_an_empty_field_keeps_the_default_unless_it_is_text():
    order = parsed(Order, FormData([("name", "a"), ("count", ""), ("most", ""), ("note", "")]))
    assert (order.count, order.most, order.note) == (3, None, "")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "needs at least 1 characters"),
        ("name", "abcdef", "may have at most 5 characters"),
        ("count", "0", "must be at least 1"),
        ("count", "many", "must be a whole number"),
        ("kind", "huge", "must be one of 'small' or 'large'"),
    ],
)
def test_says_in_plain_words_what_is_wrong_with_which_field(field: str, value: str, words: str):
    with pytest.raises(InvalidInput) as refused:
        parsed(Order, {"name": "a", field: value})
    assert refused.value.detail["fields"] == {field: words}
    assert refused.value.message == f"{field.capitalize()} {words}."


def test_a_missing_field_is_needed():
    with pytest.raises(InvalidInput, match="Name is needed"):
        parsed(Order, {})


@pytest.mark.parametrize(
    "text",
    [
        "https://elsewhere.example/",
        "//elsewhere.example",
        "/\\elsewhere.example",
        "\\\\elsewhere.example",
        "/\t/elsewhere.example",
        "/\n/elsewhere.example",
        "javascript:alert(1)",
        "elsewhere",
        "",
        " /projects",
    ],
)
def test_nobody_is_sent_on_to_another_site(text: str):
    assert own_path(text, otherwise="/projects") == "/projects"


@pytest.mark.parametrize("text", ["/", "/projects/x?state=pool&page=2", "/projects/caf%C3%A9"])
def test_paths_of_ours_are_kept(text: str):
    assert own_path(text) == text
