"""Values at the ends of what can be written down, in every place that takes one: refused in words, never a fault."""

from __future__ import annotations

import string
from typing import Any

import pytest

from app.training.forms import TrainingForm
from app.training.schemas import TrainingChoices
from tests.security.extreme import fault_of
from tests.security.rules import API, DECLARED, PROJECT, Sent, acceptable, query_names
from tests.security.world import AnyPath, World, build
from tests.web_client import Browser, SignInAs

LARGE = 2**63
PATH_VALUES = ("0", "-1", str(LARGE), "9" * 5000, "%00", "..%2f..")
QUERY_VALUES = (str(LARGE), "9999-12-31", "0001-01-01", "1e400", "a\0b", "%_\\'\"\ufffe")
BODY_VALUES: tuple[Any, ...] = (LARGE, -LARGE - 1, "a\0b", "9999-12-31T23:59:59-12:00", "x" * 70_000, [LARGE])
OPTIONAL = {
    f"POST {PROJECT}/label/next": {"policy": "newest", "given": 0, "have": [], "first": 1, "since": None},
    f"POST {PROJECT}/labels": {
        "class_id": 1,
        "sub_class_id": 1,
        "reason": "dark",
        "versions": {"1": 0},
        "request_key": "k" * 8,
        "suggestion": {"version_id": 1, "confidences": {"1": 0.5}},
    },
    f"POST {PROJECT}/identify/{{job_id}}/accept": {"class_id": 1, "versions": {"1": 0}, "request_key": "k" * 8},
    f"POST {PROJECT}/benchmarks": {"set_id": None, "truth": "class", "class_id": 1, "is_tuning": False},
    f"POST {PROJECT}/grades": {"true_class_id": 1},
    f"POST {PROJECT}/identify": {"version_id": 1, "query": "", "kind": "filter"},
    f"POST {API}{PROJECT}/identifications": {"version_id": 1, "query": "", "kind": "filter"},
    f"POST {PROJECT}/imports": {"name": "", "labels_path": "", "format": "csv", "origin": "real"},
    f"POST {PROJECT}/train": dict.fromkeys(TrainingForm.model_fields, ""),
    f"POST {API}{PROJECT}/runs": dict.fromkeys(TrainingChoices.model_fields),
    f"POST {PROJECT}/models/{{number}}/promote": {"override_reason": "because it is so"},
    f"POST {API}{PROJECT}/models/{{number}}/promote": {"override_reason": "because it is so"},
}


@pytest.fixture
def world(application: object) -> World:  # noqa: ARG001 - its installation must exist first
    """The project whose routes are tried."""
    made = build("The marsh")
    made.ids["outsider"] = "nobody"
    return made


@pytest.fixture
def root(sign_in_as: SignInAs) -> Browser:
    """Somebody whom no rule of access stops, so that every value reaches the code behind it."""
    browser = sign_in_as("root")
    browser.headers["Accept"] = "application/json"
    return browser


def test_ids_in_an_address(world: World, root: Browser):
    sent = acceptable(world)
    faults = []
    for name in DECLARED:
        method, _, path = name.partition(" ")
        for parameter in (field for _, field, _, _ in string.Formatter().parse(path) if field and field != "slug"):
            given = sent.get(name, Sent())
            for value in PATH_VALUES:
                put = AnyPath(value) if parameter == "path" else value
                address = world.address(path, **{**given.ids, parameter: put})
                fault = fault_of(root, method, address, **given.options())
                faults += [(name, parameter, value[:40], fault)] if fault else []
    assert not faults, "\n".join(map(str, faults))


def test_values_in_a_query(world: World, root: Browser):
    sent = acceptable(world)
    faults = []
    for name in (name for name in DECLARED if name.startswith("GET ") and DECLARED[name] != "public"):
        given = sent.get(name, Sent())
        for parameter in query_names(name):
            for value in QUERY_VALUES:
                address = world.address(name.removeprefix("GET "))
                fault = fault_of(root, "GET", address, params={**given.query, parameter: value})
                faults += [(name, parameter, value[:40], fault)] if fault else []
    assert not faults, "\n".join(map(str, faults))


def test_values_in_a_body(world: World, root: Browser):
    faults = []
    for name, given in acceptable(world).items():
        body = given.json or given.form
        if body is None:
            continue
        method, _, path = name.partition(" ")
        whole = {**OPTIONAL.get(name, {}), **body}
        for field in whole:
            for value in BODY_VALUES:
                if given.json is None and not isinstance(value, str | int | float):
                    continue
                kind = {"json": {**body, field: value}} if given.json else {"data": {**body, field: value}}
                fault = fault_of(root, method, world.address(path, **given.ids), **kind)
                faults += [(name, field, repr(value)[:40], fault)] if fault else []
    assert not faults, "\n".join(map(str, faults))
