"""The identify API: one image in, one honest answer out, the transaction recorded before the answer leaves."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile

from app.core.errors import Conflict, InvalidInput
from app.core.settings import get_settings
from app.serving.answering import Answered, identify
from app.serving.running import current
from app.serving.schemas import MOST_CHOICES
from app.web.access import Access
from app.web.dependencies import require
from app.web.limits import accepts_upload

router = APIRouter(prefix="/api/v1", tags=["identify"])
Viewer = Annotated[Access, Depends(require("viewer"))]
Top = Annotated[int, Query(ge=1, le=MOST_CHOICES, description="How many classes to name at most, best first.")]
FIELD: Final = "image"
_RAW: Final = ("image/", "application/octet-stream")


class ChoiceOut(BaseModel):
    """A class and how sure the version is of it, 0 to 1."""

    model_config = ConfigDict(populate_by_name=True)

    class_name: Annotated[str, Field(alias="class")]
    class_id: int
    confidence: float


class ThresholdsOut(BaseModel):
    """The confidence thresholds in force: from `upper` on one answer, from `lower` on choices, below it none."""

    upper: float
    lower: float


class AnswerOut(BaseModel):
    """What is in the image. `class` is set only where the decision is "answered"."""

    model_config = ConfigDict(
        populate_by_name=True,
        json_schema_extra={
            "examples": [
                {
                    "transaction_id": "01JD4QZ6V3M8W5T2K9XHEBN7RC",
                    "decision": "answered",
                    "class": "Apple",
                    "class_id": 3,
                    "choices": [
                        {"class": "Apple", "class_id": 3, "confidence": 0.964},
                        {"class": "Pear", "class_id": 9, "confidence": 0.021},
                    ],
                    "model_version": 14,
                    "thresholds": {"upper": 0.82, "lower": 0.41},
                    "latency_ms": 18.4,
                },
                {
                    "transaction_id": "01JD4QZ8K1P0Y6C4A2MSG5DVTF",
                    "decision": "unable",
                    "class": None,
                    "class_id": None,
                    "choices": [],
                    "model_version": 14,
                    "thresholds": {"upper": 0.82, "lower": 0.41},
                    "latency_ms": 17.9,
                },
            ]
        },
    )

    transaction_id: str
    decision: Literal["answered", "choices", "unable"]
    class_name: Annotated[str | None, Field(alias="class")]
    class_id: int | None
    choices: Annotated[list[ChoiceOut], Field(description='Best first; empty where the decision is "unable".')]
    model_version: Annotated[int, Field(description="The number of the version that answered.")]
    thresholds: ThresholdsOut
    latency_ms: Annotated[float, Field(description="From the image being here to the answer being known.")]


async def _sent_image(request: Request) -> bytes:
    """The image's bytes: the body itself, or the file field `image` of a multipart form."""
    kind = request.headers.get("Content-Type", _RAW[1]).lower()
    if kind.startswith("multipart/form-data"):
        async with request.form(max_files=1, max_fields=4) as form:
            sent = form.get(FIELD)
            if isinstance(sent, UploadFile):
                return await sent.read()
        raise InvalidInput(f"A multipart request carries the image as the file field {FIELD!r}.", code="no_image")
    if not kind.startswith(_RAW):
        rule = f"Send the image itself (image/* or application/octet-stream), or a form (curl -F {FIELD}=@FILE)"
        raise InvalidInput(f"{rule}; received {kind[:80]!r}.", code="content_type")
    return await request.body()


ImageBytes = Annotated[bytes, Depends(_sent_image)]
_BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "image/jpeg": _BINARY,
            "image/png": _BINARY,
            "application/octet-stream": _BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}


@router.post("/identify", openapi_extra=_BODY)
@accepts_upload(lambda: get_settings().max_upload_bytes)
def identify_by_token(access: Viewer, image: ImageBytes, top: Top = 5) -> AnswerOut:
    """Identify an image in the API token's project.

    A token opens one project, so this address needs no name of it; the role viewer is enough, since asking changes no
    label. JPEG, PNG, WebP, GIF (first frame), BMP and TIFF, told by content. Errors: 422 with the reason as `code`
    where the bytes are no usable image, 413 for too many bytes or pixels, 503 (`no_production`) before the first
    promotion, 409 in an archived project.
    """
    return _answer(access, image, top)


@router.post("/projects/{slug}/identify", openapi_extra=_BODY)
@accepts_upload(lambda: get_settings().max_upload_bytes)
def identify_in_project(access: Viewer, image: ImageBytes, top: Top = 5) -> AnswerOut:
    """Identify an image in the named project; for a signed-in person, or the token of that project."""
    return _answer(access, image, top)


def _answer(access: Access, image: bytes, top: int) -> AnswerOut:
    if access.project.is_archived:
        raise Conflict(f"{access.project.name} is archived and answers no requests.", code="archived")
    serving = current()
    answered = identify(
        image,
        project_id=access.project.id,
        client=access.client,
        top=top,
        active_versions=serving.active_versions,
        spool=serving.spool,
    )
    return _shown(answered)


def _shown(answered: Answered) -> AnswerOut:
    served = answered.served
    single = served.choices[0] if served.decision == "answered" else None
    return AnswerOut(
        transaction_id=served.id,
        decision=served.decision,
        class_name=single.name if single else None,
        class_id=single.class_id if single else None,
        choices=[
            ChoiceOut(class_name=choice.name, class_id=choice.class_id, confidence=choice.confidence)
            for choice in answered.choices
        ],
        model_version=answered.version_number,
        thresholds=ThresholdsOut(upper=served.upper, lower=served.lower),
        latency_ms=served.latency_ms,
    )
