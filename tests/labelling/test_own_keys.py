"""Keys of one's own: chosen, refused where they are taken, shown as text, and nobody else's."""

from __future__ import annotations

import pytest

from app.core.database import read
from app.labelling.key_bindings import USUAL_KEYS, commands_of
from app.projects.models import Project
from tests.web_client import Browser, SignInAs


def keys_of(browser: Browser) -> dict[str, str]:
    with read() as session:
        return {command.name: command.key for command in commands_of(session, browser.user_id)}


def test_a_key_is_chosen_used_and_given_back(sign_in_as: SignInAs, project: Project):
    ann, ben, path = sign_in_as("labeller"), sign_in_as("labeller"), f"/projects/{project.slug}/label"
    assert ann.post(f"{path}/keys", data={"command": "unknown", "key": "q"}).status_code == 303
    assert "&#34;unknown&#34;: &#34;q&#34;" in ann.get(path).text
    assert "&#34;unknown&#34;: &#34;u&#34;" in ben.get(path).text
    assert 'value="q"' in ann.get(f"{path}/keys").text
    ann.post(f"{path}/keys", data={"command": "none", "key": "u"})
    ann.post(f"{path}/keys", data={"command": "none", "key": ""})
    assert keys_of(ann) == USUAL_KEYS | {"unknown": "q"}
    ann.post(f"{path}/keys/usual")
    assert keys_of(ann) == USUAL_KEYS


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("x", 409),  # Means "not good".
        ("3", 409),  # A digit chooses a suggestion.
        ("?", 409),
        ("Ctrl+z", 409),
        ("Ctrl+w", 409),
        ("Q", 422),
        ("abc", 422),
        ('"><script>alert(1)</script>', 422),
        ("Enter", 422),
    ],
)
def test_a_key_that_is_taken_or_none_is_refused(sign_in_as: SignInAs, project: Project, key: str, status: int):
    browser = sign_in_as("labeller")
    answer = browser.post(f"/projects/{project.slug}/label/keys", data={"command": "unknown", "key": key})
    assert answer.status_code == status
    assert "<script>alert" not in answer.text
    assert keys_of(browser) == USUAL_KEYS


def test_a_hostile_sign_is_shown_as_text(sign_in_as: SignInAs, project: Project):
    browser, path = sign_in_as("labeller"), f"/projects/{project.slug}/label"
    for command, key in (("unknown", "<"), ("none", '"'), ("skip", "'"), ("rotate", "&"), ("note", "+")):
        assert browser.post(f"{path}/keys", data={"command": command, "key": key}).status_code == 303
    assert 'value="&lt;"' in browser.get(f"{path}/keys").text
    page = browser.get(path).text
    assert "&#34;unknown&#34;: &#34;\\u003c&#34;" in page
    assert keys_of(browser)["none"] == '"'
