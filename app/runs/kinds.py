"""The kinds of long work and the queue each one waits in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunKind:
    """`name` is the Celery task's name too; `queue` decides which process takes it."""

    name: str
    queue: str
    title: str
    is_listed: bool = True
    """False: too small and too many to be listed among others; shown where its kind is asked for."""


RUN_KINDS = {
    kind.name: kind
    for kind in (
        RunKind("library.import", "library", "Import"),
        RunKind("library.capture", "library", "Capture groups"),
        RunKind("library.duplicates", "library", "Search for duplicates"),
        RunKind("labelling.act", "library", "Act on many images"),
        RunKind("labelling.undo", "library", "Undo of a large act"),
        RunKind("exchange.preview", "library", "Import preview"),
        RunKind("exchange.export", "library", "Export"),
        RunKind("exchange.compare", "library", "Comparison of a CSV file"),
        RunKind("exchange.relabel", "library", "Relabelling"),
        RunKind("registry.measure_trunks", "learning", "Speed of trunks"),
        RunKind("registry.measure_engines", "learning", "Choice of an engine"),
        RunKind("embeddings.reference", "learning", "Change of the reference trunk"),
        RunKind("embeddings.clean", "identify", "Clean-up of embeddings"),
        RunKind("embeddings.embed", "identify", "Embedding"),
        RunKind("embeddings.cluster", "identify", "Clusters"),
        RunKind("embeddings.duplicates", "identify", "Search for duplicates by embedding"),
        RunKind("embeddings.subjects", "identify", "Size of subjects"),
        RunKind("embeddings.map", "identify", "Map"),
        RunKind("identification.identify", "identify", "Identification"),
        RunKind("identification.plan", "library", "Plan of an act on many results"),
        RunKind("identification.sweep", "library", "Act on many results"),
        RunKind("identification.bins", "library", "Count of scores", is_listed=False),
        RunKind("identification.assist", "identify", "Help with an identification", is_listed=False),
        RunKind("predictions.clean", "library", "Clean-up of old results"),
        RunKind("evaluation.evaluate", "identify", "Evaluation"),
        RunKind("training.train", "learning", "Training"),
        RunKind("training.compress", "learning", "Smaller version"),
        RunKind("training.preview_augmentation", "learning", "Preview of augmentation", is_listed=False),
        RunKind("training.compare_mirrored", "learning", "Comparison of mirrored images"),
    )
}
UNLISTED_KINDS = frozenset(kind.name for kind in RUN_KINDS.values() if not kind.is_listed)
ASSISTING = "identification.assist"
"""Part of another run's work: never shown as work of its own."""
