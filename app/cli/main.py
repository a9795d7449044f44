"""The `winnow` command: every sub-command, joined. Heavy packages are imported by the commands that need them."""

from __future__ import annotations

import typer

from app.assembly import following as _followers  # noqa: F401 - images may change where it is imported
from app.cli import demo, exchange, library, processes, snapshots, studies, training, versions

app = typer.Typer(
    help="Winnow: iterative image-classification curation and retraining.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("up")(processes.up)
app.command("demo")(demo.demo)
app.command("import")(library.import_command)
app.command("export")(exchange.export)
app.command("relabel")(exchange.relabel)
app.command("snapshot")(snapshots.snapshot)
app.command("train")(training.train)
app.command("study")(studies.study)
app.command("identify")(versions.identify)
app.command("evaluate")(versions.evaluate)
app.command("promote")(versions.promote)
app.command("rollback")(versions.roll_back)
app.command("serve")(processes.serve)
app.command("doctor")(processes.doctor)
app.add_typer(processes.user_app, name="user")


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
