"""Filters, sorting and cursors are closed lists: no name from a request becomes a column, and none reaches a secret."""

from __future__ import annotations

import re

import pytest
from pydantic import BaseModel
from sqlalchemy import select

from app.accounts.models import User
from app.core.database import read
from app.library.models import Image
from tests.security.rules import FILTERS, PROJECT
from tests.security.world import World, build
from tests.web_client import Browser, SignInAs

TRAVERSALS = (
    "filter:images:created_by__password_hash",
    "created_by__password_hash",
    "user.password_hash",
    "user__password_hash__startswith",
    "password_hash",
    "token_hash",
    "extra__secret",
    "Image.sha256",
    "sha256",
    "project_id",
    "order_by",
    "sort_by",
    "group_by",
    "columns",
    "fields",
)
LISTS = ("library", "identify/{job_id}", "datasets/totals", "transactions", "runs", "classes", "history", "models")
CHOICES = {
    "library": ("size", "state", "origin", "quality", "split", "in_benchmark", "class_id", "before"),
    "identify/{job_id}": ("sort", "view", "state", "after", "low", "class_id", "like", "query", "versus", "section"),
    "classes": ("sort", "page"),
    "history": ("by", "before"),
    "runs": ("state", "before"),
    "transactions": ("decision", "graded", "before", "after", "version"),
    "reports": ("from", "to", "version"),
    "models": ("before",),
    "models/{number}": ("sort", "order"),
    "models/{number}/images": ("show", "outcome", "subset", "true", "after"),
    "datasets": ("lower", "before"),
}
JSON = {"Accept": "application/json"}


@pytest.fixture
def world(application: object) -> World:  # noqa: ARG001 - its installation must exist first
    """The project that is searched."""
    return build("The marsh")


@pytest.fixture
def viewer(world: World, sign_in_as: SignInAs) -> Browser:  # noqa: ARG001 - must exist first
    """Somebody who may read every page of every project, so that only the filters stand in the way."""
    return sign_in_as("root")


def ids_in(text: str) -> list[str]:
    return re.findall(r'data-(?:id|href)="([^"]+)"', text)


@pytest.mark.parametrize("schema", dict.fromkeys(FILTERS.values()), ids=lambda schema: schema.__name__)
def test_no_filter_has_a_field_near_a_secret(schema: type[BaseModel]):
    assert not [name for name in schema.model_fields if re.search("pass|token|hash|secret|user|digest|__|\\.", name)]


def test_fields_that_are_none_are_refused_or_change_nothing(world: World, viewer: Browser):
    with read() as session:
        secret = session.scalars(select(User.password_hash)).first()
    for path in LISTS:
        address = world.address(f"{PROJECT}/{path}")
        plain = viewer.get(address, headers=JSON)
        assert plain.status_code == 200
        for field in TRAVERSALS:
            answer = viewer.get(address, params={field: secret}, headers=JSON)
            assert answer.status_code in (200, 422), (path, field)
            if answer.status_code == 200:
                assert ids_in(answer.text) == ids_in(plain.text), (path, field)


def test_values_off_the_list_are_refused(world: World, viewer: Browser):
    for path, parameters in CHOICES.items():
        for parameter in parameters:
            for value in ("password_hash", "id; DROP TABLE image", "(SELECT password_hash FROM user)"):
                answer = viewer.get(world.address(f"{PROJECT}/{path}"), params={parameter: value}, headers=JSON)
                assert answer.status_code == 422, (path, parameter, value)
                assert "SELECT" not in answer.text.upper().replace(value.upper(), ""), (path, parameter)


def test_nothing_in_a_search_is_a_wildcard(world: World, viewer: Browser):
    address = f"/projects/{world.slug}/library"
    everything = ids_in(viewer.get(address, params={"text": "the file"}).text)
    assert everything
    for text in ("%", "_", "the_file", "the%file", "t%", "\\", "\\%", "' OR 1=1 --", '" OR ""="', "*", "?", "[a-z]"):
        assert ids_in(viewer.get(address, params={"text": text}).text) == [], text
    with read() as session:
        assert session.scalars(select(Image.id)).first() is not None
