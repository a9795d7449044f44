"""What arriving classes become here: what is proposed, and how a choice is laid over a label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from app.library.listing import FileLabel
from app.library.schemas import ImportRequest, MappedLabel

Likeness = Literal["same", "case", "alias", "spelling", "new"]
_SHORTEST_GUESS: Final = 4


@dataclass(frozen=True, slots=True)
class Proposal:
    """The class here that an arriving name seems to mean, and why; its own name where it is new."""

    class_name: str
    likeness: Likeness


class KnownNames:
    """The names and aliases of a project's classes, for proposals."""

    def __init__(self, names: Iterable[str], aliases: Mapping[str, str]) -> None:
        """`aliases` gives the class name by alias."""
        self._names = set(names)
        self._folded = {name.casefold(): name for name in sorted(self._names)}
        self._aliases = {alias.casefold(): name for alias, name in aliases.items()}
        self._near = {variant: name for name in sorted(self._names) for variant in _variants(name)}

    def propose(self, arriving: str) -> Proposal:
        """The same name, the same but for capitals, an alias, one slip of spelling away, or a new class."""
        if arriving in self._names:
            return Proposal(arriving, "same")
        folded = arriving.casefold()
        if folded in self._folded:
            return Proposal(self._folded[folded], "case")
        if folded in self._aliases:
            return Proposal(self._aliases[folded], "alias")
        near = next((self._near[variant] for variant in _variants(arriving) if variant in self._near), None)
        return Proposal(near, "spelling") if near is not None else Proposal(arriving, "new")


def _variants(name: str) -> Iterator[str]:
    """The name's letters and digits alone, then without one of them, and without a plural s.

    Names that share a variant are one letter apart (more, less, other, or two exchanged), or differ in signs and
    spaces. Short names are not guessed at, and digits never dropped: "site 1" is not "site 2".
    """
    plain = "".join(sign for sign in name.casefold() if sign.isalnum())
    yield plain
    if len(plain) >= _SHORTEST_GUESS:
        yield from (plain[:at] + plain[at + 1 :] for at in range(len(plain)) if not plain[at].isdigit())


def mapped(label: FileLabel, request: ImportRequest) -> FileLabel:
    """A label with the request's choices laid over it: class, sub-class, capture group, columns to keep."""
    metadata = label.metadata
    if request.keep_columns is not None:
        metadata = {name: value for name, value in metadata.items() if name in request.keep_columns}
    target = request.class_map.get(label.class_name or "")
    if label.class_name is None or target is None:
        sub_class_name = label.sub_class_name if request.keep_sub_classes else None
        return replace(label, sub_class_name=sub_class_name, metadata=metadata)
    return replace(
        label,
        class_name=target.class_name,
        sub_class_name=_sub_class(label, target, keep=request.keep_sub_classes),
        metadata=metadata,
    )


def _sub_class(label: FileLabel, target: MappedLabel, *, keep: bool) -> str | None:
    if target.class_name is None:
        return None
    return target.sub_class_name or (label.sub_class_name if keep else None)


def group_of(name: str, label: FileLabel, rule: str) -> str | None:
    """The capture group of a file by the request's rule, where its format names none."""
    if label.group is not None:
        return label.group
    kind, _, what = rule.partition(":")
    if kind == "column":
        return label.metadata.get(what)
    folders = name.split("/")[:-1]
    if kind == "folders" and folders:
        return "/".join(folders[: int(what)])
    return None
