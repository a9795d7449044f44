"""One decode of an image file gives everything that the library keeps of it."""

from dataclasses import dataclass

from app.imaging.decode import decode_rendition
from app.imaging.header import SIDEWAYS, open_header, read_camera, read_captured_at, read_frames
from app.imaging.limits import Limits
from app.imaging.measures import measure
from app.imaging.renditions import RENDITION_QUALITY, encode_jpeg, make_thumbnail


@dataclass(frozen=True, slots=True)
class Processed:
    """What one file gave: `thumbnail` and `rendition` are JPEG bytes, oriented, without metadata."""

    format: str
    """jpeg, png, webp, gif, bmp, tiff, heif or avif, by content."""
    width: int
    height: int
    """Pixels of the original after its EXIF orientation is applied."""
    exif_orientation: int
    """1 to 8, as it was found; 1 for TIFF, which the decoder turns itself."""
    frames: int
    phash: int
    """Signed 64-bit perceptual hash; compare with `phash_distance`."""
    sharpness: float
    """Variance of the Laplacian at rendition size: phone photos 60 to 440, copies blurred by 2 px below 20."""
    brightness: float
    contrast: float
    """Mean and standard deviation of the luma, 0 to 1."""
    captured_at: str | None
    """The camera's clock, `YYYY-MM-DDTHH:MM:SS`, without a zone."""
    camera: str | None
    rendition_width: int
    rendition_height: int
    thumbnail: bytes
    rendition: bytes

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height


def process(image_bytes: bytes, *, limits: Limits | None = None) -> Processed:
    """Decode a file once and derive all that is kept. Raises `Undecodable` with the reason.

    Runs in the caller's process; files from strangers go through `DecodePool`, which bounds memory and time.
    """
    header = open_header(image_bytes, limits=limits or Limits())
    decoded = decode_rendition(image_bytes, header)
    rendition = decoded.image
    turned = decoded.orientation in SIDEWAYS
    measures = measure(rendition)
    return Processed(
        format=header.format,
        width=header.height if turned else header.width,
        height=header.width if turned else header.height,
        exif_orientation=decoded.orientation,
        frames=read_frames(header.image),
        phash=measures.phash,
        sharpness=measures.sharpness,
        brightness=measures.brightness,
        contrast=measures.contrast,
        captured_at=read_captured_at(header.image),
        camera=read_camera(header.image),
        rendition_width=rendition.width,
        rendition_height=rendition.height,
        thumbnail=make_thumbnail(rendition),
        rendition=encode_jpeg(rendition, quality=RENDITION_QUALITY),
    )
