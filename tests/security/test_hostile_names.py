"""Names that would be markup, script or a template if anything took them for more than text, planted everywhere."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, deque
from collections.abc import Mapping
from urllib.parse import urlencode

import pytest

from app.accounts.roles import ROLES
from app.web.headers import SECURITY_HEADERS
from tests.security.markup import read_markup
from tests.security.rules import DECLARED, Sent, acceptable, query_names
from tests.security.world import World, build
from tests.web_client import Browser, SignInAs

PAYLOAD = """"'><img src=x onerror=alert(7)><script>alert(8)</script>{{7*7}}"""
MOST_PAGES = 400
QUERIES_OF_A_PATH = 4
SHOWN = {
    *("project", "class1", "class2", "class3", "sub", "empty", "note", "file", "broken", "reason", "batch", "source"),
    *("heard", "conflict", "conflict2", "capture", "column", "cell", "bench", "run", "training", "identify", "device"),
    *("failure", "client", "answer", "why", "token"),
}
HTML = {"Accept": "text/html"}


def hostile(kind: str) -> str:
    """A name that tells, wherever it is met, what it is the name of."""
    return f"Z{kind}z{PAYLOAD}"


@pytest.fixture
def world(application: object) -> World:  # noqa: ARG001 - its installation must exist first
    """A project in which everything has a hostile name."""
    made = build(hostile("project"), named=hostile)
    made.ids["outsider"] = "nobody"
    return made


class Crawl:
    """Every page that links lead to, each taken apart; `seen` counts the names met whole, by kind.

    `may_quote`: messages may show a name with its quotes escaped.
    """

    def __init__(self, browser: Browser, *, may_quote: bool = False) -> None:
        self.browser = browser
        self.may_quote = may_quote
        self.seen: Counter[str] = Counter()
        self.faults: list[tuple[str, str]] = []
        self.visited: dict[str, int] = {}
        self._queries: Counter[str] = Counter()
        self._waiting: deque[str] = deque()

    def add(self, address: str) -> None:
        """An address to visit, if it is one of ours, new, and no stream or file."""
        path, _, query = address.partition("#")[0].partition("?")
        is_page = path.startswith("/") and not path.startswith(("//", "/static/")) and not path.endswith("/events")
        is_page = is_page and "/tensorboard" not in path  # a page of its own making, under a policy of its own
        if not is_page or re.search(r"[{}]|/(thumbnail|rendition|original)$", path):
            return
        whole = f"{path}?{query}" if query else path
        if whole not in self.visited and whole not in self._waiting and self._queries[path] < QUERIES_OF_A_PATH:
            self._queries[path] += 1
            self._waiting.append(whole)

    def run(self) -> None:
        """Visit until there is nothing new."""
        while self._waiting and len(self.visited) < MOST_PAGES:
            address = self._waiting.popleft()
            answer = self.browser.get(address, headers=HTML)
            self.visited[address] = answer.status_code
            self.look_at(address, answer.headers, answer.text)
            self.add(answer.headers.get("Location", ""))

    def look_at(self, address: str, headers: Mapping[str, str], text: str) -> None:
        """Take one answer apart."""
        self.faults += [(address, name) for name, value in SECURITY_HEADERS.items() if headers.get(name) != value]
        kind = headers.get("Content-Type", "")
        if kind.startswith("text/html"):
            markup = read_markup(text)
            self.faults += [(address, fault) for fault in markup.faults]
            for shown in markup.texts:
                self._count(address, shown)
            for link in markup.links:
                self.add(link)
        elif kind.startswith("text/csv"):
            self._count(address, "\n".join(cell for row in csv.reader(io.StringIO(text)) for cell in row))

    def _count(self, address: str, text: str) -> None:
        """Names met whole; one that is cut short may only end early, and in an address it is encoded."""
        for found in re.finditer(r"Z(\w+)z(?=[\"'])", text):
            if text.startswith(PAYLOAD, found.end()):
                self.seen[found[1]] += 1
            elif not self.may_quote and not PAYLOAD.startswith(text[found.end() :].rstrip("…")):
                self.faults.append((address, f"{found[0]} is not shown as it is: {text[found.end() :][:80]!r}"))


def test_names_are_shown_as_text_on_every_page(world: World, sign_in_as: SignInAs):
    root = sign_in_as("root")
    root.post("/account/tokens", data={"name": hostile("token"), "project": world.slug, "role": "viewer"})
    crawl = Crawl(root)
    for address in ("/projects", "/account", "/users", f"/projects/{world.slug}/library?state=quarantined"):
        crawl.add(address)
    sent = acceptable(world)
    for name, role in DECLARED.items():
        if name.startswith("GET ") and role in ROLES:
            query = urlencode(sent.get(name, Sent()).query)
            crawl.add(f"{world.address(name.removeprefix('GET '))}?{query}".rstrip("?"))
    crawl.run()
    assert crawl.faults == []
    assert [address for address, status in crawl.visited.items() if status >= 500] == []
    assert SHOWN - crawl.seen.keys() == set()


def test_what_an_address_holds_is_given_back_as_text(world: World, sign_in_as: SignInAs, visitor: Browser):
    crawl = Crawl(sign_in_as("root"))
    for name, role in DECLARED.items():
        if name.startswith("GET ") and role != "public":
            for parameter in query_names(name):
                address = f"{world.address(name.removeprefix('GET '))}?{urlencode({parameter: hostile('query')})}"
                answer = crawl.browser.get(address, headers=HTML)
                crawl.look_at(address, answer.headers, answer.text)
    for address in (f"/sign-in?{urlencode({'next': '/' + hostile('next')})}", f"/{PAYLOAD}", f"/setup/{PAYLOAD}"):
        answer = visitor.get(address, headers=HTML)
        crawl.look_at(address, answer.headers, answer.text)
    assert crawl.faults == []
    assert crawl.seen["query"] > 0
    assert crawl.seen["next"] > 0


def test_what_a_form_holds_is_given_back_as_text(world: World, sign_in_as: SignInAs):
    crawl = Crawl(sign_in_as("root"), may_quote=True)
    for name, given in acceptable(world).items():
        method, _, path = name.partition(" ")
        for field in given.form or {}:
            form = {**(given.form or {}), field: hostile("form")}
            answer = crawl.browser.request(method, world.address(path, **given.ids), data=form, headers=HTML)
            crawl.look_at(name, answer.headers, answer.text)
    assert crawl.faults == []
    assert crawl.seen["form"] > 0
