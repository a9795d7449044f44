"""The labelling screen: its page, the next images, skip, undo by key, notes, a labeller's day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AwareDatetime
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse, Response

from app.core.clock import now
from app.core.database import read, write
from app.labelling import class_counts, key_bindings, notes, own_day, quality_checks, queue, screen_words
from app.labelling.choices import chosen_policy, remember_policy
from app.labelling.models import LabelClass
from app.labelling.policies import Mix, Part, Policy
from app.labelling.queue import Handed, QueueImage
from app.labelling.screen_schemas import NextRequest, NoteRequest, PolicyText, SkipRequest
from app.labelling.suggested import shown_suggestions
from app.labelling.veil import Veil
from app.library.media import Turn, rendition
from app.library.views import list_views
from app.web.access import Access
from app.web.dependencies import require
from app.web.templating import redirect, render

router = APIRouter()
Labeller = Annotated[Access, Depends(require("labeller"))]
Key = Annotated[int | None, Query(ge=1, le=2**62)]
ImageId = Annotated[int, Path(ge=1, le=2**62)]
Share = Annotated[int, Query(ge=0, le=100)]

_LONGEST_DAY: Final = timedelta(hours=36)
_EARLIER: Final = 20


@router.get("/label")
def label_page(
    request: Request,
    access: Labeller,
    policy: PolicyText | None = None,
    class_id: Key = None,
    image: Key = None,
) -> Response:
    """The labelling screen by a mix of policies, else the one chosen last. `image` begins with that one."""
    with read() as session:
        remembered = chosen_policy(session, user_id=access.user_id, project_id=access.project.id)
        mix = Mix((Part(Policy.CLASS, class_id),)) if class_id else Mix.parse(policy or remembered)
        first = queue.shown(session, access.project.id, [image] if image else [])
        context: dict[str, Any] = {
            "waiting": quality_checks.waiting(session, access.project.id),
            "classes": class_counts.class_rows(session, access.project.id) if first else [],
            "views": list_views(session, access.project.id),
            "wanted": _wanted(session, access.project.id, mix),
            "keys": {each.name: each.key for each in key_bindings.commands_of(session, access.user_id)},
        }
    context |= {"policy": str(mix), "shares": {part.key: part.share for part in mix.parts}, "cap": queue.WAITING_CAP}
    context |= {"policies": screen_words.whole_library(), "first": first[0] if first else None}
    context |= {"reasons": screen_words.reason_words(), "user_id": access.user_id}
    return render(request, "labelling/label.html", active="label", **context)


@router.get("/label/mix")
def mix_policies(
    access: Labeller,
    *,
    newest: Share = 0,
    oldest: Share = 0,
    uncertain: Share = 0,
    margin: Share = 0,
    entropy: Share = 0,
    diverse: Share = 0,
    disagreement: Share = 0,
    rare: Share = 0,
) -> Response:
    """To the labelling screen with a mix of policies by share, as its form sends them."""
    shares = {
        Policy.UNCERTAIN: uncertain,
        Policy.MARGIN: margin,
        Policy.ENTROPY: entropy,
        Policy.DIVERSE: diverse,
        Policy.DISAGREEMENT: disagreement,
        Policy.RARE: rare,
        Policy.NEWEST: newest,
        Policy.OLDEST: oldest,
    }
    parts = tuple(Part(policy, share=share) for policy, share in shares.items() if share)
    mix = Mix.parse(str(Mix(parts))) if parts else Mix()
    return redirect(f"/projects/{access.project.slug}/label?policy={mix}")


@router.post("/label/next")
def next_images(access: Labeller, sent: NextRequest) -> Response:
    """The next images with suggestions and the addresses of their pictures; those in hand are kept for the labeller."""
    mix = Mix.parse(sent.policy)
    who = {"project_id": access.project.id, "user_id": access.user_id}
    with write() as session:
        veil = Veil(**who, is_on=quality_checks.is_on(session, access.project.id))
        sent = sent.model_copy(update={"have": [veil.real(each) for each in sent.have]})
        have = [*sent.have, *([sent.first] if sent.first else [])]
        handed = queue.next_images(session, **who, count=sent.count, mix=mix, given=sent.given, have=have)
        if all(part.target is None for part in mix.parts):
            remember_policy(session, **who, policy=str(mix))
        checks = quality_checks.mix_in(session, handed.images, **who, have=have)
    with read() as session:
        body = _shown(session, access, sent, handed, checks, veil)
        body["waiting"] = quality_checks.waiting(session, access.project.id)
        body["today"] = own_day.labelled_since(session, since=day_began(sent.since), **who)
    return JSONResponse(body | {"may_be_more": handed.may_be_more})


@router.post("/label/skip")
def skip(access: Labeller, sent: SkipRequest) -> Response:
    """Put images off."""
    who = {"project_id": access.project.id, "user_id": access.user_id}
    ids = [Veil(**who, is_on=False).real(each) for each in sent.image_ids]
    with write() as session:
        veiled = [image_id for image_id, told in zip(ids, sent.image_ids, strict=True) if image_id != told]
        rest = quality_checks.skip(session, user_id=access.user_id, image_ids=veiled)
        queue.skip(session, **who, image_ids=[each for each in ids if each in rest or each not in veiled])
    return JSONResponse({"skipped": sent.image_ids})


@router.post("/images/{image_id}/notes")
def write_note(access: Labeller, image_id: ImageId, sent: NoteRequest) -> Response:
    """A note on an image."""
    who: dict[str, Any] = {"project_id": access.project.id, "user_id": access.user_id}
    who["image_id"] = Veil(**who, is_on=False).real(image_id)
    with write() as session:
        notes.add_note(session, **who, text=sent.text, request_key=sent.request_key)
    return JSONResponse({"by": access.user_name, "text": sent.text}, status_code=201)


@router.get("/label/pictures/{image_id}")
def picture(access: Labeller, image_id: ImageId, r: Turn = Turn.NONE) -> Response:
    """An image's rendition by the number that the screen knows it under."""
    veil = Veil(project_id=access.project.id, user_id=access.user_id, is_on=False)
    return rendition(access, veil.real(image_id), r)


