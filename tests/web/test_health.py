"""Two addresses for whoever watches the process, and the description of the API."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI

from app.core.database import get_engine
from app.core.settings import get_settings
from app.web.error_handlers import STATUSES
from app.web.openapi import API_PREFIX, describe
from tests.web_client import Browser


def test_health_and_readiness_are_open_to_all_and_tell_nothing_else(visitor: Browser):
    assert visitor.get("/health").json() == {"status": "ok"}
    assert visitor.get("/ready").json() == {"status": "ready"}


def test_without_tables_the_process_lives_but_is_not_ready(
    visitor: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    get_engine().dispose()
    monkeypatch.setenv("WINNOW_DATABASE_URL", f"sqlite:///{tmp_path / 'empty.db'}")
    # In this order: a thread of the application that asks in between must not open the old one again.
    get_settings.cache_clear()
    get_engine.cache_clear()
    assert visitor.get("/health").status_code == 200
    answer = visitor.get("/ready", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database")
    assert "empty.db" not in answer.text


def test_without_a_place_to_write_it_is_not_ready(visitor: Browser, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WINNOW_DATABASE_URL", get_settings().sql_url)
    monkeypatch.setenv("WINNOW_DATA_DIR", "/proc/nowhere")
    get_settings.cache_clear()
    answer = visitor.get("/ready", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "storage")


def test_the_description_holds_the_api_alone_with_every_error(visitor: Browser, application: FastAPI):
    document = visitor.get(f"{API_PREFIX}/openapi.json").json()
    assert document == describe(application.routes)
    assert all(path.startswith(API_PREFIX) for path in document["paths"])
    for operations in document["paths"].values():
        for operation in operations.values():
            assert {str(status) for status in STATUSES.values()} | {"400"} <= set(operation["responses"])


def test_there_is_no_page_that_loads_scripts_from_elsewhere(visitor: Browser):
    assert {visitor.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")} == {404}
