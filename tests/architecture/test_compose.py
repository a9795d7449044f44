"""docker-compose.yml is valid by the Compose Specification, starts real modules and carries no secret."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import yaml
from compose_spec import ComposeSpecification

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)


def test_the_file_follows_the_compose_specification():
    parsed = ComposeSpecification.model_validate({key: value for key, value in COMPOSE.items() if key[:2] != "x-"})
    assert parsed.services is not None
    assert {"web", "worker", "trainer", "beat", "postgres", "redis"} <= set(parsed.services)


def test_each_command_names_a_module_that_exists():
    for name in ("web", "worker", "trainer", "beat"):
        command = COMPOSE["services"][name]["command"]
        module = next(part for part in command if part.startswith(("app.", "worker."))).split(":")[0]
        assert importlib.util.find_spec(module), (name, module)


def test_every_queue_has_a_consumer():
    from app.runs.kinds import RUN_KINDS

    taken: set[str] = set()
    for service in COMPOSE["services"].values():
        command = service.get("command") or []
        if "-Q" in command:
            taken |= set(command[command.index("-Q") + 1].split(","))
    assert {kind.queue for kind in RUN_KINDS.values()} | {"default"} == taken


def test_no_password_is_written_in_the_file():
    assert "PASSWORD:" not in TEXT
    assert all("file" in secret for secret in COMPOSE["secrets"].values())
    assert ":winnow@" not in TEXT
