"""Images per second at import, against the bare cost of what must be done to each photo.

Product: an import of a folder by the import's own path (reading, decoding children, originals on disk, renditions in
packs, hashes and measures, duplicate groups, rows in SQLite), kept to one core and then given two. Starting the
children, and the first statements of a process, are not counted: a few other photos go before.
Baseline: SHA-256, scaled decoding and both renditions, in memory, in one process on one core, by libjpeg-turbo and
Pillow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import simplejpeg
from filling import make_project
from measuring import (
    Figure,
    Goal,
    Options,
    Outcome,
    cores_here,
    in_turns,
    installation,
    on_cores,
    rate,
    ratio,
    run_benchmark,
    say,
)
from photos import enlarged, load_photos, spread
from PIL import Image as Picture
from sqlalchemy import func, select

from app.core.clock import now
from app.core.database import read, write
from app.imaging.limits import rendition_size, thumbnail_size
from app.imaging.renditions import RENDITION_QUALITY, THUMBNAIL_QUALITY
from app.library.importing import Pipeline, read_parts
from app.library.listing import FolderSource, no_label
from app.library.models import Image, ImportBatch
from app.library.preparing import Preparer
from app.library.reading import Labels
from app.library.schemas import ImportRequest, SourceKind

ABOUT: Final = "Images per second at import against the bare cost of hashing, decoding and making both renditions."
SIZES: Final = {"as_is": (None, 400, 1200), "1mp": (1.0, 200, 600), "12mp": (12.0, 60, 200)}
"""Megapixels, and how many photos: quick, and in full."""
JUDGED: Final = ("1mp", "12mp")


def measure(options: Options) -> Outcome:
    """Each size of photo in turns; the goal is for the worse of the two large ones."""
    rounds = options.choose_rounds(quick=3, full=5)
    photos = load_photos(options)
    warm_up = [photo.content for photo in photos[-2:]]
    figures: dict[str, Figure] = {}
    counts: dict[str, int] = {}
    for name, (megapixels, quick, full) in SIZES.items():
        chosen = spread(photos[:-2], options.choose_photos(quick=quick, full=full))
        contents = [enlarged(photo.content, megapixels) if megapixels else photo.content for photo in chosen]
        counts[f"photos_{name}"] = len(contents)
        say(f"{name}: {len(contents)} photos, {sum(map(len, contents)) / len(contents) / 1000:.0f} kB each")
        figures |= {f"{figure}_{name}": value for figure, value in _measure_size(contents, warm_up, rounds).items()}
    for figure in ("share_of_decoder", "scaling_2_cores"):
        measured = [value for name in JUDGED if (value := figures.get(f"{figure}_{name}")) is not None]
        figures[figure] = min(measured, default=None)
    goal = Goal("share_of_decoder", figures["share_of_decoder"], "at least", 0.7)
    return Outcome({"rounds": rounds, **counts}, figures, [goal])


def _measure_size(contents: Sequence[bytes], warm_up: Sequence[bytes], rounds: int) -> dict[str, Figure]:
    acts = {
        "bare": partial(_bare_rate, contents),
        "product": partial(_product_rate, contents, warm_up, cores=1),
    }
    if cores_here() > 1:
        acts["product_2_cores"] = partial(_product_rate, contents, warm_up, cores=2)
    measured = in_turns(rounds, acts)
    figures: dict[str, Figure] = {f"{name}_images_per_second": median(values) for name, values in measured.items()}
    figures["share_of_decoder"] = ratio(measured["product"], measured["bare"])
    if "product_2_cores" in measured:
        figures["scaling_2_cores"] = ratio(measured["product_2_cores"], measured["product"])
    return figures


def _bare_rate(contents: Sequence[bytes]) -> float:
    with on_cores(1):
        return rate(len(contents), lambda: [_bare(content) for content in contents])


def _bare(content: bytes) -> tuple[str, bytes, bytes]:
    """Digest, rendition and thumbnail, as the product would make them."""
    digest = hashlib.sha256(content).hexdigest()
    height, width, *_ = simplejpeg.decode_jpeg_header(content)
    size = rendition_size(width, height)
    pixels = simplejpeg.decode_jpeg(content, "RGB", min_width=size[0], min_height=size[1])
    rendition = _resized(Picture.fromarray(pixels), size)
    thumbnail = _resized(rendition, thumbnail_size(*size))
    return digest, _encoded(rendition, RENDITION_QUALITY), _encoded(thumbnail, THUMBNAIL_QUALITY)


def _resized(image: Picture.Image, size: tuple[int, int]) -> Picture.Image:
    return image if image.size == size else image.resize(size, Picture.Resampling.BILINEAR, reducing_gap=2.0)


def _encoded(image: Picture.Image, quality: int) -> bytes:
    encoded: bytes = simplejpeg.encode_jpeg(np.asarray(image), quality, "RGB", "420")
    return encoded


def _product_rate(contents: Sequence[bytes], warm_up: Sequence[bytes], *, cores: int) -> float:
    """Images per second into an empty library, on so many cores and as many decoding children."""
    with on_cores(cores), installation(decode_workers=cores) as data, Preparer() as preparer:
        project_id = make_project()
        _import(project_id, _written(data / "warm-up", warm_up), preparer)
        folder = _written(data / "photos", contents)
        found = rate(len(contents), lambda: _import(project_id, folder, preparer))
        with read() as session:
            added = session.scalar(select(func.count()).select_from(Image)) or 0
    if added != len(contents) + len(warm_up):
        raise RuntimeError(f"{len(contents)} photos were imported; the library has {added - len(warm_up)}")
    return found


def _written(folder: Path, contents: Sequence[bytes]) -> Path:
    folder.mkdir()
    for number, content in enumerate(contents):
        (folder / f"{number:06d}.jpg").write_bytes(content)
    return folder


def _import(project_id: int, folder: Path, preparer: Preparer) -> None:
    """Import a folder into the pool, as a run of the worker does."""
    request = ImportRequest(kind=SourceKind.FOLDER, path=str(folder), format="unlabelled")
    batch = ImportBatch(project_id=project_id, name=folder.name, kind="folder", origin="real", created_at=now())
    with write() as session:
        session.add(batch)
    pipeline = Pipeline(batch, request, preparer, label_imported=lambda *_: None)
    for _ in pipeline.take_all(read_parts(FolderSource(folder), Labels(no_label), batch.id)):
        pass


if __name__ == "__main__":
    run_benchmark("import", measure, about=ABOUT)
