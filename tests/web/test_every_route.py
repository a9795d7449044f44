"""Every route says who may call it, and how it reads what is sent."""

from __future__ import annotations

import inspect

import pytest
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from app.assembly.routers import ROUTERS
from app.web.dependencies import AccessRule, rule_of
from app.web.openapi import API_PREFIX

ROUTES = [route for router in ROUTERS for route in iter_route_contexts(router.routes)]
PUBLIC = {
    "/",
    "/health",
    "/ready",
    "/sign-in",
    "/setup/{token}",
    "/texts/{language}.json",
    f"{API_PREFIX}/openapi.json",
}
# What streams in or out without end in sight is async; everything else is plain and runs in the thread pool.
STREAMS = ("/events", "/uploads/{upload_id}/files")


def rules_of(route: RouteContext) -> list[AccessRule]:
    found = (rule_of(dependency.call) for dependency in route.dependant.dependencies)
    return [rule for rule in found if rule is not None]


def name_of(route: RouteContext) -> str:
    return f"{'/'.join(sorted(route.methods or ()))} {route.path}"


every_route = pytest.mark.parametrize("route", ROUTES, ids=name_of)


@every_route
def test_has_exactly_one_rule_of_access(route: RouteContext):
    assert isinstance(route.original_route, APIRoute)
    assert len(rules_of(route)) == 1


@every_route
def test_only_the_listed_routes_are_public(route: RouteContext):
    assert (rules_of(route)[0].kind == "public") == (route.path in PUBLIC)


@every_route
def test_a_project_route_asks_for_a_role_in_that_project(route: RouteContext):
    path = route.path or ""
    rule = rules_of(route)[0]
    if "{slug}" in path:
        assert rule.kind == "project"
    elif rule.kind == "project":
        assert path.startswith(API_PREFIX), "only API tokens know their project without a slug"


@every_route
def test_answers_one_method_so_that_reading_and_changing_stay_apart(route: RouteContext):
    assert route.methods
    assert len(route.methods) == 1


@every_route
def test_blocking_work_stays_off_the_event_loop(route: RouteContext):
    assert route.endpoint is not None
    is_async = inspect.iscoroutinefunction(route.endpoint) or inspect.isasyncgenfunction(route.endpoint)
    assert not is_async or (route.path or "").endswith(STREAMS)


@every_route
def test_forms_and_files_are_read_only_after_the_rule_has_let_the_caller_in(route: RouteContext):
    """FastAPI reads Form and File parameters before any dependency runs: an upload by anyone."""
    dependants = [route.dependant, *route.dependant.dependencies]
    kinds = {type(field.field_info).__name__ for dependant in dependants for field in dependant.body_params}
    assert not kinds & {"Form", "File"}


@every_route
def test_pages_stay_out_of_the_api_description(route: RouteContext):
    is_described = bool(getattr(route, "include_in_schema", True))
    assert is_described <= (route.path or "").startswith(API_PREFIX)


def test_no_address_is_declared_twice():
    names = [name_of(route) for route in ROUTES]
    assert len(names) == len(set(names))
