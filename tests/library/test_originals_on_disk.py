"""Originals are on disk under their digests once settled; what a kill left is swept, known bytes stay as they are."""

import os
import time
from pathlib import Path

import pytest

from app.core.blob_writer import BlobWriter
from app.core.storage import digest_of, get_storage


def test_settled_originals_are_there_and_nothing_else(installation: Path):
    storage = get_storage()
    contents = [os.urandom(50_000) for _ in range(20)]
    known = storage.put_blob(contents[0])
    before = storage.blob_path(known).stat().st_mtime_ns
    writer = BlobWriter(storage)
    for content in contents:
        writer.add(digest_of(content), content)
    writer.settle()
    writer.settle()
    writer.close()
    assert [storage.get_blob(digest_of(content)) for content in contents] == contents
    assert storage.blob_path(known).stat().st_mtime_ns == before
    assert list((installation / "arrivals").iterdir()) == []


def test_what_was_not_settled_is_no_original_and_goes_after_a_day(installation: Path):
    storage = get_storage()
    writer = BlobWriter(storage)
    writer.add(digest_of(b"a"), b"a")
    writer.close()
    (left,) = (installation / "arrivals").iterdir()
    assert not storage.blob_path(digest_of(b"a")).exists()
    BlobWriter(storage).close()
    assert left.exists(), "another import may be writing it"
    os.utime(left, (time.time() - 90_000,) * 2)
    BlobWriter(storage).close()
    assert not left.exists()


def test_a_disk_that_refuses_is_told_at_the_settling(installation: Path):
    storage = get_storage()
    writer = BlobWriter(storage)
    (installation / "blobs").mkdir(exist_ok=True)
    digest = digest_of(b"b")
    (installation / "blobs" / digest[:2]).write_bytes(b"no folder")
    writer.add(digest, b"b")
    with pytest.raises(OSError, match="exists"):
        writer.settle()
    writer.close()
