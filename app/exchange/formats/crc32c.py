"""CRC-32C (Castagnoli, RFC 3720 appendix B.4), as TFRecord files want it. `zlib` has another polynomial only.

Bytes are cut into lanes of equal length that NumPy carries forward together, and the lanes are joined by what so many
zero bytes make of a register: that is linear over the bits, so four tables of 256 do it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL: Final = 0x82F63B78
_LANE: Final = 128
_MASK_DELTA: Final = 0xA282EAD8
_ALL: Final = 0xFFFFFFFF


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint32]:
    register = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        register = np.where(register & 1, (register >> 1) ^ np.uint32(_POLYNOMIAL), register >> 1).astype(np.uint32)
    return register


@lru_cache(maxsize=1)
def _plain_table() -> list[int]:
    plain: list[int] = _table().tolist()
    return plain


@lru_cache(maxsize=1)
def _after_a_lane() -> list[list[int]]:
    """For each byte of a register, lowest first, and each value: what a lane of zero bytes makes of it."""
    values = np.arange(256, dtype=np.uint32)
    registers = np.stack([values << np.uint32(8 * place) for place in range(4)])
    for _ in range(_LANE):
        registers = _table()[registers & 0xFF] ^ (registers >> np.uint32(8))
    tables: list[list[int]] = registers.tolist()
    return tables


def crc32c(content: bytes) -> int:
    """The checksum of some bytes, 0 to 2**32 - 1."""
    lanes = len(content) // _LANE
    register = _ALL
    if lanes:
        columns = np.frombuffer(content, dtype=np.uint8, count=lanes * _LANE).reshape(lanes, _LANE).T.copy()
        carried = np.zeros(lanes, dtype=np.uint32)
        for column in columns:
            carried = _table()[(carried & 0xFF) ^ column] ^ (carried >> np.uint32(8))
        first, second, third, fourth = _after_a_lane()
        for lane in carried.tolist():
            register = (
                first[register & 0xFF]
                ^ second[register >> 8 & 0xFF]
                ^ third[register >> 16 & 0xFF]
                ^ fourth[register >> 24]
                ^ lane
            )
    table = _plain_table()
    for byte in content[lanes * _LANE :]:
        register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register ^ _ALL


def masked_crc32c(content: bytes) -> int:
    """The checksum as TFRecord stores it: turned and moved, so that a checksum of checksums stays one."""
    plain = crc32c(content)
    return (((plain >> 15) | (plain << 17)) + _MASK_DELTA) & _ALL
