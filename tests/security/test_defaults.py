"""What a fresh installation is like before anybody has set anything."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
import yaml
from sqlalchemy import func, select

from app.accounts import service
from app.accounts.models import ApiToken, User, UserSession
from app.core.database import read, write
from app.core.errors import NotFound
from app.core.migrations import migrate
from app.core.settings import ROOT, Settings, get_settings
from app.web.csrf import session_csrf_token
from tests.conftest import forget_process_state
from tests.web_client import Browser

SECRET_WORDS = re.compile(r"pass(word|wd)|secret|token|api_?key|private_?key", re.IGNORECASE)
ASSIGNED = re.compile(
    r"""(?i)\b(secret|secret_key|password|passwd|api_key|token|jwt)\b['"]?\s*[:=]\s*['"][A-Za-z0-9+/_\-]{12,}['"]"""
)
PASSWORD = "three brown foxes"


def tracked() -> list[Path]:
    """Every file of the product itself."""
    folders = ("app", "worker", "migrations", "templates", "static", ".ci")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    return [path for path in [*files, *ROOT.glob("*")] if path.is_file() and path.suffix in SUFFIXES]


SUFFIXES = {".py", ".js", ".html", ".yml", ".toml", ".ini", ".md", ".sh", ".mako", ""}


def test_no_setting_is_a_secret_with_a_default():
    assert [name for name in Settings.model_fields if SECRET_WORDS.search(name)] == []
    defaults = [str(field.default) for field in Settings.model_fields.values()]
    assert not [value for value in defaults if re.search("://[^/]*:[^/]*@", value)]


def test_no_secret_is_written_in_the_source():
    found = {
        str(path.relative_to(ROOT)): match[0]
        for path in tracked()
        for match in ASSIGNED.finditer(path.read_text(errors="replace"))
    }
    assert found == {}
    keys = [path for path in tracked() if "PRIVATE KEY-----" in path.read_text(errors="replace")]
    assert keys == []


def test_the_compose_file_names_its_secrets_by_file_and_opens_one_port_to_this_machine():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    for service_name, each in compose["services"].items():
        for name, value in (each.get("environment") or {}).items():
            assert not SECRET_WORDS.search(name) or name.endswith("_FILE"), (service_name, name)
            assert not re.search("://[^/]*:[^/]*@", str(value)), (service_name, name)
        assert all(str(port).startswith("127.0.0.1:") for port in each.get("ports") or []), service_name
    assert all("file" in secret for secret in compose["secrets"].values())


def test_it_listens_to_this_machine_alone_and_imports_from_nowhere():
    fresh = Settings.model_construct()
    assert fresh.host == "127.0.0.1"
    assert fresh.import_roots == []
    assert fresh.trunk_weights_dir is None


def test_two_fresh_installations_share_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = []
    for name in ("one", "two"):
        monkeypatch.setenv("WINNOW_DATA_DIR", str(tmp_path / name))
        forget_process_state()
        migrate()
        with write() as session:
            link = service.make_setup_link(session)
        made.append((link, session_csrf_token("the same"), (tmp_path / name / "secret.key").read_bytes()))
    forget_process_state()
    assert not set(made[0]) & set(made[1])


def test_the_data_folder_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "new"
    monkeypatch.setenv("WINNOW_DATA_DIR", str(folder))
    monkeypatch.delenv("WINNOW_TEST_POSTGRES_URL", raising=False)
    forget_process_state()
    migrate()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    forget_process_state()


@pytest.mark.usefixtures("visitor")
def test_there_is_nobody_to_sign_in_as_before_the_first_administrator_is_made():
    with read() as session:
        for table in (User, UserSession, ApiToken):
            assert session.scalar(select(func.count()).select_from(table)) == 0


def link_form(visitor: Browser, link: str) -> dict[str, str]:
    token = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', visitor.get(link).text)
    assert token
    return {"name": "ada", "password": PASSWORD, "csrf_token": token[1]}


def test_the_set_up_link_works_once_and_only_the_newest(visitor: Browser):
    with write() as session:
        old = service.make_setup_link(session)
    with write() as session:
        link = service.make_setup_link(session)
    assert visitor.get(old).status_code == 404
    assert visitor.get(link[:-1] + ("a" if link[-1] != "a" else "b")).status_code == 404
    sent = link_form(visitor, link)
    assert visitor.post(old, data=sent).status_code == 404
    assert visitor.post(link, data=sent).status_code == 303
    visitor.cookies.clear()
    with pytest.raises(NotFound):
        service.set_up(token=link.rpartition("/")[2], name="eve", password=PASSWORD)
    assert visitor.get(link).status_code == 404
    with read() as session:
        assert session.scalars(select(User.name)).all() == ["ada"]


def test_no_address_registers_an_account(visitor: Browser):
    for address in (
        "/register",
        "/signup",
        "/sign-up",
        "/users/new",
        "/user/signup",
        "/api/v1/users",
        "/setup/",
        "/setup",
    ):
        for method in ("GET", "POST", "PUT"):
            assert visitor.request(method, address).status_code in (401, 403, 404, 405, 303), (method, address)
    with read() as session:
        assert session.scalar(select(func.count()).select_from(User)) == 0


def test_a_secret_of_another_length_is_refused(installation: Path):
    (installation / "secret.key").write_bytes(b"short")
    get_settings.cache_clear()
    with pytest.raises(ValueError, match="32 bytes"):
        session_csrf_token("x")


@pytest.mark.parametrize("ignored", [".gitignore", ".dockerignore"])
def test_where_secrets_lie_is_left_out_of_the_repository_and_of_images(ignored: str):
    lines = {line.strip("/") for line in (ROOT / ignored).read_text().splitlines()}
    assert lines >= {".env", "secrets", "var"}
