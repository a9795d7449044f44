"""A project that serves: a tiny real version in production, transactions as rows, images as clients send them."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PIL import Image
from sqlalchemy import insert, update
from sqlalchemy.orm import Session
from ulid import ULID

from app.core.clock import now
from app.core.database import read, write
from app.imaging.model_input import from_upload
from app.projects.models import Project
from app.registry.artifacts import load_version
from app.registry.models import Deployment
from app.serving.models import Transaction
from app.serving.schemas import draw_of
from tests.factories.registry import TinyVersion, deploy, tiny_version
from tests.web_client import make_api_token

NAMES = ["Apple", "Pear", "Plum"]


@dataclass(frozen=True, slots=True)
class Production:
    """A version in production."""

    version: TinyVersion
    deployment_id: int


def in_production(
    project_id: int, *, upper: float = 0.8, lower: float = 0.4, names: list[str] | None = None, seed: int = 0
) -> Production:
    """Make a tiny version and put it into production."""
    version = tiny_version(project_id, names or NAMES, seed=seed)
    return Production(version, deploy(project_id, version.id, upper=upper, lower=lower))


def promote_another(project_id: int, *, seed: int, upper: float = 0.8, lower: float = 0.4) -> Production:
    """End the active deployment and put another tiny version into production."""
    version = tiny_version(project_id, NAMES, seed=seed)
    with write() as session:
        active = (Deployment.project_id == project_id, Deployment.is_active)
        session.execute(update(Deployment).where(*active).values(is_active=False, ended_at=now()))
        values = {
            "project_id": project_id,
            "version_id": version.id,
            "throwaway": False,
            "is_active": True,
            "act": "promote",
            "reason": "better",
            "upper_threshold": upper,
            "lower_threshold": lower,
            "created_at": now(),
        }
        deployment_id = session.scalars(insert(Deployment).returning(Deployment.id), values).one()
    return Production(version, deployment_id)


def bearer(user_id: int, project_id: int, **options: Any) -> dict[str, str]:
    """Headers of a client application."""
    token = make_api_token(user_id=user_id, project_id=project_id, **options)
    return {"Authorization": f"Bearer {token}"}


def set_keep_policy(project_id: int, policy: str) -> None:
    with write() as session:
        session.execute(update(Project).where(Project.id == project_id).values(keep_served_images=policy))


def small_image(shade: int = 0) -> bytes:
    """A little PNG of one colour; another for each shade."""
    target = io.BytesIO()
    Image.new("RGB", (32, 32), (shade % 256, (shade * 7) % 256, 90)).save(target, "PNG")
    return target.getvalue()


def unsure_image(version_id: int) -> bytes:
    """A little image for which the version's best confidence is below 0.99."""
    loaded = load_version(version_id)
    for shade in range(256):
        image = small_image(shade)
        if loaded.classifier.scores(from_upload(image, size=loaded.trunk.ref.input_size)[None]).max() < 0.99:
            return image
    raise AssertionError("the version is sure of every shade")


def eventually(is_so: Callable[[Session], Any], *, seconds: float = 20.0) -> Any:
    """What `is_so` says in a read session once that is true; fails when it does not become so."""
    deadline = time.monotonic() + seconds
    while True:
        with read() as session:
            found = is_so(session)
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def make_transaction(
    session: Session,
    project_id: int,
    production: Production,
    *,
    at: datetime | None = None,
    decision: str = "answered",
    best: int = 0,
    confidence: float = 0.9,
    client: str = "shop till",
    image_id: int | None = None,
    latency_ms: float = 20.0,
    **values: Any,
) -> str:
    """A transaction as the drainer inserts it; `best` is the position of the best class. Its id."""
    transaction_id = str(ULID.from_datetime(at or now()))
    class_ids = production.version.class_ids
    order = [best, *(place for place in range(len(class_ids)) if place != best)]
    rest = round((1 - confidence) / max(1, len(order) - 1), 6)
    choices = [
        {"class_id": class_ids[place], "name": NAMES[place], "confidence": confidence if place == best else rest}
        for place in order
    ]
    row = {
        "id": transaction_id,
        "project_id": project_id,
        "at": ULID.from_str(transaction_id).datetime,
        "client": client,
        "version_id": production.version.id,
        "deployment_id": production.deployment_id,
        "sent_digest": "0" * 64,
        "image_id": image_id,
        "decision": decision,
        "class_1": class_ids[best],
        "confidence_1": confidence,
        "answer": {"choices": choices, "upper": 0.8, "lower": 0.4},
        "latency_ms": latency_ms,
        "draw": draw_of(transaction_id),
        **values,
    }
    session.execute(insert(Transaction), [row])
    return transaction_id
