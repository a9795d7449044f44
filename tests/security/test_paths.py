"""No text from a request leads out of the folder it is meant for, however it is encoded."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.database import read, write
from app.core.errors import Forbidden, InvalidInput, NotFound
from app.core.settings import ROOT, get_settings
from app.core.storage import Place, Storage, get_storage
from app.identification.schemas import Selection
from app.identification.selection import selection_size
from app.library.imports import request_import
from app.library.schemas import ImportRequest
from app.library.uploads import StagedWriter, open_upload, staged_files, upload_folder
from app.projects.models import Project
from app.registry.artifacts import checked_path
from tests.factories.library import write_files
from tests.photos import photo
from tests.web_client import Browser, SignInAs

STEPS = (
    *(
        "../",
        "..%2f",
        "%2e%2e/",
        "%2e%2e%2f",
        "%252e%252e%252f",
        "%252e%252e/",
        "..%252f",
        "..\\",
        "..%5c",
        "%2e%2e%5c",
    ),
    *("..%255c", "....//", "..;/", "%c0%ae%c0%ae/", "..%c0%af", "%uff0e%uff0e/", ".%00./", "//", "/%2f", "file:///"),
)
GOALS = ("secret.key", "etc/passwd", "pyproject.toml")
NAMES = (
    *("..", ".", "", "../x", "..%2fx", "%2e%2e%2fx", "a/../b", "/etc/passwd", "a\\b", "a\0b", "a b", ".hidden", "é"),
    *("C:x", "a" * 129, "a..b", "file:x", "x?y", "x#y", "~", "a\n", "a\x85", "．．/x"),
)


def test_addresses_never_lead_to_files(visitor: Browser, sign_in_as: SignInAs, installation: Path, project: Project):
    root = sign_in_as("root")
    root.get("/projects")
    secrets = [
        (installation / "secret.key").read_bytes(),
        b"root:x:",
        b"[build-system]",
        b"SQLite format 3",
        b"create_app",
    ]
    base = f"/projects/{project.slug}"
    starts = ("/static/", "/static/css/", f"{base}/images/1/", f"{base}/imports/uploads/", f"{base}/reports/")
    for start in starts:
        for step in STEPS:
            for goal in GOALS:
                answer = (visitor if start == "/static/" else root).get(f"{start}{step * 4}{goal}")
                assert answer.status_code in (303, 307, 400, 404, 405, 422), (start, step, goal)
                assert not [secret for secret in secrets if secret in answer.content], (start, step, goal)


@pytest.mark.parametrize("name", NAMES)
def test_storage_builds_paths_of_plain_names_alone(installation: Path, name: str):
    storage = get_storage()
    for make in (
        lambda: storage.file_path("artifacts", name),
        lambda: storage.blob_path(name),
        lambda: storage.pack_path(name),
        lambda: storage.get_rendition(Place(name, 0, 10)),
        lambda: checked_path(name, "0" * 64),
        lambda: upload_folder(name, 1),
        lambda: selection_size_of(name),
    ):
        with pytest.raises(NotFound):
            make()
    assert [path for path in installation.rglob("*") if path.name == "x"] == []


def selection_size_of(name: str) -> int:
    with read() as session:
        return selection_size(session, Selection.model_construct(kind="ids", file=name), 1)


def test_an_upload_stays_in_its_own_folder(installation: Path):
    mine, theirs = open_upload(1), open_upload(2)
    for upload_id in (theirs, f"1-/../{theirs}", f"1-../{theirs}", f"{mine}/", f"{mine}/../{theirs}", "1-", "1-x"):
        with pytest.raises(NotFound):
            upload_folder(upload_id, 1)
    folder = upload_folder(mine, 1)
    for name in ("../evil.jpg", "/evil.jpg", "..\\evil.jpg", "C:evil.jpg", "a/../../evil.jpg", "\0", "x" * 2000):
        with pytest.raises(InvalidInput):
            StagedWriter(folder, name=name, max_bytes=10)
    for name in ("%2e%2e%2fevil.jpg", "manifest.jsonl", 'a", "stored_as": "secret.key', "a\n{}"):
        with StagedWriter(folder, name=name, max_bytes=10) as writer:
            writer.write(b"x")
    staged = staged_files(folder)
    assert len(staged) == 4
    assert {file.stored_as for file in staged} == {path.name for path in folder.iterdir()} - {"manifest.jsonl"}
    assert not list(installation.rglob("evil*"))


@pytest.fixture
def roots(installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: ARG001 - must exist
    """An import root that has siblings, and links inside that lead out."""
    write_files(tmp_path, {"in/a/1.jpg": photo(), "inside-out/2.jpg": photo(1), "secret/3.jpg": photo(2)})
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "in" / "table.csv").symlink_to(tmp_path / "secret" / "3.jpg")
    monkeypatch.setenv("WINNOW_IMPORT_ROOTS", f'["{tmp_path / "in"}"]')
    get_settings.cache_clear()
    return tmp_path


def ask(project: Project, **values: str) -> None:
    with write() as session:
        request_import(session, project_id=project.id, user_id=None, request=ImportRequest.model_validate(values))


def test_the_web_imports_from_its_roots_alone(project: Project, roots: Path):
    ask(project, kind="folder", path=str(roots / "in" / "a"))
    for path in (
        *("secret", "inside-out", "in/../secret", "in/link", "in/a/../../secret", "in/./../inside-out", ""),
        *("/etc", "/", "~", "file:///etc", "in\\..\\secret", "nowhere"),
    ):
        with pytest.raises(Forbidden):
            ask(project, kind="folder", path=str(roots / path) if not path.startswith(("/", "~", "file:")) else path)
    with pytest.raises(InvalidInput):
        ask(project, kind="folder", path=f"{roots / 'in'}\0/../secret")
    with pytest.raises(Forbidden):
        ask(project, kind="folder", path=str(roots / "in"), format="csv", labels_path=str(roots / "in" / "table.csv"))
    with pytest.raises(Forbidden):
        ask(project, kind="zip", path=str(ROOT / "pyproject.toml"))


def test_what_lies_outside_the_roots_looks_the_same_whether_it_is_there(project: Project, roots: Path):
    words = set()
    for path in ("secret", "no-such-folder"):
        with pytest.raises(Forbidden) as refused:
            ask(project, kind="folder", path=str(roots / path))
        words.add(refused.value.message.replace(path, ""))
    assert len(words) == 1


def test_without_roots_the_web_imports_from_nowhere(project: Project, tmp_path: Path):
    write_files(tmp_path, {"in/1.jpg": photo()})
    for path in (tmp_path / "in", tmp_path, Path("/")):
        with pytest.raises(Forbidden):
            ask(project, kind="folder", path=str(path))


def test_a_stored_name_is_never_taken_on_trust(tmp_path: Path):
    """A row that says "../../x" (a damaged or hostile database) gives no path either."""
    storage = Storage(tmp_path / "data")
    (tmp_path / "outside").write_bytes(b"secret")
    for name in ("../../outside", str(tmp_path / "outside")):
        with pytest.raises(NotFound):
            storage.get_rendition(Place(name, 0, 6))
