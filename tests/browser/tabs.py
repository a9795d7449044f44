"""Tabs of a real Chromium that remember every fault: console errors, script errors, breaches of the content policy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from app.accounts.sessions import open_session
from app.core.database import write
from tests.factories.accounts import make_user
from tests.factories.projects import add_member
from tests.web_client import SESSION_COOKIE

CHROMIUM = os.environ.get("WINNOW_TEST_CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE = 1440
NARROW = 390
HEIGHTS = {WIDE: 900, NARROW: 844}
TELL_BREACHES = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`content policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
WAIT_MS = 60_000


@contextmanager
def chromium_running() -> Iterator[Browser]:
    """Chromium, without which the tests fail."""
    assert Path(CHROMIUM).exists(), f"no Chromium at {CHROMIUM}: install Debian's package, or set WINNOW_TEST_CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Tabs:
    """Opens tabs at an address, and knows all that went wrong in them."""

    browser: Browser
    address: str
    faults: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def open(self, session: str = "", *, width: int = WIDE) -> Page:
        """A tab of its own profile, signed in by a session's token, in the light theme."""
        context = self.browser.new_context(
            base_url=self.address,
            viewport={"width": width, "height": HEIGHTS[width]},
            color_scheme="light",
            has_touch=width == NARROW,
            reduced_motion="reduce",
        )
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(TELL_BREACHES)
        if session:
            context.add_cookies([{"name": SESSION_COOKIE, "value": session, "url": self.address}])
        self.contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        page.on(
            "console", lambda said: self.faults.append(f"{page.url}: {said.text}") if said.type == "error" else None
        )
        return page

    def close(self) -> None:
        """Close every tab; fails if anything went wrong in one."""
        for context in self.contexts:
            context.close()
        assert not self.faults, "\n".join(self.faults)


def session_of(project_id: int, role: str) -> str:
    """Sign a new member of a project in; the session's token."""
    with write() as session:
        user = make_user(session)
        add_member(session, project_id=project_id, user_id=user.id, role=role)
        return open_session(session, user_id=user.id)


OpenTab = Callable[..., Page]
