"""What pages say: filters as removable chips, labels and states in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.orm import Session

from app.core.texts import tr
from app.library.class_names import LabelNames, class_names, sub_class_names
from app.library.filters import ImageFilter
from app.library.grammar import Field, fields, own_fields, written
from app.library.models import NOT_GOOD_REASONS, Image, ImageState

STATE_WORDS: Final = {
    ImageState.POOL: "Pool",
    ImageState.LABELLED: "Labelled",
    ImageState.UNKNOWN: "Unknown",
    ImageState.NONE: "None of the classes",
    ImageState.REMOVED: "Removed",
    ImageState.QUARANTINED: "Quarantined",
}
QUALITY_WORDS: Final = {
    "good": "good",
    "not_good": "not good, any reason",
    "unjudged": "not judged yet",
    **{reason: f"not good: {reason.replace('_', ' ')}" for reason in NOT_GOOD_REASONS},
}
YES_NO: Final = (("", "any"), ("true", "yes"), ("false", "no"))


@dataclass(frozen=True, slots=True)
class Names:
    """Names of a project's classes and sub-classes by id; titles and values in words of the fields of one filter."""

    classes: Mapping[int, str]
    sub_classes: Mapping[int, LabelNames]
    titles: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, session: Session, project_id: int, *chosen: ImageFilter) -> Names:
        """Read them, with what these filters need to be said in words."""
        names = class_names(session, project_id), sub_class_names(session, project_id)
        wanted = {each.name: each for one in chosen for each, _ in one.chosen()}
        has_own = any(one.has_own() for one in chosen)
        own = {each.name: title for each, title in own_fields(session, project_id)} if has_own else {}
        titles = {name: own.get(name) or each.title() for name, each in wanted.items()}
        values = {name: _value_words(session, project_id, each) for name, each in wanted.items()}
        return cls(*names, titles, values)

    def label(self, image: Image) -> str | None:
        """An image's label in words: "Lion" or "Lion · cub"; None without one."""
        if image.class_id is None:
            return None
        name = self.classes.get(image.class_id, f"class {image.class_id}")
        sub = self.sub_classes.get(image.sub_class_id or 0)
        return f"{name} · {sub.sub_class_name}" if sub else name


def _value_words(session: Session, project_id: int, wanted: Field) -> dict[str, str]:
    if wanted.kind == "yes_no":
        return {"true": tr("yes"), "false": tr("no")}
    return dict(wanted.choices(session, project_id)) if wanted.choices and wanted.kind == "choice" else {}


def chips(chosen: ImageFilter, names: Names, path: str, **more: object) -> list[dict[str, str]]:
    """Each value of the filter as name, value and the address of the page without it."""
    return [
        {
            "name": names.titles.get(each.name) or each.title(),
            "value": _said(names, each, written(value)),
            "remove": chosen.less(each.name, value).address(path, **more),
        }
        for each, values in chosen.chosen()
        for value in values
    ]


def in_words(chosen: ImageFilter, names: Names) -> str:
    """The filter in one line: "Class: Lion, Tiger · Origin: staged"."""
    return " · ".join(
        f"{names.titles.get(each.name) or each.title()}: "
        + ", ".join(_said(names, each, written(value)) for value in values)
        for each, values in chosen.chosen()
    )


def _said(names: Names, each: Field, value: str) -> str:
    if each.said is not None:
        return each.said(value)
    if each.kind == "shape":
        return tr("drawn on the map")
    known = names.values.get(each.name, {}).get(value)
    if known is None and each.name == "class_id":
        known = names.classes.get(int(value))
    if known is not None:
        return known
    return tr("number %(id)s", id=value) if each.name.endswith("_id") and value.isdecimal() else value


@dataclass(frozen=True, slots=True)
class FormField:
    """A field as a form offers it: `values` are those set, as they stand in an address."""

    name: str
    title: str
    kind: str
    many: bool
    values: tuple[str, ...]
    choices: Sequence[tuple[str, str]]


def form_sections(session: Session, project_id: int, chosen: ImageFilter) -> list[tuple[str, list[FormField]]]:
    """Every field that a project can filter by, in titled sections."""
    titled = [(each, each.title()) for each in fields()] + own_fields(session, project_id)
    sections = []
    for section, title in section_titles().items():
        offered = [
            FormField(
                each.name,
                words,
                each.kind,
                each.many,
                tuple(map(written, chosen.values(each.name))),
                each.choices(session, project_id) if each.choices else (),
            )
            for each, words in titled
            if each.section == section and each.kind != "shape"
        ]
        if offered:
            sections.append((title, offered))
    return sections


def section_titles() -> dict[str, str]:
    """The sections of the filter form, in their order."""
    return {
        "label": tr("Label"),
        "picture": tr("Picture"),
        "origin": tr("Where from"),
        "groups": tr("Groups"),
        "model": tr("Production version"),
        "data_sets": tr("Data sets"),
        "metadata": tr("Metadata"),
    }


def badges(image: Image) -> list[tuple[str, str]]:
    """What a grid says of an image beside its label, as (word, tone)."""
    said: list[tuple[str, str]] = []
    if image.state in (ImageState.UNKNOWN, ImageState.NONE):
        said.append((str(image.state), ""))
    if image.state in (ImageState.REMOVED, ImageState.QUARANTINED):
        said.append((str(image.state), "bad"))
    if image.quality in NOT_GOOD_REASONS:
        said.append((str(image.quality).replace("_", " "), "warn"))
    if image.origin != "real":
        said.append((image.origin, "warn"))
    if image.duplicate_group_id is not None and not image.is_representative:
        said.append(("duplicate", ""))
    return said
