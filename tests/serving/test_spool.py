"""What is in the spool is in SQL afterwards: once, whoever drains it, however the process before ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from ulid import ULID

from app.core.clock import now
from app.core.database import read
from app.core.errors import Unavailable
from app.core.storage import digest_of
from app.library.models import Image, ImageSource
from app.projects.models import Project
from app.serving.draining import ASIDE, Drainer
from app.serving.models import Transaction
from app.serving.records import DamagedSegmentError, Spooled, read_records
from app.serving.schemas import Choice, Served
from app.serving.spool import Spool, left_behind, process_folders
from tests.factories.serving import NAMES, Production, in_production, small_image


@pytest.fixture
def serving(project: Project) -> Production:
    return in_production(project.id)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(root: Path) -> Iterator[Spool]:
    opened = Spool(root)
    yield opened
    opened.stop_writing()
    opened.close()


def nobody(_session: Session, _project_id: int) -> None:
    return None


def spooled(project: Project, serving: Production, *, image: bytes = b"", deployment_id: int | None = None) -> Spooled:
    served = Served(
        id=str(ULID.from_datetime(now())),
        project_id=project.id,
        client="shop till",
        version_id=serving.version.id,
        deployment_id=deployment_id or serving.deployment_id,
        sent_digest=digest_of(image),
        byte_count=len(image),
        keeps_image=bool(image),
        decision="answered",
        choices=tuple(
            Choice(class_id, name, 0.5) for class_id, name in zip(serving.version.class_ids, NAMES, strict=True)
        ),
        upper=0.4,
        lower=0.2,
        latency_ms=12.5,
    )
    return Spooled(served, image)


def store(spool: Spool, *records: Spooled) -> None:
    for future in [spool.append(record.encode()) for record in records]:
        future.result(10)


def counts() -> tuple[int, int, int]:
    """Transactions, images, sources."""
    with read() as session:
        found = [session.scalar(select(func.count()).select_from(table)) or 0 for table in (Transaction, Image)]
        return found[0], found[1], session.scalar(select(func.count(ImageSource.transaction_id))) or 0


def test_records_are_read_back_as_they_were_written(spool: Spool, project: Project, serving: Production):
    records = [spooled(project, serving, image=small_image(shade)) for shade in range(5)]
    store(spool, *records)
    assert [record for segment in spool.seal() for record in read_records(segment)] == records


def test_a_segment_cut_short_gives_its_whole_records_and_says_where_they_end(
    spool: Spool, project: Project, serving: Production
):
    records = [spooled(project, serving, image=small_image(shade)) for shade in range(3)]
    store(spool, *records)
    (segment,) = spool.seal()
    content = segment.read_bytes()
    ends = [sum(len(record.encode()) for record in records[:count]) for count in range(4)]
    for length in (1, 11, 12, 40, ends[1] - 1, ends[1] + 1, ends[3] - 1):
        segment.write_bytes(content[:length])
        found: list[Spooled] = []
        with pytest.raises(DamagedSegmentError) as damage:
            found.extend(read_records(segment))
        whole = sum(end <= length for end in ends[1:])
        assert (damage.value.offset, found) == (ends[whole], records[:whole])
    flipped = bytearray(content)
    flipped[ends[1] + 30] ^= 1
    segment.write_bytes(flipped)
    with pytest.raises(DamagedSegmentError):
        list(read_records(segment))


def test_draining_twice_gives_every_transaction_and_image_once(
    spool: Spool, root: Path, project: Project, serving: Production
):
    same = small_image(1)
    store(spool, *(spooled(project, serving, image=image) for image in (same, same, small_image(2), b"")))
    (segment,) = spool.seal()
    again = segment.read_bytes()
    drainer = Drainer(spool, root, arrived=nobody)
    drainer.drain()
    assert counts() == (4, 2, 3)
    assert not segment.exists()
    dead = root / str(ULID())
    dead.mkdir()
    (dead / "lock").touch()
    (dead / "00000000.log").write_bytes(again)
    drainer.drain_dead()
    drainer._images.close()
    assert counts() == (4, 2, 3)
    assert not dead.exists()


def test_the_spool_of_a_living_process_is_left_alone(spool: Spool, root: Path, project: Project, serving: Production):
    store(spool, spooled(project, serving))
    (folder,) = process_folders(root)
    with left_behind(folder) as segments:
        assert segments is None
    other = Spool(root)
    Drainer(other, root, arrived=nobody).drain_dead()
    assert counts()[0] == 0
    other.stop_writing()
    other.close()


def test_a_dead_process_is_drained_by_the_next_one(root: Path, project: Project, serving: Production):
    dead = Spool(root)
    store(dead, spooled(project, serving), spooled(project, serving))
    dead.stop_writing()
    dead.close()
    assert len(process_folders(root)) == 1
    other = Spool(root)
    drainer = Drainer(other, root, arrived=nobody)
    drainer.start()
    drainer.stop()
    other.stop_writing()
    other.close()
    assert counts()[0] == 2
    assert process_folders(root) == []


def test_a_torn_end_and_a_foreign_transaction_are_kept_aside_and_the_rest_goes_in(
    spool: Spool, root: Path, project: Project, serving: Production
):
    foreign = spooled(project, serving, deployment_id=serving.deployment_id + 1)
    store(spool, spooled(project, serving), foreign)
    (segment,) = spool.seal()
    with segment.open("ab") as file:
        file.write(b"half a rec")
    Drainer(spool, root, arrived=nobody).drain()
    assert counts()[0] == 1
    (aside,) = (root / ASIDE).iterdir()
    assert aside.read_bytes() == foreign.encode() + b"half a rec"
    assert spool.seal() == []


def test_segments_rotate_and_keep_their_order(root: Path, project: Project, serving: Production):
    spool = Spool(root, segment_bytes=1000)
    records = [spooled(project, serving) for _ in range(8)]
    for record in records:
        store(spool, record)
    segments = spool.seal()
    assert len(segments) > 1
    assert [record for segment in segments for record in read_records(segment)] == records
    spool.stop_writing()
    spool.close()


def test_where_the_disk_refuses_the_caller_is_told_and_the_next_one_is_served(
    spool: Spool, root: Path, project: Project, serving: Production
):
    root.parent.mkdir(exist_ok=True)
    root.write_text("in the way")
    with pytest.raises(Unavailable):
        store(spool, spooled(project, serving))
    root.unlink()
    store(spool, spooled(project, serving))
    assert len([record for segment in spool.seal() for record in read_records(segment)]) == 1


def test_whoever_waits_for_arrivals_is_told_of_a_grown_pool(
    spool: Spool, root: Path, project: Project, serving: Production
):
    told: list[int] = []

    def arrived(_session: Session, project_id: int) -> None:
        told.append(project_id)

    drainer = Drainer(spool, root, arrived=arrived)
    store(spool, *(spooled(project, serving, image=small_image(shade)) for shade in range(2)))
    drainer._drain_and_tell()
    store(spool, spooled(project, serving, image=small_image(3)))
    drainer._drain_and_tell()
    assert told == [project.id]
    drainer._drain_and_tell(at_once=True)
    drainer._images.close()
    assert told == [project.id, project.id]
