"""Why a file is no image that Winnow can use."""

from enum import StrEnum

from app.core.errors import InvalidInput


class Reason(StrEnum):
    """The reason codes that quarantine stores and shows."""

    EMPTY = "empty"
    TOO_MANY_BYTES = "too_many_bytes"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TOO_MANY_PIXELS = "too_many_pixels"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    OUT_OF_MEMORY = "out_of_memory"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"


class Undecodable(InvalidInput):
    """The file cannot be used: `reason_code` for filters, `message` for people (the rule, then what came)."""

    def __init__(self, reason_code: Reason, message: str) -> None:
        super().__init__(message, code=reason_code.value)
        self.reason_code = reason_code
