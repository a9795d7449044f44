"""What is listed of a folder, what its names mean, and what a CSV file says of them."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidInput
from app.library.label_table import read_table
from app.library.listing import Entry, FileLabel, FolderSource, Skipped, class_word, label_from_folders, safe_name
from app.library.reading import read_within
from tests.factories.library import write_files


def test_a_folder_is_listed_in_one_order_without_junk(tmp_path: Path):
    names = ["b/2.jpg", "b/1.jpg", "a/x/3.jpg", "top.jpg", "a/.DS_Store", "Thumbs.db", "a/._3.jpg"]
    write_files(tmp_path, dict.fromkeys(names, b"x"))
    listed = [file.name for file in FolderSource(tmp_path).files()]
    assert listed == ["top.jpg", "a/x/3.jpg", "b/1.jpg", "b/2.jpg"]


def test_links_pipes_and_folders_behind_links_are_not_followed(tmp_path: Path):
    secret = write_files(tmp_path / "outside", {"secret.jpg": b"secret"})
    folder = write_files(tmp_path / "photos", {"fine.jpg": b"fine"})
    (folder / "link.jpg").symlink_to(secret / "secret.jpg")
    (folder / "hard way").symlink_to(secret, target_is_directory=True)
    os.mkfifo(folder / "pipe.jpg")
    files = list(FolderSource(folder).files())
    assert [file.name for file in files if isinstance(file, Entry)] == ["fine.jpg"]
    assert {file.name for file in files if isinstance(file, Skipped)} == {"link.jpg", "pipe.jpg"}


def test_a_file_that_becomes_a_link_after_the_listing_is_not_read(tmp_path: Path):
    secret = write_files(tmp_path / "outside", {"secret.jpg": b"secret"}) / "secret.jpg"
    folder = write_files(tmp_path / "photos", {"swapped.jpg": b"fine"})
    (entry,) = FolderSource(folder).files()
    (folder / "swapped.jpg").unlink()
    (folder / "swapped.jpg").symlink_to(secret)
    assert isinstance(entry, Entry)
    with pytest.raises(OSError, match="swapped"):
        read_within(entry, 1000)


def test_names_that_are_no_text_can_still_be_listed(tmp_path: Path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"x")
    (file,) = FolderSource(tmp_path).files()
    assert file.name == "caf\\udce9.jpg"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1.jpg", (None, None)),
        ("Lion/1.jpg", ("Lion", None)),
        ("Lion/cub/1.jpg", ("Lion", "cub")),
        ("Lion/cub/2024/1.jpg", ("Lion", "cub")),
        (" Snow   leopard /1.jpg", ("Snow leopard", None)),
        ("\u202egnp/1.jpg", ("gnp", None)),
        ("Cafe\u0301/1.jpg", ("Café", None)),
    ],
)
def test_the_first_two_folders_name_class_and_sub_class(name: str, expected: tuple[str | None, str | None]):
    label = label_from_folders(name)
    assert (label.class_name, label.sub_class_name) == expected


@given(st.text(max_size=60))
def test_a_safe_name_never_leads_elsewhere(text: str):
    name = safe_name(text)
    if name is not None:
        base = Path("/base")
        assert (base / name).resolve().is_relative_to(base)
        assert ".." not in name.split("/")
        assert name.isprintable() or any(sign.isspace() or not sign.isprintable() for sign in name)
        assert not {"\0", "\n", "\r"} & set(name)


@given(st.text(max_size=300))
def test_a_class_word_is_short_clean_text_and_stays_what_it_is(text: str):
    word = class_word(text)
    if word is not None:
        assert 0 < len(word) <= 200
        assert class_word(word) == word


def test_a_table_labels_by_file_before_folder_and_by_the_deepest_folder():
    table = read_table(
        b"file,folder,class,sub_class,group,photographer\n"
        b",zoo,Cat,,,\n"
        b",zoo/lions,Lion,,site A,Ann\n"
        b"zoo/lions/7.jpg,,Tiger,male,,Ben\n"
        b"9.jpg,,Bear,,,\n"
    )
    assert table("zoo/lions/1.jpg") == FileLabel("Lion", None, "site A", {"photographer": "Ann"})
    assert table("zoo/lions/old/1.jpg").class_name == "Lion"
    assert table("zoo/lions/7.jpg") == FileLabel("Tiger", "male", None, {"photographer": "Ben"})
    assert table("zoo/1.jpg").class_name == "Cat"
    assert table("elsewhere/9.jpg").class_name == "Bear"
    assert table("elsewhere/1.jpg") == FileLabel()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_may_use_any_common_delimiter_and_a_byte_order_mark(delimiter: str):
    text = f"\ufeffFile Name{delimiter}Label{delimiter}Sub-Class\na.jpg{delimiter}Lion{delimiter}cub\n"
    assert read_table(text.encode())("a.jpg") == FileLabel("Lion", "cub")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"class,sub_class\nLion,cub\n", "needs a column 'file' or 'folder'"),
        (b"", "needs a column"),
        (b"file,class\n\xff\xfe,Lion\n", "must be UTF-8"),
        (b"file,class\n../../etc/passwd,Lion\n", "line 2 .* relative path"),
        (b"file,class\n/etc/passwd,Lion\n", "line 2 .* relative path"),
        (b"file,class\na.jpg,Lion\na.jpg,Tiger\n", "line 3 .* second, different label"),
        (b"file,filename\na,b\n", "may occur once"),
        (b'file,class\n"a.jpg,Lion\n', "cannot be read"),
        (b"file,class\n" + b"a" * 1_200_000 + b",Lion\n", "cannot be read"),
    ],
)
def test_a_table_that_breaks_a_rule_is_refused_with_the_rule(content: bytes, reason: str):
    with pytest.raises(InvalidInput, match=reason):
        read_table(content)
