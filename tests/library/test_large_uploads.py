"""Large files arrive in chunks: they go on where they stopped, whatever broke, and nothing acknowledged is lost."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.errors import Conflict, InvalidInput, NotFound, TooLarge
from app.core.settings import get_settings
from app.core.storage import digest_of, get_storage
from app.library import uploads
from app.projects.models import Project
from tests.web_client import SignInAs

CONTENT = os.urandom(300_000)


@pytest.fixture
def folder(installation: Path) -> Path:  # noqa: ARG001 - must exist first
    """The staging place of an upload to project 1."""
    return uploads.upload_folder(uploads.open_upload(1), 1)


def begin(folder: Path, name: str = "birds.zip", size: int = len(CONTENT)) -> uploads.Arriving:
    return uploads.begin_large(folder, name=name, size=size, mark="1700000000", max_bytes=10**6)


def test_chunks_make_one_file_and_an_announced_one_is_found_again(folder: Path):
    file = begin(folder)
    assert file.offset == 0
    for at in range(0, len(CONTENT), 100_000):
        chunk = CONTENT[at : at + 100_000]
        told = uploads.append_chunk(folder, file.file_id, offset=at, chunk=chunk, digest=digest_of(chunk))
        assert begin(folder) == told
        assert told.offset == at + 100_000
        assert uploads.arrived(folder) == [told]
    assert [(one.name, one.stored_as) for one in uploads.staged_files(folder)] == [("birds.zip", file.file_id)]
    assert (folder / file.file_id).read_bytes() == CONTENT
    with pytest.raises(Conflict, match="arrived whole"):
        uploads.append_chunk(folder, file.file_id, offset=len(CONTENT), chunk=b"")


def test_what_does_not_fit_changes_nothing(folder: Path):
    file = begin(folder)
    uploads.append_chunk(folder, file.file_id, offset=0, chunk=CONTENT[:1000])
    wrong = (
        (Conflict, 0, CONTENT[:1000], ""),
        (Conflict, 2000, CONTENT[2000:3000], ""),
        (InvalidInput, 1000, CONTENT[1000:2000], digest_of(b"something else")),
        (TooLarge, 1000, CONTENT, ""),
    )
    for fault, offset, chunk, digest in wrong:
        with pytest.raises(fault):
            uploads.append_chunk(folder, file.file_id, offset=offset, chunk=chunk, digest=digest)
    with pytest.raises(TooLarge):
        begin(folder, "huge.zip", 10**6 + 1)
    with pytest.raises(TooLarge, match="disk has room"):
        uploads.begin_large(folder, name="all.zip", size=2**60, mark="", max_bytes=2**61)
    with pytest.raises(InvalidInput):
        begin(folder, "../evil.zip")
    for file_id in ("../../winnow.db", "0" * 32, "manifest.jsonl"):
        with pytest.raises(NotFound):
            uploads.arriving(folder, file_id)
    assert uploads.arriving(folder, file.file_id).offset == 1000
    assert uploads.staged_files(folder) == []


def test_a_server_killed_between_the_last_byte_and_the_note_has_lost_nothing(folder: Path):
    file = begin(folder)
    (folder / f"{file.file_id}.part").write_bytes(CONTENT)
    assert begin(folder).offset == len(CONTENT)
    (folder / "manifest.jsonl").unlink()
    assert uploads.arriving(folder, file.file_id).offset == len(CONTENT)
    assert uploads.arriving(folder, file.file_id).offset == len(CONTENT)
    assert [one.name for one in uploads.staged_files(folder)] == ["birds.zip"]


SENDER = """
import sys
from pathlib import Path
from app.library import uploads
folder, file_id = Path(sys.argv[1]), sys.argv[2]
content = Path(sys.argv[3]).read_bytes()
for at in range(0, len(content), 500):
    print(uploads.append_chunk(folder, file_id, offset=at, chunk=content[at : at + 500]).offset, flush=True)
"""


def test_a_killed_server_has_every_chunk_that_it_acknowledged(folder: Path, tmp_path: Path):
    (tmp_path / "content").write_bytes(CONTENT)
    file = begin(folder)
    command = [sys.executable, "-c", SENDER, str(folder), file.file_id, str(tmp_path / "content")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        acknowledged = [int(sender.stdout.readline()) for _ in range(40)][-1]
        sender.send_signal(signal.SIGKILL)
    offset = begin(folder).offset
    assert acknowledged <= offset < len(CONTENT)
    assert (folder / f"{file.file_id}.part").read_bytes() == CONTENT[:offset]


def test_over_http_it_goes_on_after_a_chunk_whose_answer_was_lost(
    sign_in_as: SignInAs, project: Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WINNOW_MAX_UPLOAD_BYTES", "200000")
    get_settings.cache_clear()
    browser = sign_in_as("engineer")
    opened = browser.post(f"/projects/{project.slug}/imports/uploads").json()
    announce = {"name": "birds.zip", "size": len(CONTENT), "mark": "1"}
    begun = browser.post(opened["large_url"], params=announce)
    assert begun.status_code == 201
    url = begun.json()["file_url"]
    first = CONTENT[:150_000]
    sent = {"offset": 0, "sha256": digest_of(first)}
    assert browser.patch(url, params=sent, content=first).json()["offset"] == 150_000
    again = browser.patch(url, params=sent, content=first, headers={"Accept": "application/json"})
    assert (again.status_code, again.json()["error"]["detail"]) == (409, {"offset": 150_000})
    assert browser.get(url).json()["offset"] == 150_000
    state = browser.get(f"/projects/{project.slug}/imports/uploads/{opened['upload_id']}").json()
    assert [(file["name"], file["offset"], file["size"]) for file in state["files"]] == [
        ("birds.zip", 150_000, 300_000)
    ]
    assert browser.patch(url, params={"offset": 150_000}, content=CONTENT[150_000:]).json()["offset"] == 300_000
    assert browser.post(opened["large_url"], params={**announce, "name": "a.jpg"}).status_code == 413
    assert browser.patch(url, params={"offset": 0}, content=bytes(uploads.CHUNK_BYTES + 2**17)).status_code == 413
    staged = get_storage().root / "uploads" / opened["upload_id"] / begun.json()["file_id"]
    assert staged.read_bytes() == CONTENT


def test_a_small_file_that_is_sent_twice_is_one_file(sign_in_as: SignInAs, project: Project):
    browser = sign_in_as("engineer")
    opened = browser.post(f"/projects/{project.slug}/imports/uploads").json()
    for mark in ("1", "1", "2"):
        sent = browser.post(opened["files_url"], params={"name": "a.jpg", "mark": mark}, content=b"x")
        assert sent.status_code == 201
    folder = uploads.upload_folder(opened["upload_id"], project.id)
    assert [file.name for file in uploads.staged_files(folder)] == ["a.jpg", "a.jpg (2)"]
