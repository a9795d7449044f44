"""The messages between a decode pool and its children: two lengths, a JSON header, raw bytes. Never pickle.

Both sides name what they expect, and neither trusts the lengths: a child reads hostile files.
"""

import json
import struct
from collections.abc import Callable
from typing import Any

from app.imaging.errors import Reason, Undecodable
from app.imaging.limits import Limits
from app.imaging.processing import Processed, process

_LENGTHS = struct.Struct("<IQ")
MAX_HEADER_BYTES = 64 * 1024


class BadFrameError(Exception):
    """The other side sent something that is no message."""


def encode_frame(header: dict[str, Any], *parts: bytes) -> bytes:
    """One message; the header gains the lengths of the parts."""
    return b"".join(frame_pieces(header, *parts))


def frame_pieces(header: dict[str, Any], *parts: bytes) -> list[bytes]:
    """The same in pieces that are sent one after the other: large ones are not copied."""
    text = json.dumps({**header, "parts": [len(part) for part in parts]}).encode()
    return [_LENGTHS.pack(len(text), sum(map(len, parts))) + text, *parts]


def read_frame(
    read_exactly: Callable[[int], bytes], *, max_body_bytes: int
) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    """The header and the parts of one message. Raises `BadFrameError`, and what `read_exactly` raises."""
    header_length, body_length = _LENGTHS.unpack(read_exactly(_LENGTHS.size))
    if header_length > MAX_HEADER_BYTES or body_length > max_body_bytes:
        raise BadFrameError(f"A message may have {MAX_HEADER_BYTES} + {max_body_bytes} bytes; got a longer one.")
    text, body = read_exactly(header_length), read_exactly(body_length)
    try:
        header = json.loads(text)
        lengths = header.pop("parts")
        if sum(lengths) != body_length or any(length < 0 for length in lengths):
            raise BadFrameError("The lengths of a message's parts do not add up.")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadFrameError(f"A message's header makes no sense: {error}.") from error
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    return header, tuple(body[start : start + length] for start, length in zip(starts, lengths, strict=True))


def answer(image_bytes: bytes, *, limits: Limits) -> bytes:
    """A child's answer for one image."""
    try:
        outcome = process(image_bytes, limits=limits)
    except Undecodable as refusal:
        return encode_frame({"reason_code": refusal.reason_code.value, "message": refusal.message})
    fields = {name: getattr(outcome, name) for name in Processed.__slots__ if name not in ("thumbnail", "rendition")}
    return encode_frame(fields, outcome.thumbnail, outcome.rendition)


def decode_outcome(header: dict[str, Any], parts: tuple[bytes, ...]) -> Processed | Undecodable:
    """A child's answer as values. Raises `BadFrameError`."""
    try:
        if "reason_code" in header:
            return Undecodable(Reason(header["reason_code"]), str(header["message"]))
        thumbnail, rendition = parts
        return Processed(thumbnail=thumbnail, rendition=rendition, **header)
    except (ValueError, TypeError, KeyError) as error:
        raise BadFrameError(f"A decoding child's answer makes no sense: {error}.") from error
