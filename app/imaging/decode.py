"""From encoded bytes to the pixels of the model rendition, with the least decoding that gives them."""

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import simplejpeg
from PIL import Image, ImageCms

from app.imaging.errors import Reason, Undecodable
from app.imaging.header import DAMAGE, Header, damaged, read_orientation
from app.imaging.limits import rendition_size

MAX_ICC_BYTES = 1024 * 1024
BACKGROUND = (255, 255, 255)

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """RGB pixels of rendition size, upright, and the EXIF orientation (1 to 8) that was applied to them."""

    image: Image.Image
    orientation: int


def decode_rendition(image_bytes: bytes, header: Header, *, size: tuple[int, int] | None = None) -> Decoded:
    """The oriented RGB pixels of the model rendition (see `rendition_size`) or of another size, before encoding.

    `size` is width and height before the orientation is applied, not above the original's.

    Transparency is laid on white. Animations give their first frame. 16-bit grey is scaled over its whole
    range, never stretched per image, so that brightness stays comparable. A colour profile other than sRGB is
    converted. Raises `Undecodable`.
    """
    size = size or rendition_size(header.width, header.height)
    try:
        image = _decode(image_bytes, header, size)
        if image.size != size:
            image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    except MemoryError:
        raise Undecodable(
            Reason.OUT_OF_MEMORY,
            f"An image must decode within the memory limit; this one is {header.width:,} x {header.height:,}.",
        ) from None
    except DAMAGE as error:
        raise damaged(error) from error
    image = _to_srgb(image, header)
    orientation = read_orientation(header)
    turn = _TURNS.get(orientation)
    return Decoded(image if turn is None else image.transpose(turn), orientation)


def _decode(image_bytes: bytes, header: Header, size: tuple[int, int]) -> Image.Image:
    """RGB or RGBA or CMYK pixels at least as large as `size`."""
    if header.format == "jpeg" and header.image.mode in ("L", "RGB"):
        fast = _decode_jpeg(image_bytes, size)
        if fast is not None:
            return fast
    image = header.image
    if header.format == "jpeg":
        image.draft(image.mode, size)
    image.load()
    return _reduced(image, size)


def _decode_jpeg(image_bytes: bytes, size: tuple[int, int]) -> Image.Image | None:
    """Scaled strict decoding by libjpeg-turbo; None where Pillow should try.

    Lost picture data is refused here, since Pillow would fill the gap with grey and say nothing. Stray bytes
    between markers, which some cameras write, lose nothing and are left to Pillow.
    """
    try:
        pixels = simplejpeg.decode_jpeg(image_bytes, "RGB", min_width=size[0], min_height=size[1], strict=True)
    except ValueError as error:
        said = str(error).lower()
        if "premature end" in said or ("corrupt jpeg data" in said and "extraneous bytes" not in said):
            raise
        return None
    return Image.fromarray(pixels)


def _reduced(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Any Pillow mode as RGB at `size`; CMYK stays CMYK for its colour profile."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _eight_bits(image)
    if not image.has_transparency_data:
        image = image if image.mode in ("RGB", "CMYK") else image.convert("RGB")
        return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    small = image.convert("RGBA").resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    flat = Image.new("RGB", size, BACKGROUND)
    flat.paste(small, mask=small.getchannel("A"))
    return flat


def _eight_bits(image: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.array(image, dtype=np.float32))
    if image.mode != "F":
        values /= 257.0
    elif values.max() <= 1.0:
        values *= 255.0
    return Image.fromarray(np.clip(values + 0.5, 0, 255).astype(np.uint8))


def _to_srgb(image: Image.Image, header: Header) -> Image.Image:
    profile = header.image.info.get("icc_profile")
    if isinstance(profile, bytes) and 0 < len(profile) <= MAX_ICC_BYTES and image.mode in ("RGB", "CMYK"):
        convert = _srgb_transform(profile, image.mode)
        if convert is not None:
            converted = ImageCms.applyTransform(image, convert)
            if converted is not None:
                return converted
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(maxsize=8)
def _srgb_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The conversion to sRGB, or None where there is nothing to convert or the profile is unusable."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        return ImageCms.buildTransform(source, _srgb(), mode, "RGB")
    except (ImageCms.PyCMSError, *DAMAGE):
        return None


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
