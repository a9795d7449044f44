"""COCO-style JSON for whole images: images, categories, and annotations that give an image its category.

https://cocodataset.org/#format-data ; without boxes, as COCO Camera Traps has it. A sub-class is a category whose
`supercategory` is its class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.core.database import Json
from app.core.errors import InvalidInput
from app.exchange.formats.documents import beside, describing, entries, first_with
from app.exchange.formats.names import file_part
from app.exchange.formats.plan import Notes, Problems, StoredPlan
from app.exchange.formats.rows import EXTRA_KEY, ExportRow, Rows, extras, json_document, kept_fields, planned
from app.exchange.schemas import Format, Listing, PlannedFile

COCO_NAME: Final = "coco.json"
_MEMBERS: Final = ("images", "annotations", "categories")
Label = tuple[str, str]
"""Class and sub-class, "" for none."""
Category = tuple[str, str, str]
"""Class, sub-class and supercategory, "" for none."""


class CocoWriter:
    """`images/` and `coco.json`."""

    name = "coco"
    title = "COCO"

    def place(self, row: ExportRow) -> str:
        """All in one folder."""
        return f"images/{file_part(row.file, row.format)}"

    def describing(self, rows: Rows) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The document."""
        yield COCO_NAME, _document(rows)


def _document(rows: Rows) -> Iterator[bytes]:
    labels = {(row.class_name, row.sub_class) for row in rows() if row.class_name}
    # The class itself is a category too, so that a reader sees which names are classes and which are sub-classes.
    ids = {label: at for at, label in enumerate(sorted(labels | {(name, "") for name, _ in labels}), start=1)}
    categories = [
        {"id": at, "name": sub or name, "supercategory": name if sub else ""} for (name, sub), at in ids.items()
    ]
    yield from json_document(
        {"info": {"description": "Exported by Winnow", "version": "1.0"}, "licenses": [], "categories": categories},
        images=(_image(row) for row in rows()),
        annotations=(_annotation(row, ids) for row in rows() if row.class_name),
    )


def _image(row: ExportRow) -> Json:
    size = {"width": row.width, "height": row.height}
    return {"id": row.image_id, "file_name": row.path or row.file, **size, EXTRA_KEY: extras(row)}


def _annotation(row: ExportRow, ids: Mapping[Label, int]) -> Json:
    return {"id": row.image_id, "image_id": row.image_id, "category_id": ids[row.class_name, row.sub_class]}


def _read(listing: Listing) -> StoredPlan:
    name = first_with(listing, *_MEMBERS)
    if name is None:
        raise InvalidInput(f"a COCO file is a JSON object with {', '.join(_MEMBERS)}; there is none")
    content = listing.read(name)
    problems = Problems()
    categories, is_nested = _categories(list(entries(name, content, "categories.item")))
    chosen = Notes(_chosen(entries(name, content, "annotations.item"), categories, problems))

    def images() -> Iterator[PlannedFile]:
        for number, image in enumerate(entries(name, content, "images.item"), start=1):
            file = image.get("file_name") if isinstance(image, dict) else None
            if not isinstance(file, str) or not file.strip():
                problems.add(f"image {number} has no file_name")
                continue
            found = chosen.get(str(image.get("id")))
            if found == []:
                problems.add(f"{file[-80:]!r} has several categories; one image takes one, so it gets none")
            class_name, sub_class, above = found or ("", "", "")
            metadata = {"supercategory": above} if above and not is_nested else {}
            kept = kept_fields(image.get(EXTRA_KEY))
            yield planned(beside(name, file), class_name, kept=kept, sub_class=sub_class, metadata=metadata)

    return StoredPlan(images(), describing=describing(listing, name), problems=problems)


def _categories(listed: list[Any]) -> tuple[dict[str, Category], bool]:
    """(class, sub-class, supercategory) by category id, and whether supercategories are classes.

    They are where one is itself a category's name, or where two categories share a name; else they are only a heading.
    """
    known = {str(each["id"]): each for each in listed if isinstance(each, dict) and "id" in each}
    names = Counter(str(each.get("name", "")) for each in known.values())
    above = {_above(each) for each in known.values()} - {""}
    is_nested = bool(above & names.keys()) or any(count > 1 for count in names.values())
    return {key: _label(each, is_nested=is_nested) for key, each in known.items()}, is_nested


def _above(category: Mapping[str, Any]) -> str:
    """The supercategory, where it is another than the category itself."""
    above = str(category.get("supercategory") or "")
    return "" if above == str(category.get("name", "")) else above


def _label(category: Mapping[str, Any], *, is_nested: bool) -> Category:
    name, above = str(category.get("name", "")), _above(category)
    return (above, name, above) if is_nested and above else (name, "", above)


def _chosen(
    annotations: Iterator[Any], categories: Mapping[str, Category], problems: Problems
) -> Iterator[tuple[str, Any]]:
    """The category of each image, [] where it has several different ones."""
    seen: dict[str, str] = {}
    for annotation in annotations:
        if not isinstance(annotation, dict):
            continue
        image, category = str(annotation.get("image_id")), str(annotation.get("category_id"))
        if category not in categories:
            problems.add(f"an annotation of image {image[:40]} has the unknown category {category[:40]}")
            continue
        yield image, ([] if seen.setdefault(image, category) != category else list(categories[category]))


COCO = Format("coco", "COCO", lambda listing: first_with(listing, *_MEMBERS) is not None, _read)
