"""API tokens: shown once, one project, no more than one's own role, ended at once."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app.accounts import tokens
from app.accounts.models import ApiToken
from app.core.clock import now
from app.core.database import read, write
from app.projects.models import Project
from tests.web_client import Browser, SignInAs, make_api_token

SETTINGS = "/projects/birds-of-the-marsh/settings"


def ask(browser: Browser, **fields: str):
    sent = {"name": "field camera", "project": "birds-of-the-marsh", "role": "viewer", "days": "30"} | fields
    return browser.post("/account/tokens", data=sent)


def all_tokens() -> list[ApiToken]:
    with read() as session:
        return list(session.scalars(select(ApiToken)))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Accept": "application/json"}


def test_a_token_is_shown_once_and_kept_as_a_hash(sign_in_as: SignInAs, visitor: Browser):
    owner = sign_in_as("administrator")
    page = ask(owner, role="administrator")
    found = re.search(r"data-secret>(winnow_[\w-]{43})<", page.text)
    assert found
    assert "/api/v1/identify" in page.text
    assert found[1] not in owner.get("/account").text
    (stored,) = all_tokens()
    assert found[1] not in (stored.token_hash, stored.prefix)
    assert found[1].startswith(stored.prefix)
    assert visitor.get(SETTINGS, headers=bearer(found[1])).status_code == 200


@pytest.mark.parametrize(("own", "wanted"), [("viewer", "labeller"), ("engineer", "administrator")])
def test_nobody_hands_out_more_than_they_have(sign_in_as: SignInAs, own: str, wanted: str):
    assert ask(sign_in_as(own), role=wanted).status_code == 403
    assert all_tokens() == []


@pytest.mark.parametrize("fields", [{"role": "owner"}, {"name": ""}, {"days": "0"}, {"days": "soon"}])
def test_a_form_that_makes_no_sense_makes_no_token(sign_in_as: SignInAs, fields: dict[str, str]):
    assert ask(sign_in_as("engineer"), **fields).status_code == 422
    assert all_tokens() == []


def test_a_token_for_a_project_of_others_is_refused_as_unknown(sign_in_as: SignInAs):
    assert ask(sign_in_as("stranger")).status_code == 404
    assert all_tokens() == []


def test_a_token_without_an_end_is_possible_and_said(sign_in_as: SignInAs):
    owner = sign_in_as("engineer")
    assert ask(owner, days="").status_code == 200
    assert all_tokens()[0].expires_at is None
    assert "does not" in owner.get("/account").text


def test_an_expired_or_revoked_token_opens_nothing(sign_in_as: SignInAs, visitor: Browser, project: Project):
    owner = sign_in_as("administrator")
    token = make_api_token(user_id=owner.user_id, project_id=project.id, role="administrator", days=1)
    assert visitor.get(SETTINGS, headers=bearer(token)).status_code == 200
    with write() as session:
        session.execute(update(ApiToken).values(expires_at=now() - timedelta(seconds=1)))
    assert visitor.get(SETTINGS, headers=bearer(token)).status_code == 401
    with write() as session:
        session.execute(update(ApiToken).values(expires_at=None))
    (stored,) = all_tokens()
    assert owner.post(f"/account/tokens/{stored.id}/revoke").status_code == 303
    refused = visitor.get(SETTINGS, headers=bearer(token))
    assert (refused.status_code, "token is unknown, revoked or expired" in refused.text) == (401, True)
    assert "revoked" in owner.get("/account").text


def test_nobody_revokes_a_token_of_someone_else(sign_in_as: SignInAs, project: Project):
    owner, other = sign_in_as("engineer"), sign_in_as("administrator")
    make_api_token(user_id=owner.user_id, project_id=project.id)
    assert other.post(f"/account/tokens/{all_tokens()[0].id}/revoke").status_code == 404
    assert all_tokens()[0].revoked_at is None
    with write() as session:
        tokens.revoke_token(session, all_tokens()[0].id, user_id=other.user_id, may_revoke_others=True)
    assert all_tokens()[0].revoked_at is not None


def test_use_is_noted_at_most_once_a_minute(sign_in_as: SignInAs, visitor: Browser, project: Project):
    owner = sign_in_as("administrator")
    token = make_api_token(user_id=owner.user_id, project_id=project.id, role="administrator")
    visitor.get(SETTINGS, headers=bearer(token))
    first = all_tokens()[0].last_used_at
    visitor.get(SETTINGS, headers=bearer(token))
    assert first is not None
    assert all_tokens()[0].last_used_at == first


@pytest.mark.parametrize("header", ["Bearer", "Bearer winnow_", "Bearer é", "Basic dXNlcjpwYXNz", "winnow_x"])
def test_garbage_in_the_header_is_not_signed_in(visitor: Browser, header: str):
    answer = visitor.get(SETTINGS, headers={"Authorization": header.encode(), "Accept": b"application/json"})
    assert answer.status_code == 401
