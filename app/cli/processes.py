"""`winnow up`, `winnow serve`, `winnow doctor`, `winnow user`: running the installation and looking after it."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from app.accounts import service as accounts
from app.cli import diagnosis
from app.cli.family import Family, Member, broker_member, data_folder_lock, web_member, worker_members
from app.cli.output import AsJson, reported, say
from app.cli.waiting import console
from app.core.database import Json, get_engine, read, write
from app.core.errors import Conflict
from app.core.settings import get_settings
from app.runs.claims import sweep

user_app = typer.Typer(help="Accounts.", no_args_is_help=True)


def family_members() -> list[Member]:
    """The whole family; without a broker of its own where a Redis is configured."""
    own_broker = [] if get_settings().broker_url else [broker_member()]
    return [*own_broker, web_member(), *worker_members(with_beat=True)]


def refuse_taken_port() -> None:
    """Raises Conflict while another process listens where the web process should; it would answer in our place."""
    settings = get_settings()
    address_family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=address_family).close()
    except OSError as error:
        raise Conflict(
            f"cannot listen on {settings.host}:{settings.port}: another process has it, or it is not allowed; "
            "set WINNOW_PORT to a free port"
        ) from error


@contextmanager
def running_family() -> Iterator[Family]:
    """A family that is up: started, its web answering, what an earlier one left unfinished announced; ended after."""
    with data_folder_lock():
        family = Family(family_members(), tell=lambda line: console.print(line, style="yellow", highlight=False))
        try:
            refuse_taken_port()
            get_engine().dispose()
            family.start()
            family.wait_for_web()
            sweep()
            yield family
        finally:
            family.stop()


def keep_up(family: Family) -> None:
    """Watch the family until Ctrl-C or a request to end."""
    ended = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    while not ended.wait(0.5):
        family.watch()


def first_link() -> str | None:
    """The one-time link that makes the first administrator, while there is nobody."""
    with read() as session:
        if accounts.has_users(session):
            return None
    with write() as session:
        return get_settings().base_url + accounts.make_setup_link(session)


def up() -> None:
    """Start everything: web, worker, trainer, beat and the broker. Ctrl-C ends all."""
    with reported(as_json=False), running_family() as family:
        console.print(f"Winnow is up: [bold]{get_settings().base_url}[/]", highlight=False)
        link = first_link()
        if link:
            console.print(f"Make the first administrator with this link, once: {link}", soft_wrap=True)
        console.print("Ctrl-C ends all of it.")
        keep_up(family)
        console.print("Ending ...")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
) -> None:
    """Serve the identify API alone, without the pages."""
    import uvicorn

    with reported(as_json=False):
        console.print(f"Serving on http://{host}:{port}/api/v1/identify", highlight=False)
        uvicorn.run(
            "app.main:create_serve_app",
            factory=True,
            host=host,
            port=port,
            log_level=get_settings().log_level.lower(),
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )


def doctor(*, as_json: AsJson = False) -> None:
    """Say what works here: engines, device, database, broker, free disk."""
    findings = diagnosis.look()
    result = {"ok": all(each.is_fine for each in findings), "findings": [each.as_json() for each in findings]}
    say(result, as_json=as_json, text=lambda _: diagnosis.as_table(findings))
    if not result["ok"]:
        raise typer.Exit(1)


@user_app.command("add")
def add_user(
    name: str,
    *,
    administrator: Annotated[bool, typer.Option(help="Give every right in every project.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an account; prints a password that must be changed at the first sign-in."""
    with reported(as_json=as_json):
        user_id, password = accounts.create_user(name=name, by=None, password=None, is_administrator=administrator)
        result: Json = {"user": user_id, "name": name, "one_time_password": password}
        say(result, as_json=as_json, text=lambda each: f"{each['name']}: one-time password {each['one_time_password']}")


@user_app.command("password")
def reset_password(name: str, *, as_json: AsJson = False) -> None:
    """Give an account a new one-time password, which ends its sessions."""
    with reported(as_json=as_json):
        with read() as session:
            user_id = accounts.find_user(session, name).id
        password = accounts.reset_password(user_id, by=None)
        result: Json = {"user": user_id, "name": name, "one_time_password": password}
        say(result, as_json=as_json, text=lambda each: f"{each['name']}: one-time password {each['one_time_password']}")


@user_app.command("list")
def list_users(*, as_json: AsJson = False) -> None:
    """List accounts."""
    with reported(as_json=as_json):
        with read() as session:
            rows = [
                {"name": row.name, "administrator": row.is_administrator, "active": row.is_active}
                for row in accounts.list_users(session)
            ]
        say({"users": rows}, as_json=as_json, text=lambda each: "\n".join(row["name"] for row in each["users"]))


@user_app.command("first-link")
def print_first_link(*, as_json: AsJson = False) -> None:
    """Print the one-time link that makes the first administrator."""
    with reported(as_json=as_json):
        link = first_link()
        say({"link": link}, as_json=as_json, text=lambda each: each["link"] or "There is an account already.")
