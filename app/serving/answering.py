"""One request from bytes to answer: decode, score, decide by the thresholds in force, record, reply."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import Final

import numpy as np
from ulid import ULID

from app.core.clock import now
from app.core.errors import TooLarge, Unavailable
from app.core.storage import digest_of
from app.imaging.errors import Reason, Undecodable
from app.imaging.model_input import from_upload
from app.inference.ranking import Decision, decide, top_k
from app.library.preparing import size_limits
from app.serving.active import Active, ActiveVersions
from app.serving.records import Spooled
from app.serving.schemas import MOST_CHOICES, Choice, Served, draw_of
from app.serving.spool import Spool

SAMPLED_ONE_IN: Final = 10
_LONGEST_WAIT_SECONDS: Final = 30.0
_OVERSIZED: Final = frozenset({Reason.TOO_MANY_BYTES, Reason.TOO_MANY_PIXELS})

# Decoding and inference keep the cores busy: more at once would only slow each other down.
_cores = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))


@dataclass(frozen=True, slots=True)
class Answered:
    """What is recorded of a request, and what goes into its reply only."""

    served: Served
    version_number: int

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What the client is told: nothing where the answer is "unable to identify"."""
        return () if self.served.decision == Decision.UNABLE else self.served.choices


def identify(
    image_bytes: bytes, *, project_id: int, client: str, top: int, active_versions: ActiveVersions, spool: Spool
) -> Answered:
    """Answer a request; when this returns, the transaction survives a crash.

    Raises Undecodable with the reason; TooLarge for too many bytes or pixels; Unavailable where nothing is in
    production or the transaction cannot be recorded.
    """
    started_at = time.perf_counter()
    active = active_versions.get(project_id)
    best = _best_classes(image_bytes, active)
    serving = active.production
    decision = decide(best[0].confidence, upper=serving.upper, lower=serving.lower)
    transaction_id = str(ULID.from_datetime(now()))
    served = Served(
        id=transaction_id,
        project_id=project_id,
        client=client,
        version_id=serving.version_id,
        deployment_id=serving.deployment_id,
        sent_digest=digest_of(image_bytes),
        byte_count=len(image_bytes),
        keeps_image=_keeps(active.keep_policy, decision, transaction_id),
        decision=decision,
        choices=best[:top],
        upper=serving.upper,
        lower=serving.lower,
        latency_ms=round(1000 * (time.perf_counter() - started_at), 1),
    )
    _record(spool, Spooled(served, image_bytes if served.keeps_image else b""))
    return Answered(served, serving.number)


def _best_classes(image_bytes: bytes, active: Active) -> tuple[Choice, ...]:
    loaded = active.loaded
    with _cores:
        try:
            pixels = from_upload(image_bytes, size=loaded.trunk.ref.input_size, limits=size_limits())
        except Undecodable as refusal:
            if refusal.reason_code in _OVERSIZED:
                raise TooLarge(refusal.message, code=refusal.code) from refusal
            raise
        scores = loaded.classifier.scores(pixels[np.newaxis])
    positions, confidences = top_k(scores, MOST_CHOICES)
    return tuple(
        Choice(loaded.classes[position].class_id, loaded.classes[position].name, round(float(confidence), 6))
        for position, confidence in zip(positions[0], confidences[0], strict=True)
    )


def _keeps(policy: str, decision: Decision, transaction_id: str) -> bool:
    """Whether the image joins the pool: all, a random tenth, those without a single answer, or none."""
    if policy == "sampled":
        return draw_of(transaction_id) % SAMPLED_ONE_IN == 0
    return policy == "all" or (policy == "uncertain" and decision != Decision.ANSWERED)


def _record(spool: Spool, spooled: Spooled) -> None:
    try:
        spool.append(spooled.encode()).result(_LONGEST_WAIT_SECONDS)
    except TimeoutError as error:
        raise Unavailable("The request could not be recorded in time; send it again.", code="spool") from error
