"""Label Studio JSON for image classification: tasks with annotations and predictions.

https://labelstud.io/guide/export and /guide/predictions : a choice is a result of type `choices`, ids of results are
distinct, `was_cancelled` marks a skipped task. Fields of ours stand in a task's `meta`, which Label Studio keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import quoteattr

from app.core.database import Json
from app.core.errors import InvalidInput
from app.exchange.formats.documents import HEAD_BYTES, beside, describing, documents, entries
from app.exchange.formats.names import SUFFIXES, file_part
from app.exchange.formats.plan import Problems, StoredPlan
from app.exchange.formats.rows import EXTRA_KEY, ExportRow, Rows, extras, json_entries, kept_fields, planned
from app.exchange.schemas import Format, Listing, PlannedFile, PlannedPrediction
from app.library.models import ImageState

TASKS_NAME: Final = "tasks.json"
CONFIG_NAME: Final = "label_config.xml"
_FROM, _TO = "choice", "image"
_UPLOAD_MARK: Final = 8
_HEX: Final = frozenset("0123456789abcdef")


class LabelStudioWriter:
    """`images/`, the tasks, and the labelling configuration that goes with them."""

    name = "label_studio"
    title = "Label Studio"

    def place(self, row: ExportRow) -> str:
        """All in one folder."""
        return f"images/{file_part(row.file, row.format)}"

    def describing(self, rows: Rows) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Tasks and configuration."""
        yield TASKS_NAME, _tasks(rows)
        yield CONFIG_NAME, _config(rows)


def _tasks(rows: Rows) -> Iterator[bytes]:
    yield b"["
    yield from json_entries(_task(row) for row in rows())
    yield b"\n]\n"


def _task(row: ExportRow) -> Json:
    return {
        "id": row.image_id,
        "data": {"image": row.path or row.file, "file": row.file, "sha256": row.sha256},
        "meta": {EXTRA_KEY: extras(row)},
        "annotations": _annotations(row),
        "predictions": [
            {
                "model_version": row.predicted_by,
                "score": round(confidence, 6),
                "result": [_choice(f"p{row.image_id}-{rank}", name)],
            }
            for rank, (name, confidence) in enumerate(row.predictions, start=1)
        ],
    }


def _annotations(row: ExportRow) -> list[Json]:
    """What a person said: a choice; an annotation without one (none of the classes); a skip (unknown); nothing."""
    if row.state not in (ImageState.LABELLED, ImageState.NONE, ImageState.UNKNOWN):
        return []
    result = [_choice(f"a{row.image_id}", row.class_name)] if row.class_name else []
    is_skip = row.state == ImageState.UNKNOWN
    return [{"id": row.image_id, "was_cancelled": is_skip, "ground_truth": False, "result": result}]


def _choice(result_id: str, name: str) -> Json:
    return {"id": result_id, "type": "choices", "from_name": _FROM, "to_name": _TO, "value": {"choices": [name]}}


def _config(rows: Rows) -> Iterator[bytes]:
    labelled = {row.class_name for row in rows() if row.class_name}
    predicted = {name for row in rows() for name, _ in row.predictions}
    choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in sorted(labelled | predicted))
    image = f'  <Image name="{_TO}" value="$image"/>\n'
    yield f'<View>\n{image}  <Choices name="{_FROM}" toName="{_TO}" choice="single">\n{choices}'.encode()
    yield b"  </Choices>\n</View>\n"


def _tasks_name(listing: Listing) -> str | None:
    for name in documents(listing):
        try:
            head = listing.read(name)[:HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
        except InvalidInput:
            continue
        if head.startswith(b"[") and b'"data"' in head and (b'"annotations"' in head or b'"predictions"' in head):
            return name
    return None


class _Files:
    """The file that a task's address means."""

    def __init__(self, listing: Listing, describing: str) -> None:
        self._listing, self._describing = listing, describing

    @cached_property
    def _bases(self) -> frozenset[str]:
        return frozenset(name.rsplit("/", 1)[-1] for name in self._listing.names)

    def named(self, address: str) -> str:
        """Relative to the source: a path beside the tasks, or the last part of an address elsewhere."""
        parts = urlsplit(address) if "://" in address or address.startswith("/data/") else None
        if parts is None:
            return beside(self._describing, address)
        inside = parse_qs(parts.query).get("d")
        path = inside[0] if inside else unquote(parts.path)
        folder, _, base = path.rpartition("/")
        mark, dash, rest = base.partition("-")
        is_marked = bool(dash) and len(mark) == _UPLOAD_MARK and _HEX.issuperset(mark)
        if is_marked and base not in self._bases and rest in self._bases:  # an upload gets a mark before its name
            return rest
        return f"{folder}/{base}" if folder else base


def _read(listing: Listing) -> StoredPlan:
    name = _tasks_name(listing)
    if name is None:
        raise InvalidInput("Label Studio tasks are a JSON list of objects with 'data'; there is no such file")
    problems, files = Problems(), _Files(listing, name)

    def tasks() -> Iterator[PlannedFile]:
        for number, task in enumerate(entries(name, listing.read(name), "item"), start=1):
            address = _address(task)
            if address is None:
                problems.add(f"task {number} names no image")
                continue
            kept = kept_fields(kept_fields(task.get("meta")).get(EXTRA_KEY))
            class_name, sub_class = _label(task, address, problems)
            predictions = _predictions(task)
            yield planned(files.named(address), class_name, kept=kept, sub_class=sub_class, predictions=predictions)

    return StoredPlan(tasks(), describing=describing(listing, name, also=CONFIG_NAME), problems=problems)


def _address(task: object) -> str | None:
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict):
        return None
    texts = {key: value for key, value in data.items() if isinstance(value, str) and value.strip()}
    suffixes = (*SUFFIXES.values(), ".jpeg", ".tiff")
    pictured = (value for value in texts.values() if value.lower().split("?")[0].endswith(suffixes))
    return texts.get("image") or next(pictured, None)


def _label(task: Mapping[str, Any], address: str, problems: Problems) -> tuple[str | None, str | None]:
    """The choice of the annotation that counts: the ground truth, else the last one that was not skipped."""
    given = [each for each in _objects(task.get("annotations")) if not each.get("was_cancelled")]
    if not given:
        return None, None
    counting = next((each for each in given if each.get("ground_truth")), given[-1])
    told = [_chosen(each) for each in given]
    if len(set(told)) > 1:
        problems.add(f"{address[-80:]!r} has annotations that differ; the ground truth, else the last one counts")
    return _chosen(counting)


def _chosen(annotation: Mapping[str, Any]) -> tuple[str | None, str | None]:
    for result in _objects(annotation.get("result")):
        value = kept_fields(result.get("value"))
        choices = value.get(str(result.get("type")))
        first = choices[0] if isinstance(choices, list) and choices else None
        path = first if isinstance(first, list) else [first]
        if result.get("type") in ("choices", "taxonomy") and path and isinstance(path[0], str):
            return path[0], (path[1] if len(path) > 1 and isinstance(path[1], str) else None)
    return None, None


def _predictions(task: Mapping[str, Any]) -> list[PlannedPrediction]:
    found = []
    for each in _objects(task.get("predictions")):
        class_name, sub_class = _chosen(each)
        score = each.get("score")
        confidence = float(score) if isinstance(score, int | float) and 0 <= score <= 1 else None
        if class_name:
            found.append(PlannedPrediction(class_name, confidence, sub_class, str(each.get("model_version") or "")))
    return found


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


LABEL_STUDIO = Format("label_studio", "Label Studio", lambda listing: _tasks_name(listing) is not None, _read)
