"""Keys of one's own for the commands of the labelling screen: per person, conflicts refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.core.database import insert_into
from app.core.errors import Conflict, InvalidInput
from app.core.texts import tr
from app.labelling.queue_models import KeyBinding

USUAL_KEYS: Final = {
    "accept": "Space",
    "find": "/",
    "unknown": "u",
    "none": "n",
    "not_good": "x",
    "small": "l",
    "rotate": "r",
    "skip": "s",
    "note": "m",
    "remove": "Delete",
    "undo": "z",
    "redo": "Shift+z",
    "back": "ArrowLeft",
    "next": "ArrowRight",
}
"""The commands, with the keys that they have until somebody chooses others."""
_NAMED: Final = "Space|Delete|Backspace|Insert|Home|End|PageUp|PageDown|Arrow(?:Left|Right|Up|Down)|F(?:[1-9]|1[0-2])"
_KEY: Final = re.compile(rf"(?:Ctrl\+)?(?:Alt\+)?(?:Shift\+)?(?:{_NAMED}|[^\s\x00-\x1f\x7f])")
_FIXED: Final = frozenset({*"123456789", "?", "Ctrl+z", "Ctrl+Shift+z"})
_BROWSER: Final = frozenset({"Ctrl+w", "Ctrl+t", "Ctrl+n", "Ctrl+q", "Ctrl+r", "F5", "F11", "F12"})


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the labelling screen with the key it has for somebody."""

    name: str
    words: str
    key: str
    usual: str

    @property
    def is_own(self) -> bool:
        """Whether the key was chosen."""
        return self.key != self.usual


def command_words(name: str) -> str:
    """What a command does, in the language of the page."""
    return {
        "accept": tr("Accept the first suggestion"),
        "find": tr("Find a class by name"),
        "unknown": tr("Unknown"),
        "none": tr("None of the classes"),
        "not_good": tr("Not good, then a digit for the reason"),
        "small": tr("Small subject, or not"),
        "rotate": tr("Turn by 90°"),
        "skip": tr("Skip"),
        "note": tr("Write a note"),
        "remove": tr("Remove the image"),
        "undo": tr("Undo"),
        "redo": tr("Do it again"),
        "back": tr("Back to the image before"),
        "next": tr("On to the next image"),
    }[name]


def commands_of(session: Session, user_id: int) -> list[Command]:
    """Every command with the key that it has for this person."""
    rows = session.execute(select(KeyBinding.command, KeyBinding.key).where(KeyBinding.user_id == user_id))
    own = dict(rows.all())
    return [Command(name, command_words(name), own.get(name, usual), usual) for name, usual in USUAL_KEYS.items()]


def bind_key(session: Session, *, user_id: int, command: str, key: str) -> None:
    """Give a command a key of one's own, or its usual one back ("").

    A key is named as the browser does: "u", "Shift+u", "Ctrl+ArrowLeft", "F2". Raises InvalidInput where it is none,
    Conflict where it is taken.
    """
    if command not in USUAL_KEYS:
        raise InvalidInput(f"a command is one of {', '.join(USUAL_KEYS)}; received {command[:40]!r}")
    wanted = key.strip() or USUAL_KEYS[command]
    if not _KEY.fullmatch(wanted) or wanted != _lowered(wanted):
        raise InvalidInput(tr("“%(key)s” is no key: press one, or write such as u, Shift+u or F2", key=wanted))
    if wanted in _FIXED or wanted in _BROWSER:
        raise Conflict(tr("“%(key)s” always keeps its meaning; choose another key", key=wanted))
    for other in commands_of(session, user_id):
        if other.key == wanted and other.name != command:
            raise Conflict(
                tr("“%(key)s” already means “%(words)s”; give that another key first", key=wanted, words=other.words)
            )
    session.execute(delete(KeyBinding).where(KeyBinding.user_id == user_id, KeyBinding.command == command))
    if wanted != USUAL_KEYS[command]:
        row = {"user_id": user_id, "command": command, "key": wanted}
        session.connection().execute(insert_into(session, KeyBinding), [row])


def forget_keys(session: Session, user_id: int) -> None:
    """The usual keys for every command."""
    session.execute(delete(KeyBinding).where(KeyBinding.user_id == user_id))


def _lowered(key: str) -> str:
    """The key as it is stored: a letter stands in lower case, Shift is said."""
    *modifiers, last = key.split("+") if not key.endswith("+") else [*key[:-1].rstrip("+").split("+"), "+"]
    return "+".join([*filter(None, modifiers), last.lower() if len(last) == 1 else last])
