"""The shard file: raw C-order float16 rows behind a header of 64 bytes, never changed once it is written.

Header, little-endian: magic (8 bytes), format version (u32), width (u32), rows (u64), CRC-32 of the rows (u32), CRC-32
of the header before it (u32), zeros. Files: `embeddings/{trunk digest}/{preprocessing}/{ulid}.f16`.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from ulid import ULID

from app.core.errors import NotFound, WinnowError
from app.core.storage import get_storage, written_beside
from app.registry.schemas import TrunkRef

HEADER_BYTES: Final = 64
LARGEST: Final = 65_504.0
SUFFIX: Final = ".f16"
_MAGIC: Final = b"WINNOWEM"
_FORMAT: Final = 1
_FIELDS: Final = struct.Struct("<8sIIQI")
_CRC: Final = struct.Struct("<I")
_MATRIX: Final = 2
_ROWS_AT_ONCE: Final = 64
# float16: sign, 5 bits of exponent (bias 15), 10 of fraction; float32: sign, 8 (bias 127), 23 (IEEE 754, 3.4).
_LONGER_FRACTION: Final = np.int32(23 - 10)
_WITHOUT_COPIES_OF_SIGN: Final = np.int32(-0x7000_2000)
_EXPONENT: Final = np.float32(2.0 ** (127 - 15))


class EmbeddingRefused(WinnowError):
    """Embeddings that float16 cannot hold."""

    code = "embedding"


class ShardDamaged(WinnowError):
    """A shard file that is missing, short, or not what was written."""

    code = "shard_damaged"


def shard_folder(trunk: TrunkRef) -> str:
    """The storage folder of a trunk's shards."""
    return f"embeddings/{trunk.digest}/{trunk.preprocessing}"


def shard_path(trunk: TrunkRef, name: str) -> Path:
    """Where a shard of this trunk lies."""
    return get_storage().file_path(shard_folder(trunk), name)


def to_half(embeddings: NDArray[np.float32]) -> NDArray[np.float16]:
    """float16 rows of float32 (N, E). Raises EmbeddingRefused for NaN, infinity, or beyond 65,504 either way."""
    if embeddings.ndim != _MATRIX:
        raise EmbeddingRefused(f"embeddings have the shape (N, E); received {embeddings.shape}")
    if not np.isfinite(embeddings).all():
        raise EmbeddingRefused("an embedding must be finite; received NaN or infinity")
    largest = float(np.abs(embeddings).max(initial=0.0))
    if largest > LARGEST:
        raise EmbeddingRefused(f"an embedding's values lie within ±{LARGEST:,.0f}; received {largest:,.1f}")
    return np.ascontiguousarray(embeddings, dtype=np.float16)


def to_single(rows: NDArray[np.float16]) -> NDArray[np.float32]:
    """float32 of finite float16 rows (N, E), exactly: subnormal values and the sign of zero too.

    By the bits, which is four times as fast as NumPy's own conversion: sign and the other bits go where float32 has
    them, and a product by 2^112 puts the exponent right. Blocks stay in the processor's cache.
    """
    single = np.empty(rows.shape, dtype=np.float32)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = single[start : start + _ROWS_AT_ONCE]
        bits = part.view(np.int32)
        bits[...] = np.ascontiguousarray(rows[start : start + _ROWS_AT_ONCE]).view(np.int16)
        bits <<= _LONGER_FRACTION
        bits &= _WITHOUT_COPIES_OF_SIGN
        part *= _EXPONENT
    return single


def write_shard(trunk: TrunkRef, rows: NDArray[np.float16]) -> str:
    """Write (N, E) rows as a new shard, durable when this returns; returns its name."""
    if rows.ndim != _MATRIX or rows.dtype != np.float16 or rows.shape[1] != trunk.width or not len(rows):
        raise ValueError(f"a shard holds float16 (N > 0, {trunk.width}); received {rows.dtype} {rows.shape}")
    name = f"{ULID()}{SUFFIX}"
    content = np.ascontiguousarray(rows).astype("<f2", copy=False).tobytes()
    header = _FIELDS.pack(_MAGIC, _FORMAT, rows.shape[1], len(rows), zlib.crc32(content))
    with written_beside(shard_path(trunk, name)) as file:
        file.write((header + _CRC.pack(zlib.crc32(header))).ljust(HEADER_BYTES, b"\0"))
        file.write(content)
    return name


def open_shard(trunk: TrunkRef, name: str, *, rows: int) -> NDArray[np.float16]:
    """The rows (rows, E) of a shard, mapped, read-only. Checked whole when this process first meets the file.

    Raises ShardDamaged with the reason.
    """
    try:
        path = shard_path(trunk, name)
        status = path.stat()
        _check(path, status.st_mtime_ns, status.st_size, rows, trunk.width)
        return np.memmap(path, dtype="<f2", mode="r", offset=HEADER_BYTES, shape=(rows, trunk.width))
    except (FileNotFoundError, NotFound) as error:
        raise ShardDamaged(f"the shard {name} is missing") from error


@lru_cache(maxsize=65_536)
def _check(path: Path, _modified_ns: int, size: int, rows: int, width: int) -> None:
    """Raises ShardDamaged. Cached by the file's identity: a CRC over 10 MB costs about 5 ms, a lookup nothing."""
    expected = HEADER_BYTES + rows * width * 2
    if size != expected:
        raise ShardDamaged(f"the shard {path.name} has {size} bytes where {expected} are due")
    with path.open("rb") as file:
        header, content = file.read(HEADER_BYTES), file.read()
    fields = header[: _FIELDS.size]
    if _CRC.unpack_from(header, _FIELDS.size)[0] != zlib.crc32(fields):
        raise ShardDamaged(f"the header of shard {path.name} does not match its CRC")
    magic, version, stored_width, stored_rows, crc = _FIELDS.unpack(fields)
    if (magic, version, stored_width, stored_rows) != (_MAGIC, _FORMAT, width, rows):
        raise ShardDamaged(
            f"the header of shard {path.name} says format {version}, {stored_rows} × {stored_width};"
            f" due are format {_FORMAT}, {rows} × {width}"
        )
    if zlib.crc32(content) != crc:
        raise ShardDamaged(f"the rows of shard {path.name} do not match their CRC")
