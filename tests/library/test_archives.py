"""Zip archives come from strangers: nothing in them leads out of the import, hangs it, or fills the machine."""

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from app.core.errors import InvalidInput, TooLarge
from app.library.archive import ArchiveSource
from app.library.listing import Entry, Skipped
from app.library.reading import UNREADABLE, read_within

ENTRIES, BYTES = 100, 1_000_000


def archive(
    folder: Path, members: dict[str, bytes], *, name: str = "photos.zip", method: int = zipfile.ZIP_DEFLATED
) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w", method) as made:
        for member, content in members.items():
            made.writestr(member, content)
    return path


def listed(path: Path, *, max_entries: int = ENTRIES, max_bytes: int = BYTES) -> tuple[list[str], dict[str, str]]:
    """Names that would be imported, and the skipped ones with the reason."""
    source = ArchiveSource(path, name=path.name, max_entries=max_entries, max_bytes=max_bytes)
    files = list(source.files())
    source.close()
    names = [file.name for file in files if isinstance(file, Entry)]
    return names, {file.name: file.reason for file in files if isinstance(file, Skipped)}


@pytest.mark.parametrize(
    "name",
    [
        "../../escaped.jpg",
        "Lion/../../../etc/passwd",
        "/etc/passwd",
        "//server/share/a.jpg",
        "..\\..\\escaped.jpg",
        "C:\\Windows\\a.jpg",
        "c:/a.jpg",
        "Lion/\x00../a/../../b.jpg",
        "a" * 1025,
    ],
)
def test_a_name_that_leads_elsewhere_is_skipped_and_writes_nothing(tmp_path: Path, name: str):
    path = archive(tmp_path, {"Lion/1.jpg": b"x"})
    with zipfile.ZipFile(path, "a") as made:
        info = zipfile.ZipInfo("placeholder")
        info.filename = info.orig_filename = name
        made.writestr(info, b"evil")
    names, skipped = listed(path)
    assert names == ["Lion/1.jpg"]
    assert list(skipped.values()) == ["its name is not a plain relative path"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["photos.zip"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_devices_in_an_archive_are_skipped(tmp_path: Path, kind: int):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as made:
        info = zipfile.ZipInfo("Lion/link.jpg")
        info.create_system = 3
        info.external_attr = (kind | 0o777) << 16
        made.writestr(info, "/etc/passwd")
    assert listed(path) == ([], {"Lion/link.jpg": "links and special files are not followed"})


def test_encrypted_doubled_and_oddly_compressed_members_are_skipped_with_the_reason(tmp_path: Path):
    path = archive(tmp_path, {"a/locked.jpg": b"secret", "a/fine.jpg": b"fine"}, method=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.find(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with zipfile.ZipFile(path, "a") as made:
        made.writestr("a/lzma.jpg", b"x", zipfile.ZIP_LZMA)
        with pytest.warns(UserWarning, match="Duplicate name"):
            made.writestr("a/fine.jpg", b"other")
    names, skipped = listed(path)
    assert names == ["a/fine.jpg"]
    assert skipped == {
        "a/locked.jpg": "it is encrypted",
        "a/lzma.jpg": "it is compressed by a method other than deflate",
        "a/fine.jpg": "its name occurs twice in the archive",
    }


def test_what_systems_leave_behind_is_passed_over_in_silence(tmp_path: Path):
    junk = {"__MACOSX/Lion/._1.jpg": b"x", "Lion/.DS_Store": b"x", "Lion/Thumbs.db": b"x", "Lion/1.jpg": b"x"}
    assert listed(archive(tmp_path, junk)) == (["Lion/1.jpg"], {})


def test_the_folder_that_is_named_like_the_archive_and_holds_everything_is_no_class(tmp_path: Path):
    wrapped = archive(tmp_path, {"photos/Lion/1.jpg": b"x", "photos/Tiger/2.jpg": b"x", "__MACOSX/photos/._x": b"x"})
    assert listed(wrapped)[0] == ["Lion/1.jpg", "Tiger/2.jpg"]
    plain = archive(tmp_path, {"Lion/1.jpg": b"x"}, name="zoo.zip")
    assert listed(plain)[0] == ["Lion/1.jpg"]


def test_a_folder_of_folders_that_holds_everything_is_no_class_whatever_the_archive_is_called(tmp_path: Path):
    renamed = archive(tmp_path, {"photos/Lion/1.jpg": b"x", "photos/Tiger/2.jpg": b"x"}, name="photos (1).zip")
    assert listed(renamed)[0] == ["Lion/1.jpg", "Tiger/2.jpg"]
    beside = archive(tmp_path, {"Lion/cub/1.jpg": b"x", "Tiger/2.jpg": b"x"}, name="zoo.zip")
    assert listed(beside)[0] == ["Lion/cub/1.jpg", "Tiger/2.jpg"]


def test_an_archive_that_unpacks_to_more_than_the_limit_is_refused(tmp_path: Path):
    bomb = archive(tmp_path, {"a.jpg": bytes(3_000_000)})
    assert bomb.stat().st_size < 10_000
    with pytest.raises(TooLarge, match="unpack to at most 1,000,000 bytes; this one says 3,000,000"):
        listed(bomb)


def test_a_member_that_lies_about_its_size_gives_no_more_than_it_said(tmp_path: Path):
    path = archive(tmp_path, {"a.jpg": bytes(3_000_000)})
    content = bytearray(path.read_bytes())
    for signature, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<L", content, content.find(signature) + at, 1000)
    path.write_bytes(content)
    source = ArchiveSource(path, name=path.name, max_entries=ENTRIES, max_bytes=BYTES)
    (entry,) = source.files()
    assert isinstance(entry, Entry)
    with pytest.raises(UNREADABLE, match="CRC"):
        read_within(entry, BYTES)
    source.close()


def test_an_archive_of_too_many_entries_is_refused_before_they_are_loaded(tmp_path: Path):
    path = archive(tmp_path, {f"{number}.jpg": b"" for number in range(101)})
    with pytest.raises(TooLarge, match="at most 100 entries"):
        listed(path)
    assert len(listed(path, max_entries=101)[0]) == 101


def test_an_entry_count_that_lies_is_counted_anyway(tmp_path: Path):
    path = archive(tmp_path, {f"{number}.jpg": b"" for number in range(101)})
    content = bytearray(path.read_bytes())
    end = content.rfind(b"PK\5\6")
    struct.pack_into("<HH", content, end + 8, 1, 1)
    path.write_bytes(content)
    with pytest.raises(TooLarge, match="at most 100 entries"):
        listed(path)


def test_an_archive_larger_than_the_limit_is_refused_unopened(tmp_path: Path):
    path = archive(tmp_path, {"a.jpg": bytes(range(256)) * 8}, method=zipfile.ZIP_STORED)
    with pytest.raises(TooLarge, match="at most 1,000 bytes"):
        listed(path, max_bytes=1000)


def good_bytes() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        made.writestr("a.jpg", b"x" * 100)
    return target.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        b"not a zip archive at all" * 10,
        good_bytes()[:-30],
        b"PK\5\6" + bytes(18),
        b"PK\5\6" + b"\xff" * 18,
        b"PK\6\7" + b"\xff" * 16 + b"PK\5\6" + b"\xff" * 18,
        good_bytes().replace(b"PK\1\2", b"PK\1\3"),
    ],
    ids=["empty", "two bytes", "text", "cut off", "no entries", "absurd", "absurd 64-bit", "damaged directory"],
)
def test_what_is_no_archive_is_refused_in_words_or_is_empty(tmp_path: Path, content: bytes):
    path = tmp_path / "photos.zip"
    path.write_bytes(content)
    if content == b"PK\5\6" + bytes(18):
        assert listed(path) == ([], {})
        return
    with pytest.raises(InvalidInput, match="zip archive"):
        listed(path)
