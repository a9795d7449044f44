"""A page as a browser would take it apart: its texts, its links, and whatever in it could run."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

_ADDRESSES = frozenset({"href", "src", "action", "formaction", "data", "poster", "xlink:href", "srcset", "ping"})
_FORBIDDEN = frozenset({"iframe", "object", "embed", "base", "style", "frame", "applet", "foreignobject", "math"})


@dataclass
class Markup(HTMLParser):
    """`texts` holds text and attribute values as decoded; `faults` what no page of ours may have."""

    texts: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _in_script: bool = False

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.texts += given.values()
        self.faults += [f"<{tag} {name}>" for name in given if name.startswith("on") or name in ("style", "srcdoc")]
        if tag in _FORBIDDEN or (tag == "meta" and "http-equiv" in given):
            self.faults.append(f"<{tag}>")
        if tag == "script":
            self._in_script = True
            if not given.get("src", "").startswith("/static/"):
                self.faults.append(f"<script src={given.get('src')!r}>")
        for name in _ADDRESSES & given.keys():
            self._address(tag, given[name])
        self.links += [value for name, value in given.items() if name == "href" or name.startswith("data-")]

    def _address(self, tag: str, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc or address.startswith("\\"):
            self.faults.append(f"<{tag}> leads to {address[:80]!r}")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = self._in_script and tag != "script"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._in_script and data.strip():
            self.faults.append(f"<script>{data[:80]!r}")


def read_markup(html: str) -> Markup:
    """The page taken apart."""
    markup = Markup()
    markup.feed(html)
    markup.close()
    return markup