@router.get("/label/summary")
def summary(request: Request, access: Labeller, since: AwareDatetime | None = None) -> Response:
    """A fragment: what one did since one's day began."""
    with read() as session:
        hides = quality_checks.is_on(session, access.project.id)
        found = own_day.summary_of(session, access.project.id, access.user_id, day_began(since), hides_checks=hides)
        waiting = quality_checks.waiting(session, access.project.id)
    context: dict[str, Any] = {"day": found, "waiting": waiting, "cap": queue.WAITING_CAP}
    return render(request, "labelling/_summary.html", **context)


def _shown(
    session: Session, access: Access, sent: NextRequest, handed: Handed, checks: Sequence[QueueImage], veil: Veil
) -> dict[str, Any]:
    """What the screen shows of the images handed out, of the one asked for, and of the last answers of the day."""
    project_id, slug = access.project.id, access.project.slug
    first = queue.shown(session, project_id, [sent.first] if sent.first else [])
    since = day_began(sent.since)
    earlier = own_day.earlier_answers(session, project_id, access.user_id, since) if sent.begins else []
    who = {"project_id": project_id, "user_id": access.user_id}
    of_checks = quality_checks.earlier_answers(session, **who, since=since) if sent.begins else {}
    answers = [*earlier, *(answer for answer, _ in of_checks.values())]
    earlier = sorted(answers, key=lambda each: each.action_id)[-_EARLIER:]
    states = {check.image_id: (check.version, check.answer_state or "pool") for _, check in of_checks.values()}
    answered = [
        quality_checks.disguised(image, *states[image.id]) if image.id in states else image
        for image in queue.shown(session, project_id, list(dict.fromkeys(each.image_id for each in earlier)))
    ]
    ids = [image.id for image in (*first, *handed.images, *answered)]
    suggested = shown_suggestions(session, project_id, [*ids, *(check.id for check in checks)])
    shown = [*first, *quality_checks.among(handed.images, checks, suggested.by_image)]
    chosen_by = handed.chosen_by | dict.fromkeys(
        (check.id for check in checks), next(iter(handed.chosen_by.values()), None)
    )
    written = notes.notes_on(session, project_id, ids)
    known: dict[str, Any] = {"suggested": suggested, "notes": written, "chosen_by": chosen_by}
    return {
        "images": veil.images(slug, screen_words.images_as_json(slug, shown, **known)),
        "answered": veil.images(slug, screen_words.images_as_json(slug, answered, **known)),
        "earlier": veil.answers(screen_words.earlier_as_json(earlier)),
        "version_id": suggested.version_id,
        "version_number": suggested.version_number,
    }


def _wanted(session: Session, project_id: int, mix: Mix) -> LabelClass | None:
    """The class that a queue is about, if it is about one of this project."""
    targets = [part.target for part in mix.parts if part.policy in {Policy.CLASS, Policy.CLASS_UNSURE}]
    found = session.get(LabelClass, targets[0]) if targets else None
    return found if found is not None and found.project_id == project_id else None


def day_began(told: datetime | None) -> datetime:
    """When the labeller's day began; a day that has not begun cannot always be told in UTC."""
    since = max(told or now().replace(hour=0, minute=0, second=0, microsecond=0), now() - _LONGEST_DAY)
    return min(since, now()).astimezone(UTC)
