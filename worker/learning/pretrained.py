"""ImageNet weights of the networks in keras.applications: from a folder, from Keras's own cache, or fetched.

The files, addresses and checksums are Keras's own (keras/applications/mobilenet_v3.py). Fetching is done
here because Keras's has no time limit and raises bare exceptions.
"""

import hashlib
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from worker.learning.errors import WeightsRefused, WeightsUnavailable
from worker.learning.files import written_beside

_BASE: Final = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v3/"
_TIMEOUT_S: Final = 20.0
_LARGEST_BYTES: Final = 500_000_000


@dataclass(frozen=True, slots=True)
class _Source:
    file: str
    md5: str


_SOURCES: Final[dict[str, _Source]] = {
    "mobilenet_v3_small": _Source(
        "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5", "d3e8ec802a04aa4fc771ee12a9a9b836"
    ),
    "mobilenet_v3_large": _Source(
        "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5", "07fb09a5933dd0c8eaafa16978110389"
    ),
}


def load_application_weights(
    trunk: Any, architecture: str, *, weights_folder: Path | None, allow_download: bool
) -> None:
    """Fills `trunk`. Raises WeightsUnavailable if no place has the file, WeightsRefused if it does not fit."""
    path = find_application_weights(
        architecture, weights_folder=weights_folder, allow_download=allow_download, base_url=_BASE
    )
    try:
        trunk.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise WeightsRefused(f"{path.name} does not fit {architecture}: {error}.") from error


def find_application_weights(
    architecture: str, *, weights_folder: Path | None, allow_download: bool, base_url: str = _BASE
) -> Path:
    """The checked file of `architecture`: in the folder, in Keras's cache, or fetched into that cache.

    Raises WeightsUnavailable, which lists each place tried and what was wrong there.
    """
    source = _SOURCES[architecture]
    cached = _cache_folder() / source.file
    tried: list[str] = []
    for path in (weights_folder / source.file if weights_folder else None, cached):
        if path is not None:
            problem = _problem_of(path, source)
            if problem is None:
                return path
            tried.append(f"{path} ({problem})")
    if not allow_download:
        tried.append("no download, as the settings forbid it")
    else:
        problem = _fetch(base_url + source.file, source, cached)
        if problem is None:
            return cached
        tried.append(f"{base_url}{source.file} ({problem})")
    raise WeightsUnavailable(
        f"The ImageNet weights of {architecture} are not at hand. Tried: {'; '.join(tried)}."
        f" Put {source.file} into the weights folder, or start at random or from another trunk."
    )


def _cache_folder() -> Path:
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def _problem_of(path: Path, source: _Source) -> str | None:
    if not path.is_file():
        return "not there"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return None if found == source.md5 else "its checksum is wrong"


def _fetch(url: str, source: _Source, path: Path) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - fixed https address
            content = answer.read(_LARGEST_BYTES)
    except OSError as error:
        return str(error)
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != source.md5:
        return "its checksum is wrong"
    with written_beside(path) as beside:
        beside.write_bytes(content)
    return None
