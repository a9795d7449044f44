"""How runs end is told: to who asked, and to webhooks; once, whatever happens in between."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.projects.notices import newest_notices
from app.projects.webhook_models import WebhookDelivery
from app.runs import claims
from app.runs.end_models import RunEnd
from app.runs.service import request_cancel, request_run
from app.runs.telling import tell_run_ends
from tests.factories.accounts import make_user
from tests.factories.projects import add_member
from tests.factories.runs import any_project
from tests.factories.webhooks import make_webhook

pytestmark = pytest.mark.usefixtures("installation")
IDENTIFY = "identification.identify"


@pytest.fixture
def asker(installation: object) -> int:  # noqa: ARG001 - must exist first
    with write() as session:
        user_id = make_user(session).id
        add_member(session, project_id=any_project(session), user_id=user_id, role="engineer")
        return user_id


def ended(asker: int, *, kind: str = IDENTIFY, error: str = "", **options: object) -> int:
    with write() as session:
        arguments = {"title": "Identify the pool by v3", "parameters": {}, "created_by": asker, **options}
        run_id = request_run(session, project_id=any_project(session), kind=kind, **arguments)  # type: ignore[arg-type]
    claimed = claims.claim(run_id)
    if error:
        claims.fail(claimed, code="internal", message=error)
    else:
        with write() as session:
            claims.complete(session, claimed, result={"job_id": 7, "images": 1200, "candidates": {"Plum": 17}})
    return run_id


def told(user_id: int) -> list[tuple[str, str]]:
    with read() as session:
        return [(each.text, each.address) for each in newest_notices(session, user_id, is_administrator=False)]


def events() -> list[tuple[str, str]]:
    with read() as session:
        rows = session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id))
        return [(row.event, row.payload["facts"]["state"]) for row in rows]


def test_who_asked_hears_how_it_ended_and_so_do_webhooks_once(asker: int):
    with write() as session:
        project_id = any_project(session)
    make_webhook(project_id, "https://example.org/h", "identification.ended", "import.ended")
    ended(asker)
    failed = ended(asker, error="The disk is full.")
    assert tell_run_ends() == 2
    assert tell_run_ends() == 0
    home = "/projects/birds"
    assert told(asker) == [
        ("Identify the pool by v3: failed. The disk is full.", f"{home}/runs/{failed}"),
        (
            "Identify the pool by v3: done, 1,200 images; 17 candidates for 1 class below the cutoff.",
            f"{home}/identify/7",
        ),
    ]
    assert events() == [("identification.ended", "succeeded"), ("identification.ended", "failed")]


def test_what_nobody_waits_for_is_no_notice(asker: int):
    with write() as session:
        make_user(session)
        project_id = any_project(session)
        cancelled = request_run(
            session, project_id=project_id, kind=IDENTIFY, title="Identify", parameters={}, created_by=asker
        )
    with write() as session:
        request_cancel(session, cancelled, project_id)
    make_webhook(project_id, "https://example.org/h", "identification.ended", "import.ended")
    ended(asker, parameters={"standing": True}, coalesce_key="standing")
    ended(asker, kind="library.import", title="Import")
    ended(asker, kind="labelling.undo", title="Undo")
    assert tell_run_ends() == 4
    assert told(asker) == []
    assert events() == [("identification.ended", "cancelled"), ("import.ended", "succeeded")]


def test_an_end_that_is_rolled_back_is_not_told(asker: int):
    with write() as session:
        arguments = {"title": "Identify", "parameters": {}, "created_by": asker}
        run_id = request_run(session, project_id=any_project(session), kind=IDENTIFY, **arguments)  # type: ignore[arg-type]
    claimed = claims.claim(run_id)

    def fails() -> None:
        with write() as session:
            claims.complete(session, claimed, result={})
            raise InvalidInput("what was made cannot be registered")

    with pytest.raises(InvalidInput):
        fails()
    with read() as session:
        assert session.scalars(select(RunEnd)).all() == []
