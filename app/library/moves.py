"""Who keeps counts of images by state and origin must hear of each change, in the transaction that makes it.

Domains above the library declare their follower; `app.assembly.following` joins them. A process in which nobody has
joined them may not move an image: a count that was forgotten would be wrong for ever, and nothing would tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy.orm import Session


class Standing(NamedTuple):
    """Where an image stands: its state and its origin."""

    state: str
    origin: str


class Move(NamedTuple):
    """From one standing to another."""

    before: Standing
    after: Standing


# Gets the write session, the project, and the images that made each move (ids ascending).
Follower = Callable[[Session, int, Mapping[Move, list[int]]], None]

_joined: dict[str, tuple[Follower, ...]] = {}


def join_followers(*followers: Follower) -> None:
    """Declare, once for this process, who hears of moves."""
    _joined["all"] = followers


def tell_followers(
    session: Session, project_id: int, before: Mapping[int, Standing], after: Mapping[int, Standing]
) -> None:
    """Tell of the images (by id) that stand elsewhere now. Raises RuntimeError where no followers were joined."""
    if "all" not in _joined:
        raise RuntimeError("an image's state or origin changes only where app.assembly.following is imported")
    moves = moves_between(before, after.items())
    if moves:
        for follow in _joined["all"]:
            follow(session, project_id, moves)


def moves_between(before: Mapping[int, Standing], after: Iterable[tuple[int, Standing]]) -> dict[Move, list[int]]:
    """The images that moved, by what their move was."""
    moves: defaultdict[Move, list[int]] = defaultdict(list)
    for image_id, standing in after:
        if before[image_id] != standing:
            moves[Move(before[image_id], standing)].append(image_id)
    return dict(moves)
