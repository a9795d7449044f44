"""Archives written as a stream: whole, continued after a kill, readable by others."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path

from app.exchange.zip_writer import Mark, ZipWriter

AT = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)


def test_an_archive_holds_what_was_added_under_its_names(tmp_path: Path):
    path = tmp_path / "a.zip"
    files = {"a.txt": b"one", "Ünï/日本.bin": b"x" * 100_000, "empty": b""}
    with ZipWriter(path, at=AT) as archive:
        for name, content in files.items():
            archive.add(name, [content[:2], content[2:]])
        size = archive.finish()
    assert size == path.stat().st_size
    assert [file.name for file in tmp_path.iterdir()] == ["a.zip"]
    with zipfile.ZipFile(path) as read:
        assert read.testzip() is None
        assert {info.filename: read.read(info) for info in read.infolist()} == files
        assert {info.date_time for info in read.infolist()} == {(2026, 1, 2, 3, 4, 6)}
        assert {info.compress_type for info in read.infolist()} == {zipfile.ZIP_STORED}


def test_a_killed_writer_is_continued_from_its_last_mark(tmp_path: Path):
    path = tmp_path / "a.zip"
    with ZipWriter(path, at=AT) as archive:
        archive.add("first", [b"1"])
        mark = archive.mark()
        archive.add("second", [b"lost"])
        archive.mark()
    with ZipWriter(path, at=AT, mark=mark) as archive:
        archive.add("second", [b"2"])
        archive.finish()
    with zipfile.ZipFile(path) as read:
        assert {name: read.read(name) for name in read.namelist()} == {"first": b"1", "second": b"2"}


def test_more_entries_than_a_plain_archive_can_count(tmp_path: Path):
    path = tmp_path / "many.zip"
    with ZipWriter(path, at=AT) as archive:
        for number in range(65_540):
            archive.add(f"{number}", [b""])
        archive.finish()
    with zipfile.ZipFile(path) as read:
        assert len(read.namelist()) == 65_540


def test_an_archive_above_four_gigabytes_is_read_by_others(tmp_path: Path):
    """The first entry is a hole in a sparse file, so nothing of that size is written."""
    path, hole = tmp_path / "large.zip", 2**32 + 7
    with ZipWriter(path, at=AT) as archive:
        mark = archive.mark()
    with ZipWriter(path, at=AT, mark=Mark(hole, mark.directory_bytes, 0)) as archive:
        archive.add("after", [b"a"])
        archive.finish()
    with zipfile.ZipFile(path) as read:
        assert read.infolist()[0].header_offset == hole
        assert read.read("after") == b"a"
