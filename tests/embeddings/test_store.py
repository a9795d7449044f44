"""The index follows the images: computed once, stale when turned, missing again when its shard is damaged."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import func, select

from app.core.database import read, write
from app.core.storage import get_storage
from app.embeddings.models import Embedding, EmbeddingShard
from app.embeddings.store import add, missing, read_embeddings, sweep_orphans
from app.embeddings.work import embed_library, embed_missing
from app.library.service import change_images
from app.registry.artifacts import LoadedTrunk, load_trunk
from tests.factories.predictions import photo_images, run_now
from tests.factories.registry import tiny_trunk_row, tiny_version
from tests.factories.runs import any_project

pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def project_id(installation: object) -> int:  # noqa: ARG001 - must exist first
    with write() as session:
        return any_project(session)


@pytest.fixture
def trunk(project_id: int) -> LoadedTrunk:  # noqa: ARG001 - must exist first
    with write() as session:
        trunk_id = tiny_trunk_row(session)
    return load_trunk(trunk_id)


def embeddings_of(trunk: LoadedTrunk, image_ids: list[int]) -> tuple[list[int], np.ndarray]:
    with read() as session:
        return read_embeddings(session, trunk.ref.id, image_ids)


def missing_of(trunk: LoadedTrunk, image_ids: list[int]) -> list[int]:
    with read() as session:
        return [source.image_id for source in missing(session, trunk.ref.id, image_ids)]


def rows_and_shards() -> tuple[int, int]:
    with read() as session:
        return (
            session.scalar(select(func.count()).select_from(Embedding)) or 0,
            session.scalar(select(func.count()).select_from(EmbeddingShard)) or 0,
        )


def test_embeddings_are_computed_once_and_read_in_the_order_asked(project_id: int, trunk: LoadedTrunk):
    ids = photo_images(project_id, 7)
    told: list[int] = []
    done = embed_missing(trunk, ids, on_progress=told.append, rows_per_shard=3)
    assert (done.computed, done.at_hand, done.unreadable) == (7, 0, [])
    assert told[-1] == 7
    asked = [ids[5], ids[0], 999_999, ids[3]]
    found, rows = embeddings_of(trunk, asked)
    assert found == [ids[5], ids[0], ids[3]]
    assert (rows.dtype, rows.shape) == (np.float32, (3, trunk.ref.width))
    _, each = embeddings_of(trunk, [ids[0]])
    assert np.array_equal(rows[1], each[0])
    again = embed_missing(trunk, ids)
    assert (again.computed, again.at_hand) == (0, 7)


def test_delivering_a_chunk_twice_changes_nothing(project_id: int, trunk: LoadedTrunk):
    ids = photo_images(project_id, 3)
    rows = np.arange(3 * trunk.ref.width, dtype=np.float32).reshape(3, -1)
    add(trunk.ref, [(image_id, 0) for image_id in ids], rows)
    add(trunk.ref, [(image_id, 0) for image_id in reversed(ids)], rows * 2)
    found, stored = embeddings_of(trunk, ids)
    assert found == ids
    assert np.array_equal(stored, rows)
    assert rows_and_shards()[0] == 3


def test_turning_an_image_makes_its_embedding_stale_until_it_is_computed_anew(project_id: int, trunk: LoadedTrunk):
    ids = photo_images(project_id, 4)
    embed_missing(trunk, ids)
    _, before = embeddings_of(trunk, ids)
    with write() as session:
        change_images(session, [ids[1]], project_id=project_id, rotation=90)
    assert missing_of(trunk, ids) == [ids[1]]
    assert embeddings_of(trunk, ids)[0] == [ids[0], ids[2], ids[3]]
    assert embed_missing(trunk, ids).computed == 1
    found, after = embeddings_of(trunk, ids)
    assert found == ids
    assert not np.array_equal(after[1], before[1])
    assert np.array_equal(after[[0, 2, 3]], before[[0, 2, 3]])
    assert rows_and_shards()[0] == 4


def test_a_damaged_shard_is_dropped_and_computed_again_to_the_same_values(project_id: int, trunk: LoadedTrunk):
    ids = photo_images(project_id, 6)
    embed_missing(trunk, ids, rows_per_shard=1)
    _, before = embeddings_of(trunk, ids)
    shards = sorted((get_storage().root / "embeddings").glob("*/*/*.f16"))
    for shard in shards:
        content = bytearray(shard.read_bytes())
        content[-1] ^= 0xFF
        shard.write_bytes(content)
    assert embeddings_of(trunk, ids)[0] == []
    assert rows_and_shards() == (0, 0)
    assert embed_missing(trunk, ids).computed == 6
    found, after = embeddings_of(trunk, ids)
    assert found == ids
    assert np.array_equal(before, after)


def test_a_kill_costs_the_chunk_in_hand_and_the_rest_is_equal_bit_for_bit(project_id: int, trunk: LoadedTrunk):
    ids = photo_images(project_id, 40)

    def killed_at_32(settled: int) -> None:
        if settled >= 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_missing(trunk, ids, on_progress=killed_at_32, rows_per_shard=16)
    assert rows_and_shards()[0] == 32
    assert embed_missing(trunk, ids).computed == 8
    found, resumed = embeddings_of(trunk, ids)
    with write() as session:
        change_images(session, ids, project_id=project_id, rotation=180)
        change_images(session, ids, project_id=project_id, rotation=0)
        session.execute(Embedding.__table__.delete())
    embed_missing(trunk, ids)
    again, undisturbed = embeddings_of(trunk, ids)
    assert found == again == ids
    assert np.array_equal(resumed, undisturbed)


def test_an_image_whose_rendition_is_gone_is_counted_and_does_not_stop_the_others(project_id: int, trunk: LoadedTrunk):
    ids = photo_images(project_id, 2)
    with write() as session:
        change_images(session, [ids[0]], project_id=project_id, rendition_pack="gone.pack")
    done = embed_missing(trunk, ids)
    assert (done.computed, done.unreadable) == (1, [ids[0]])


def test_orphans_go_once_they_are_old_and_living_shards_stay(project_id: int, trunk: LoadedTrunk):
    ids = photo_images(project_id, 2)
    embed_missing(trunk, ids)
    folder = next((get_storage().root / "embeddings").glob("*/*"))
    (folder / "01ARZ3NDEKTSV4RRFFQ69G5FAV.f16").write_bytes(b"never indexed")
    (folder / ".01ARZ3NDEKTSV4RRFFQ69G5FAV.f16.x.part").write_bytes(b"half")
    assert sweep_orphans() == 0
    with write() as session:
        change_images(session, ids, project_id=project_id, rotation=90)
    embed_missing(trunk, ids)
    assert sweep_orphans(older_than=timedelta(seconds=-60)) == 3
    assert embeddings_of(trunk, ids)[0] == ids
    assert rows_and_shards() == (2, 1)


def test_the_run_embeds_the_whole_library_by_the_reference_trunk(project_id: int):
    ids = photo_images(project_id, 3)
    version = tiny_version(project_id, ["Apple", "Pear"])
    run = run_now(project_id, "embeddings.embed", {}, embed_library)
    assert (run.state, run.result["computed"]) == ("succeeded", 3)
    assert missing_of(load_trunk(version.trunk_id), ids) == []


def test_without_a_reference_trunk_the_run_says_so(project_id: int):
    run = run_now(project_id, "embeddings.embed", {}, embed_library)
    assert (run.state, run.error_code) == ("failed", "conflict")
    assert "no reference trunk" in run.error_message
