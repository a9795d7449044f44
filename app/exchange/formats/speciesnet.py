"""SpeciesNet and MegaDetector batch JSON: what a model of others said of each picture, and the same of ours.

https://github.com/google/cameratrapai : a class is `uuid;class;order;family;genus;species;common name`. Predictions
stay beside the label; `speciesnet_labels` takes the final prediction for one, as somebody who trusts it may choose.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.core.database import Json
from app.core.errors import InvalidInput
from app.exchange.formats.documents import describing, entries, first_with
from app.exchange.formats.names import file_part
from app.exchange.formats.plan import Problems, StoredPlan
from app.exchange.formats.rows import EXTRA_KEY, ExportRow, Rows, extras, json_document, kept_fields, planned
from app.exchange.schemas import Format, Listing, PlannedFile, PlannedPrediction

PREDICTIONS_NAME: Final = "predictions.json"
_PLACES: Final = ("country", "admin1_region", "latitude", "longitude")
_PARTS: Final = 7
_NAMES_OF_OURS: Final = uuid.UUID("6f6d4a52-7c35-5b0e-9d8e-1b0c2f7a9e31")


class SpeciesNetWriter:
    """`images/` and `predictions.json` with our production version's answers; an image without one is a failure."""

    name = "speciesnet"
    title = "SpeciesNet predictions"

    def place(self, row: ExportRow) -> str:
        """All in one folder."""
        return f"images/{file_part(row.file, row.format)}"

    def describing(self, rows: Rows) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The predictions."""
        yield PREDICTIONS_NAME, json_document({}, predictions=(_entry(row) for row in rows()))


def _entry(row: ExportRow) -> Json:
    entry: Json = {"filepath": row.path or row.file, EXTRA_KEY: extras(row)}
    entry |= {place: row.metadata[place] for place in _PLACES[:2] if place in row.metadata}
    if not row.predictions:
        return entry | {"failures": ["CLASSIFIER"]}
    named = [(_taxon(name), round(confidence, 6)) for name, confidence in row.predictions[:5]]
    return entry | {
        "classifications": {"classes": [name for name, _ in named], "scores": [score for _, score in named]},
        "prediction": named[0][0],
        "prediction_score": named[0][1],
        "prediction_source": "classifier",
        "model_version": row.predicted_by,
    }


def _taxon(class_name: str) -> str:
    """Our class as the common name of a taxon of which nothing else is known."""
    return f"{uuid.uuid5(_NAMES_OF_OURS, class_name)};;;;;;{class_name}"


def _class_of(taxon: str) -> str:
    """The common name, else genus and species, else the most particular rank told."""
    parts = [part.strip() for part in taxon.split(";", _PARTS - 1)]
    if len(parts) < _PARTS:
        return taxon.strip()
    *ranks, genus, species, common = parts[1:]
    scientific = f"{genus} {species}".strip() if species else genus
    return common or scientific or next((rank for rank in reversed(ranks) if rank), "")


def _read(listing: Listing, *, as_labels: bool) -> StoredPlan:
    name = _predictions_name(listing)
    if name is None:
        raise InvalidInput("SpeciesNet predictions are a JSON object with 'predictions' and 'filepath'; there is none")
    problems = Problems()

    def files() -> Iterator[PlannedFile]:
        for number, entry in enumerate(entries(name, listing.read(name), "predictions.item"), start=1):
            file = entry.get("filepath") if isinstance(entry, dict) else None
            if not isinstance(file, str) or not file.strip():
                problems.add(f"prediction {number} has no filepath")
                continue
            predictions = _predictions(entry)
            kept = kept_fields(entry.get(EXTRA_KEY))
            final = entry.get("prediction")
            trusted = _class_of(final) if as_labels and isinstance(final, str) else None
            yield planned(
                file,
                kept.get("class_name") or trusted,
                kept=kept,
                metadata={place: str(entry[place]) for place in _PLACES if entry.get(place) not in (None, "")},
                predictions=predictions,
            )

    return StoredPlan(files(), describing=describing(listing, name), problems=problems)


def _predictions(entry: Mapping[str, Any]) -> list[PlannedPrediction]:
    """The classifications, best first; the final prediction alone where there are none."""
    told = kept_fields(entry.get("classifications"))
    source = str(entry.get("model_version") or entry.get("prediction_source") or "")
    pairs = list(zip(_listed(told.get("classes")), _listed(told.get("scores")), strict=False))
    if not pairs and isinstance(entry.get("prediction"), str):
        pairs = [(entry["prediction"], entry.get("prediction_score"))]
    return [
        PlannedPrediction(class_name, _confidence(score), None, source)
        for taxon, score in pairs
        if isinstance(taxon, str) and (class_name := _class_of(taxon))
    ]


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _confidence(score: object) -> float | None:
    return float(score) if isinstance(score, int | float) and 0 <= score <= 1 else None


def _predictions_name(listing: Listing) -> str | None:
    return first_with(listing, "predictions", "filepath")


def _recognised(listing: Listing) -> bool:
    return _predictions_name(listing) is not None


SPECIESNET = Format(
    "speciesnet", "SpeciesNet: predictions as suggestions", _recognised, lambda listing: _read(listing, as_labels=False)
)
SPECIESNET_LABELS = Format(
    "speciesnet_labels",
    "SpeciesNet: predictions as labels",
    _recognised,
    lambda listing: _read(listing, as_labels=True),
)
