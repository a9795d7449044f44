"""Figures taken from the pixels: perceptual hash, sharpness, brightness, contrast."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE: Final = 32
_NOISE: Final = 0.5
_LAPLACIAN_SIDE: Final = 3
_MASK: Final = (1 << 64) - 1
_LEVELS: Final = np.arange(256)


@dataclass(frozen=True, slots=True)
class Measures:
    """Figures of one image."""

    phash: int
    """Signed 64-bit perceptual hash."""
    sharpness: float
    """Variance of the Laplacian of the luma (0..255) at rendition size (Pech-Pacheco et al. 2000)."""
    brightness: float
    """Mean of the luma, 0 to 1."""
    contrast: float
    """Standard deviation of the luma, 0 to 0.5."""


def measure(image: Image.Image) -> Measures:
    """Measure an RGB image of rendition size."""
    luma = image.convert("L")
    counts = np.array(luma.histogram())
    # Whole numbers until the end: the same bits on every machine, whatever its threads.
    mean = float((counts * _LEVELS).sum() / counts.sum())
    variance = max(0.0, float((counts * _LEVELS * _LEVELS).sum() / counts.sum()) - mean**2)
    return Measures(
        phash=perceptual_hash(luma),
        sharpness=_sharpness(np.asarray(luma)),
        brightness=mean / 255.0,
        contrast=variance**0.5 / 255.0,
    )


def perceptual_hash(luma: Image.Image) -> int:
    """64-bit DCT hash as a signed integer (fits BIGINT): the 64 lowest frequencies against their median.

    After pHash (Zauner 2010), but with the constant term left out and frequencies taken along the diagonals,
    so that all 64 bits tell something. A flat image hashes to 0.
    """
    small = np.asarray(luma.resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float64)
    frequencies = (_DCT @ small @ _DCT.T)[_ROWS, _COLUMNS]
    frequencies[np.abs(frequencies) < _NOISE] = 0.0
    bits = np.packbits(frequencies > np.median(frequencies))
    return int.from_bytes(bits.tobytes(), "big", signed=True)


def phash_distance(left: int, right: int) -> int:
    """Number of differing bits, 0 to 64, of two signed 64-bit hashes."""
    return ((left ^ right) & _MASK).bit_count()


def hash_chunks(phash: int) -> tuple[int, int, int, int]:
    """The four 16-bit parts of a hash, highest first: hashes within 3 bits share at least one of them."""
    unsigned = phash & _MASK
    return unsigned >> 48, unsigned >> 32 & 0xFFFF, unsigned >> 16 & 0xFFFF, unsigned & 0xFFFF


def _sharpness(luma: NDArray[np.uint8]) -> float:
    if min(luma.shape) < _LAPLACIAN_SIDE:
        return 0.0
    # Row after row in one line, so that a neighbour is a shift: three times as fast as slices of two dimensions.
    across = luma.shape[1]
    grey = luma.astype(np.int16).ravel()
    edges = grey[across - 1 : -across - 1] + grey[across + 1 : 1 - across]
    edges += grey[: -2 * across]
    edges += grey[2 * across :]
    edges -= 4 * grey[across:-across]
    # Sums of whole numbers stay exact, in whatever order they are added.
    inner = edges.reshape(-1, across)[:, 1:-1].astype(np.float64).ravel()
    squares = float(np.einsum("i,i->", inner, inner))  # not BLAS, whose threads cost more than the sum
    return max(0.0, squares / inner.size - (float(inner.sum()) / inner.size) ** 2)


def _dct_matrix(rows: int) -> NDArray[np.float64]:
    """The first rows of the orthonormal DCT-II of length 32."""
    k, n = np.arange(rows)[:, None], np.arange(_SIDE)[None, :]
    matrix: NDArray[np.float64] = np.cos(np.pi * k * (2 * n + 1) / (2 * _SIDE)) * np.sqrt(2 / _SIDE)
    matrix[0] /= np.sqrt(2)
    return matrix


def _diagonal_order(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column of the lowest frequencies in two dimensions, the constant term left out."""
    cells = sorted((r + c, r, c) for r in range(11) for c in range(11))[1 : count + 1]
    return np.array([r for _, r, _ in cells]), np.array([c for _, _, c in cells])


_DCT: Final = _dct_matrix(11)
_ROWS, _COLUMNS = _diagonal_order(64)
