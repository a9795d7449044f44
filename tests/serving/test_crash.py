"""A real serving process, killed without warning: no answered request is lost, also while the database is locked."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.core.database import is_sqlite, read, write
from app.library.models import Image
from app.projects.models import Project
from app.serving.models import Transaction
from app.serving.running import running
from tests.factories.accounts import make_user
from tests.factories.serving import bearer, eventually, in_production, small_image

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.journey


@contextmanager
def serve_process() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "app.main:create_serve_app", "--port", str(port)]
    process = subprocess.Popen([*command, "--log-level", "warning"], cwd=ROOT, env={**os.environ})
    address = f"http://127.0.0.1:{port}"

    def answers(_: Session) -> bool:
        try:
            return httpx2.get(f"{address}/ready").status_code == 200
        except httpx2.TransportError:
            return False

    try:
        eventually(answers, seconds=60)
        yield process, address
    finally:
        process.kill()
        process.wait()


@contextmanager
def nobody_else_writes() -> Iterator[None]:
    with write() as session:
        if not is_sqlite(session):
            session.execute(text('LOCK TABLE "transaction" IN EXCLUSIVE MODE'))
        yield


def test_a_killed_process_has_lost_no_answered_request(project: Project):
    in_production(project.id)
    with write() as session:
        user = make_user(session, is_administrator=True)
    headers = bearer(user.id, project.id)
    with serve_process() as (process, address):

        def ask(shade: int) -> str:
            answer = httpx2.post(f"{address}/api/v1/identify", content=small_image(shade), headers=headers, timeout=60)
            assert answer.status_code == 200, answer.text
            return str(answer.json()["transaction_id"])

        first = ask(0)
        eventually(lambda session: session.get(Transaction, first))
        with nobody_else_writes():
            with ThreadPoolExecutor(8) as clients:
                answered = [first, *clients.map(ask, range(1, 25))]
            process.send_signal(signal.SIGKILL)
            process.wait()
    with read() as session:
        assert len(session.scalars(select(Transaction.id)).all()) == 1
    with running():

        def all_there(session: Session) -> bool:
            kept = session.execute(select(Transaction.id, Transaction.image_id)).all()
            return len(kept) == len(answered) and all(image_id for _, image_id in kept)

        eventually(all_there, seconds=60)
    with read() as session:
        assert sorted(session.scalars(select(Transaction.id))) == sorted(answered)
        assert len(session.scalars(select(Image.id)).all()) == 25
