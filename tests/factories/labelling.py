"""A project with people, classes and images as rows, for tests of labelling."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.core.clock import now
from app.labelling.classes import create_class, create_sub_class
from app.labelling.models import LabelEvent
from app.library.models import Image
from app.library.service import insert_images
from app.projects.models import Member, Project


@dataclass(frozen=True, slots=True)
class Workplace:
    """Ids of a project, two labellers, a reviewer, three classes (Lion with male and cub, Tiger, Bear)."""

    project_id: int
    ann: int
    ben: int
    rita: int
    lion: int
    tiger: int
    bear: int
    male: int
    cub: int


def user(session: Session, name: str) -> int:
    """Somebody who cannot sign in; the id."""
    person = User(name=name, password_hash="none", created_at=now())
    session.add(person)
    session.flush()
    return person.id


def project(session: Session, name: str = "Big cats", **values: Any) -> int:
    """An empty project; the id."""
    made = Project(name=name, slug=name.lower().replace(" ", "-"), created_at=now(), **values)
    session.add(made)
    session.flush()
    return made.id


def workplace(session: Session, name: str = "Big cats") -> Workplace:
    """A project with people and classes."""
    project_id = project(session, name)
    people = {}
    for person, role in (("ann", "labeller"), ("ben", "labeller"), ("rita", "reviewer")):
        user_id = session.scalar(select(User.id).where(User.name == person)) or user(session, person)
        session.add(Member(project_id=project_id, user_id=user_id, role=role))
        people[person] = user_id
    lion, tiger, bear = (
        create_class(session, project_id=project_id, name=class_name).id for class_name in ("Lion", "Tiger", "Bear")
    )
    male, cub = (
        create_sub_class(session, project_id=project_id, class_id=lion, name=sub_name).id
        for sub_name in ("male", "cub")
    )
    return Workplace(project_id, people["ann"], people["ben"], people["rita"], lion, tiger, bear, male, cub)


def images(session: Session, project_id: int, count: int, *, start: int = 0, **values: Any) -> list[int]:
    """`count` images in the pool, without bytes, in id order; `values` set further columns of each."""
    rows = [
        {
            "sha256": hashlib.sha256(f"{project_id}:{number}".encode()).hexdigest(),
            "file_name": f"photo-{number:05}.jpg",
            "byte_count": 1000 + number,
            "format": "JPEG",
            "width": 640,
            "height": 480,
            "extra": {},
            "created_at": now(),
            **values,
        }
        for number in range(start, start + count)
    ]
    return sorted(insert_images(session, project_id, rows).values())


def image(session: Session, image_id: int) -> Image:
    """The image as it is stored now."""
    return session.get_one(Image, image_id, populate_existing=True)


def history(session: Session, image_id: int) -> Sequence[LabelEvent]:
    """The image's label events, oldest first."""
    return session.scalars(select(LabelEvent).where(LabelEvent.image_id == image_id).order_by(LabelEvent.id)).all()
