"""Every text that people read goes through the catalogue, and every language has all of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes

ROOT = Path(__file__).parents[2]
LOCALE = ROOT / "templates" / "locale"
LANGUAGES = sorted(path.stem for path in LOCALE.glob("*.po"))
# Areas whose every text is in the catalogue; the others follow one by one.
TRANSLATED = ("base.html", "embeddings", "exchange", "labelling", "library")
READ_ATTRIBUTES = re.compile(r'\b(?:aria-label|title|placeholder|alt)="([^"]*)"')
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}")
WORD = re.compile(r"(?!Winnow|SHA-256|SHA|256)\b[A-Za-z]{2,}")
CODE = re.compile(r"<(code|kbd|pre)\b.*?</\1>", re.DOTALL)


def messages(language: str) -> list[Message]:
    with (LOCALE / f"{language}.po").open("rb") as file:
        return [message for message in read_po(file, locale=language) if message.id]


def forms(text: str | tuple[str, ...] | list[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def test_the_catalogues_hold_what_the_sources_say(tmp_path: Path):
    shutil.copytree(LOCALE, tmp_path / "locale")
    subprocess.run([ROOT / ".ci" / "texts", tmp_path / "locale"], check=True, capture_output=True, cwd=ROOT)
    for language in LANGUAGES:
        assert (tmp_path / "locale" / f"{language}.po").read_text() == (LOCALE / f"{language}.po").read_text(), (
            "run `make texts` and translate what is new"
        )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_with_its_placeholders(language: str):
    for message in messages(language):
        assert all(forms(message.string)), message.id
        assert not message.fuzzy, message.id
        known = {name for form in forms(message.id) for name in PLACEHOLDER.findall(form)}
        for form in forms(message.string):
            assert set(PLACEHOLDER.findall(form)) <= known, message.id
        if isinstance(message.id, str):
            assert set(PLACEHOLDER.findall(str(message.string))) == known, message.id


def bare_texts(path: Path) -> Iterator[str]:
    """What a template says past the catalogue: between tags, or in an attribute that is read aloud."""
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    environment.install_gettext_callables(str, lambda one, many, n: one if n == 1 else many, newstyle=True)  # type: ignore[attr-defined]
    source = re.sub(r"{%-?\s*trans\b.*?{%-?\s*endtrans\s*-?%}", "", path.read_text(), flags=re.DOTALL)
    markup = "".join(
        part.data if isinstance(part, nodes.TemplateData) else "\0"
        for output in environment.parse(source).find_all(nodes.Output)
        for part in output.nodes
    )
    yield from (text for text in READ_ATTRIBUTES.findall(markup) if WORD.search(text))
    yield from (text.strip() for text in re.findall(r">([^<>\0]+)", CODE.sub("", markup)) if WORD.search(text))


@pytest.mark.parametrize("area", TRANSLATED)
def test_no_text_of_a_translated_area_passes_the_catalogue_by(area: str):
    found = ROOT / "templates" / area
    paths = [found] if found.suffix else sorted(found.glob("*.html"))
    assert {path.name: list(bare_texts(path)) for path in paths if any(bare_texts(path))} == {}
