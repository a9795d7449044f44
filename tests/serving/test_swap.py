"""Promotion while clients ask: every request is answered, by the version and deployment its transaction names."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select

from app.core.database import read, write
from app.projects.models import Project
from app.serving.models import Transaction
from tests.factories.accounts import make_user
from tests.factories.serving import bearer, eventually, in_production, promote_another, set_keep_policy, small_image
from tests.web_client import Browser


def test_no_request_fails_while_production_changes(visitor: Browser, project: Project):
    set_keep_policy(project.id, "none")
    deployments = {(made := in_production(project.id)).deployment_id: made.version}
    with write() as session:
        user = make_user(session, is_administrator=True)
    headers = bearer(user.id, project.id)
    visitor.post("/api/v1/identify", content=small_image(), headers=headers)
    ended = threading.Event()

    def client(_: int) -> list[tuple[int, str, int]]:
        seen = []
        while not ended.is_set():
            answer = visitor.post("/api/v1/identify", content=small_image(), headers=headers)
            said = answer.json()
            seen.append((answer.status_code, said.get("transaction_id", ""), said.get("model_version", 0)))
        return seen

    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(client, number) for number in range(4)]
        for seed in (1, 2, 3):
            made = promote_another(project.id, seed=seed)
            deployments[made.deployment_id] = made.version

            def is_serving(_: object, number: int = made.version.number) -> bool:
                said = visitor.post("/api/v1/identify", content=small_image(), headers=headers).json()
                return bool(said["model_version"] == number)

            eventually(is_serving)
        ended.set()
        answers = [answer for one in asked for answer in one.result()]

    assert {status for status, _, _ in answers} == {200}
    told = {transaction_id for _, transaction_id, _ in answers}
    eventually(lambda session: told <= set(session.scalars(select(Transaction.id))))
    with read() as session:
        named = {one.id: (one.version_id, one.deployment_id) for one in session.scalars(select(Transaction)).all()}
    for _, transaction_id, number in answers:
        version_id, deployment_id = named[transaction_id]
        assert (deployments[deployment_id].id, deployments[deployment_id].number) == (version_id, number)
