"""Queue policies and mixes of them, as they stand in an address: `uncertain`, `class.12`, `uncertain:50,newest:50`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from app.core.errors import InvalidInput

MAX_PARTS: Final = 6
MAX_SHARE: Final = 100
_PART: Final = re.compile(r"([a-z_]{3,20})(?:\.(\d{1,18}))?(?::(\d{1,3}))?")


class Policy(StrEnum):
    """In which order images are handed out."""

    NEWEST = "newest"
    OLDEST = "oldest"
    UNCERTAIN = "uncertain"
    MARGIN = "margin"
    ENTROPY = "entropy"
    DIVERSE = "diverse"
    DISAGREEMENT = "disagreement"
    RARE = "rare"
    CLASS = "class"
    CLASS_UNSURE = "class_unsure"
    VIEW = "view"


OF_ONE: Final = frozenset({Policy.CLASS, Policy.CLASS_UNSURE, Policy.VIEW})
"""Policies that need to know of which class or view."""
WHOLE_POOL: Final = frozenset(
    {Policy.NEWEST, Policy.OLDEST, Policy.UNCERTAIN, Policy.MARGIN, Policy.ENTROPY, Policy.DIVERSE}
)
"""Orders of all that waits: what they cannot rank comes after, the newest first. The others choose."""


@dataclass(frozen=True, slots=True)
class Part:
    """One policy of a mix: `target` is the id of the class or view, `share` its weight."""

    policy: Policy
    target: int | None = None
    share: int = 1

    @property
    def key(self) -> str:
        """The part without its share: `uncertain`, `class.12`."""
        return self.policy.value if self.target is None else f"{self.policy.value}.{self.target}"


@dataclass(frozen=True, slots=True)
class Mix:
    """One policy, or several by share."""

    parts: tuple[Part, ...] = (Part(Policy.NEWEST),)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The mix that an address means. Raises InvalidInput."""
        parts = [_part(piece) for piece in text.split(",")]
        if len(parts) > MAX_PARTS or len({part.key for part in parts}) < len(parts):
            raise InvalidInput(f"a queue mixes up to {MAX_PARTS} policies, each once; received {text[:100]}")
        return cls(tuple(parts))

    def __str__(self) -> str:
        """As it stands in an address."""
        if len(self.parts) == 1:
            return self.parts[0].key
        return ",".join(f"{part.key}:{part.share}" for part in self.parts)

    @property
    def takes_all(self) -> bool:
        """Whether what no policy ranks follows in the end."""
        return any(part.policy in WHOLE_POOL for part in self.parts)

    def turns(self, given: int, count: int) -> list[Part]:
        """Whose turn it is for the next `count` images after `given` ones: spread evenly, in the shares exactly."""
        total = sum(part.share for part in self.parts)
        due = [0] * len(self.parts)
        order = []
        for _ in range(given % total + count):
            due = [credit + part.share for credit, part in zip(due, self.parts, strict=True)]
            turn = due.index(max(due))
            due[turn] -= total
            order.append(self.parts[turn])
        return order[given % total :]


def _part(piece: str) -> Part:
    found = _PART.fullmatch(piece)
    if found is None or found[1] not in set(Policy):
        raise InvalidInput(f"a queue policy is one of {', '.join(Policy)}, with a share; received {piece[:100]}")
    policy, target, share = Policy(found[1]), found[2], int(found[3] or 1)
    if (policy in OF_ONE) != (target is not None):
        raise InvalidInput(
            f"{', '.join(sorted(OF_ONE))} take an id (class.12), the others none; received {piece[:100]}"
        )
    if not 1 <= share <= MAX_SHARE:
        raise InvalidInput(f"a share is 1 to {MAX_SHARE}; received {piece[:100]}")
    return Part(policy, None if target is None else int(target), share)
