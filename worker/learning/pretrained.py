"""ImageNet weights of the networks in keras.applications: from a folder, from Keras's own cache, or fetched.

The files, addresses and checksums are Keras's own (`app.registry.weights`). Fetching is done here because Keras's has
no time limit and raises bare exceptions.
"""

import hashlib
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from app.registry.weights import PUBLISHED, Published, keras_cache, published_places
from worker.learning.convnext import load_keras_weights
from worker.learning.errors import WeightsRefused, WeightsUnavailable
from worker.learning.files import written_beside

_TIMEOUT_S: Final = 20.0
_LARGEST_BYTES: Final = 500_000_000
_MD5_DIGITS: Final = 32


def load_application_weights(
    trunk: Any, architecture: str, *, weights_folder: Path | None, allow_download: bool, digest: str | None = None
) -> None:
    """Fills `trunk`; `digest` as in `find_application_weights`.

    Raises WeightsUnavailable if no place has the file, WeightsRefused if it does not fit.
    """
    path = find_application_weights(
        architecture, weights_folder=weights_folder, allow_download=allow_download, digest=digest
    )
    try:
        if architecture == "convnext_tiny":
            load_keras_weights(trunk, path)
        else:
            trunk.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise WeightsRefused(f"{path.name} does not fit {architecture}: {error}.") from error


def find_application_weights(
    architecture: str,
    *,
    weights_folder: Path | None,
    allow_download: bool,
    address: str | None = None,
    digest: str | None = None,
) -> Path:
    """The checked file of `architecture`: in the folder, in Keras's cache, or fetched into that cache.

    `address` is another place to fetch it from, `digest` that of other weights than the published ones.
    Raises WeightsUnavailable, which lists each place tried and what was wrong there.
    """
    source = PUBLISHED[architecture]
    if digest is not None:
        source = replace(source, digest=digest)
    tried: list[str] = []
    for path in published_places(architecture, weights_folder):
        problem = _problem_of(path, source)
        if problem is None:
            return path
        tried.append(f"{path} ({problem})")
    if not allow_download:
        tried.append("no download, as the settings forbid it")
    else:
        cached, url = keras_cache() / source.file, address or source.address
        problem = _fetch(url, source, cached)
        if problem is None:
            return cached
        tried.append(f"{url} ({problem})")
    raise WeightsUnavailable(
        f"The ImageNet weights of {architecture} are not at hand. Tried: {'; '.join(tried)}."
        f" Put {source.file} into the weights folder, or start at random or from another trunk."
    )


def _algorithm(source: Published) -> str:
    return "md5" if len(source.digest) == _MD5_DIGITS else "sha256"


def _problem_of(path: Path, source: Published) -> str | None:
    if not path.is_file():
        return "not there"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(_algorithm(source), usedforsecurity=False)).hexdigest()
    return None if found == source.digest else "its checksum is wrong"


def _fetch(url: str, source: Published, path: Path) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - fixed https address
            content = answer.read(_LARGEST_BYTES)
    except OSError as error:
        return str(error)
    if hashlib.new(_algorithm(source), content, usedforsecurity=False).hexdigest() != source.digest:
        return "its checksum is wrong"
    with written_beside(path) as beside:
        beside.write_bytes(content)
    return None
