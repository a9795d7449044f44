"""The identify API alone: what `winnow serve` starts."""

from __future__ import annotations

from pathlib import Path

from fastapi.routing import iter_route_contexts

from app.main import create_serve_app
from app.projects.models import Project
from tests.factories.serving import in_production, small_image
from tests.web_client import Browser, SignInAs


def test_it_has_the_api_its_description_and_its_health_and_nothing_else(installation: Path):  # noqa: ARG001
    paths = {route.path for route in iter_route_contexts(create_serve_app().routes)}
    assert paths == {
        "/health",
        "/ready",
        "/api/v1/openapi.json",
        "/api/v1/identify",
        "/api/v1/projects/{slug}/identify",
    }


def test_it_answers_with_the_same_rules_and_headers(sign_in_as: SignInAs, project: Project):
    in_production(project.id)
    cookies = sign_in_as("viewer").cookies
    with Browser(create_serve_app(), follow_redirects=False) as client:
        refused = client.post("/api/v1/identify", content=small_image())
        assert refused.status_code in (401, 403)
        client.cookies.update(cookies)
        answer = client.post(f"/api/v1/projects/{project.slug}/identify", content=small_image())
        assert answer.status_code == 200, answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert client.get("/ready").json() == {"status": "ready"}
