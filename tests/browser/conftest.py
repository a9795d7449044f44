"""One family of real processes and one Chromium for all browser tests, with a small library imported once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from app.core.database import write
from app.projects.models import Project
from tests.browser.library import Fruit, fruit_project
from tests.browser.tabs import WAIT_MS, OpenTab, Tabs, chromium_running, session_of
from tests.conftest import installed
from tests.factories.projects import make_project
from tests.journeys.installation import Installation, running

expect.set_options(timeout=WAIT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder drives a browser."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser process; each tab gets a profile of its own."""
    with chromium_running() as browser:
        yield browser


@pytest.fixture(scope="package")
def family(tmp_path_factory: pytest.TempPathFactory, database_template: str) -> Iterator[Installation]:
    """`winnow up` on a data folder of its own, for every test that does not need an untouched one."""
    with installed(tmp_path_factory.mktemp("browser") / "data", database_template) as data, running(data) as found:
        yield found


@pytest.fixture(scope="package")
def fruit(family: Installation, tmp_path_factory: pytest.TempPathFactory) -> Fruit:  # noqa: ARG001 - does the import
    """40 labelled photos in three classes and 60 in the pool. Tests take what they need; nothing is put back."""
    return fruit_project(tmp_path_factory.mktemp("fruit"))


@pytest.fixture
def project(family: Installation) -> Project:  # noqa: ARG001 - must run
    """An empty project of the test's own."""
    with write() as session:
        return make_project(session)


@pytest.fixture
def open_tab(chromium: Browser, family: Installation) -> Iterator[OpenTab]:
    """`open_tab(project_id, role)` gives a tab in which a new member is signed in; a fault in any fails the test."""
    tabs = Tabs(chromium, family.url)
    yield lambda project_id, role, **options: tabs.open(session_of(project_id, role), **options)
    tabs.close()
