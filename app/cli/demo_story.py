"""The demo's story: once round the loop on real photos, by the services that pages and commands use."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from app.accounts.service import create_user, find_user, reset_password
from app.accounts.tokens import create_token
from app.cli.demo_photos import RARE_CLASS, UNKNOWN_CLASS, Layout
from app.cli.output import ended
from app.cli.training import run_chain
from app.cli.waiting import console
from app.core.database import Json, read, write
from app.core.errors import Conflict, NotFound
from app.core.settings import get_settings
from app.datasets.benchmarks import make_benchmark_set
from app.datasets.models import BenchmarkSet
from app.embeddings.maps import request_map
from app.identification.schemas import Selection
from app.identification.service import request_identification
from app.labelling.models import LabelClass
from app.labelling.schemas import Change
from app.labelling.service import apply_labels
from app.library.filters import ImageFilter
from app.library.imports import request_import
from app.library.models import DuplicateGroup, Image, ImageSource
from app.library.schemas import ImportRequest, SourceKind
from app.library.views import save_view
from app.predictions.models import Prediction
from app.projects.service import create_project
from app.promotion import service as promotion
from app.registry.queries import production
from app.serving.models import Transaction
from app.serving.service import grade
from app.training.schemas import TrainingRequest
from app.training.service import start_training

USER = "demo"
RARE_VIEW = f"{RARE_CLASS}, labelled"
OVERRIDE = "It fixes more images than it breaks; the benchmark set is too small to prove it and will grow."
CHARTER = {
    "charter_hardware": "A shop's own server: two CPU cores, no GPU.",
    "charter_use": "Name the fruit in a photo that a customer takes at the scale.",
    "charter_interface": "One HTTP call from the scale: a photo in, a name or three choices out.",
    "charter_monitoring": "Twenty served answers are graded each week; accuracy by class is read on Mondays.",
    "charter_approximation": "A benchmark set of photos from other shelves, with a fruit that is not sold here.",
}
BENCHMARKS = {"benchmark": "Other shelves", "tuning": "Other shelves, tuning"}


@dataclass
class Story:
    """What is known so far, and the figures of each step."""

    layout: Layout
    project_id: int = 0
    slug: str = ""
    user_id: int = 0
    password: str = ""
    steps: list[Json] = field(default_factory=list)

    def tell(self, title: str, act: Callable[[], Json], words: Callable[[Json], str]) -> Json:
        """Do a step, print its figures, keep them."""
        console.print(f"[bold]{len(self.steps) + 1:>2}[/] {title} ...", highlight=False)
        began = time.monotonic()
        figures = act()
        seconds = time.monotonic() - began
        self.steps.append({"step": title, "seconds": round(seconds, 1), **figures})
        console.print(f"     {words(figures)} [dim]({seconds:.1f} s)[/]", highlight=False)
        return figures


def begin(story: Story) -> None:
    """The account, with a password for the end of the story, and the project."""
    try:
        with read() as session:
            story.user_id = find_user(session, USER).id
        story.password = reset_password(story.user_id, by=None)
    except NotFound:
        story.user_id, story.password = create_user(name=USER, by=None, is_administrator=True)
    with write() as session:
        project = create_project(session, name="Groceries", charter=CHARTER, user_id=story.user_id)
        story.project_id, story.slug = project.id, project.slug


def import_photos(story: Story) -> Json:
    """Five imports, three of them labelled by their folders; two become benchmark sets."""
    began, runs = time.monotonic(), []
    for part in ("labelled", "benchmark", "tuning", "pool", "unknown"):
        labels = "folders" if part in {"labelled", *BENCHMARKS} else "unlabelled"
        path = str(getattr(story.layout, part))
        request = ImportRequest(kind=SourceKind.FOLDER, path=path, name=f"Shop photos, {part}", format=labels)
        with write() as session:
            asked = request_import(
                session, project_id=story.project_id, user_id=story.user_id, request=request, from_anywhere=True
            )
        runs += ended([asked.run_id])
        if part in BENCHMARKS:
            _set_benchmark(story, asked.batch_id, part)
        if part == "unknown":
            _set_unknown(story, asked.batch_id)
    seconds = time.monotonic() - began
    totals = {name: sum((run.result or {}).get(name, 0) for run in runs) for name in ("added", "known", "labelled")}
    with read() as session:
        groups = session.scalar(
            select(func.count()).select_from(DuplicateGroup).where(DuplicateGroup.project_id == story.project_id)
        )
    return {**totals, "near_duplicate_groups": groups, "images_per_second": round(story.layout.files / seconds, 1)}


def _of_batch(batch_id: int) -> list[int]:
    with read() as session:
        return list(session.scalars(select(ImageSource.image_id).where(ImageSource.batch_id == batch_id).distinct()))


def _set_benchmark(story: Story, batch_id: int, part: str) -> None:
    with write() as session:
        make_benchmark_set(
            session,
            project_id=story.project_id,
            name=BENCHMARKS[part],
            image_ids=_of_batch(batch_id),
            is_tuning=part == "tuning",
            user_id=story.user_id,
        )


def _set_unknown(story: Story, batch_id: int) -> None:
    changes = [Change(image_id=image_id, to_state="unknown") for image_id in _of_batch(batch_id)]
    with write() as session:
        apply_labels(
            session,
            project_id=story.project_id,
            user_id=story.user_id,
            how="bulk",
            changes=changes,
            kind="unknown",
            summary=f"{len(changes)} images that nobody can name yet",
        )


def train(story: Story, **asked: object) -> Json:
    """Train, evaluate, and say what came out."""
    request = TrainingRequest.model_validate({"project_id": story.project_id, "created_by": story.user_id, **asked})
    runs = run_chain(start_training(request))
    trained = runs[0].result or {}
    figures: Json = {"version": trained["number"], "version_id": trained["version_id"], "epochs": trained["epochs"]}
    figures["images_per_second"] = trained["images_per_second"]
    for run in runs[1:]:
        result = run.result or {}
        figures |= {_named(name): row["accuracy"] for name, row in result.get("figures", {}).items()}
        if run.kind == "identification.identify":
            figures |= {"candidates": result["candidates"], "job_id": result["job_id"]}
            figures["identified_per_second"] = result["images_per_second"]
    return figures


def _named(subset: str) -> str:
    """A set as people call it: a split, or the name of a benchmark set."""
    if ":" not in subset:
        return subset
    with read() as session:
        return session.get_one(BenchmarkSet, int(subset.split(":")[1])).name


def trained_words(figures: Json) -> str:
    """For example: v1: 40 epochs at 90 images/s; validation 0.96, test 0.97, Other shelves 0.93."""
    measured = ", ".join(
        f"{name} {figures[name]:.2f}" for name in ("validation", "test", BENCHMARKS["benchmark"]) if name in figures
    )
    return (
        f"v{figures['version']}: {figures['epochs']} epochs at {figures['images_per_second']:.0f} images/s; {measured}"
    )


def promote(story: Story, version_id: int, reason: str) -> Json:
    """Promote where the gate passes. Where it is only not proven, an administrator gives a written reason."""
    with write() as session:
        serving = production(session, story.project_id)
        judged = promotion.gate(session, version_id, story.project_id)
        figures: Json = {"gate": str(judged.verdict), "findings": [each.says for each in judged.findings]}
        if judged.verdict != "failed":
            promotion.promote(
                session,
                project_id=story.project_id,
                version_id=version_id,
                user_id=story.user_id,
                role="administrator",
                reason=reason,
                override_reason=OVERRIDE if judged.verdict == "not_proven" else None,
                expected_deployment_id=serving.deployment_id if serving else None,
            )
        now_serving = production(session, story.project_id)
    return {**figures, "production": now_serving.number if now_serving else None}


def gate_words(figures: Json) -> str:
    """The verdict, and the sentence that decided it."""
    serving = f"v{figures['production']} serves" if figures["production"] else "nothing serves"
    override = " by an administrator's override" if figures["gate"] == "not_proven" else ""
    return f"gate {figures['gate'].replace('_', ' ')}; {serving}{override}"


def _class_ids(session: Session, story: Story) -> dict[str, int]:
    found = select(LabelClass.name, LabelClass.id).where(LabelClass.project_id == story.project_id)
    return {row.name: row.id for row in session.execute(found)}


def label_again(story: Story, job_id: int, version_id: int) -> Json:
    """A person accepts the rare class's candidates that are right, then goes through half of the pool.

    Where the suggestion is right it is accepted, else the true class is given.
    """
    with read() as session:
        classes = _class_ids(session, story)
        rows = session.execute(
            select(Image.id, Image.sha256, Prediction.class_1, Prediction.confidence_1)
            .join(Prediction, Prediction.image_id == Image.id)
            .where(Prediction.job_id == job_id, Image.state == "pool")
            .order_by(Prediction.confidence_1.desc(), Image.id)
        ).all()
    shown = [row for at, row in enumerate(rows) if row.class_1 == classes[RARE_CLASS] or at % 2 == 0]
    nameable = [row for row in shown if story.layout.truth[row.sha256] in classes]
    changes = [_change(row, classes[story.layout.truth[row.sha256]], version_id) for row in nameable]
    with write() as session:
        apply_labels(
            session,
            project_id=story.project_id,
            user_id=story.user_id,
            how="grid",
            changes=changes,
            kind="label",
            summary=f"{len(changes)} images of the pool, from suggestions",
        )
    right = sum(change.suggested_by_version_id is not None for change in changes)
    rare = sum(story.layout.truth[row.sha256] == RARE_CLASS for row in nameable)
    return {"shown": len(shown), "accepted": right, "corrected": len(changes) - right, "rare": rare}


def _change(row: Row[int, str, int, float], class_id: int, version_id: int) -> Change:
    if row.class_1 != class_id:
        return Change(image_id=row.id, to_state="labelled", class_id=class_id)
    return Change(
        image_id=row.id,
        to_state="labelled",
        class_id=class_id,
        suggested_by_version_id=version_id,
        suggestion_confidence=row.confidence_1,
    )


def identify_pool(story: Story) -> Json:
    """The version in production over the whole pool."""
    with write() as session:
        run_id = request_identification(
            session, project_id=story.project_id, selection=Selection(kind="pool"), user_id=story.user_id
        )
    result = ended([run_id])[0].result or {}
    with read() as session:
        rows = session.execute(
            select(Image.sha256, LabelClass.name)
            .join(Prediction, Prediction.image_id == Image.id)
            .join(LabelClass, LabelClass.id == Prediction.class_1)
            .where(Prediction.job_id == result["job_id"])
        ).all()
    known = [(digest, name) for digest, name in rows if story.layout.truth[digest] != UNKNOWN_CLASS]
    right = sum(story.layout.truth[digest] == name for digest, name in known)
    figures = {"images": result["images"], "images_per_second": result["images_per_second"]}
    return {**figures, "accuracy_on_hidden_truth": round(right / max(1, len(known)), 3)}


def draw_map(story: Story) -> Json:
    """The library on a plane, and what was labelled kept as a view."""
    with write() as session:
        run_id = request_map(session, story.project_id, user_id=story.user_id)
        chosen = ImageFilter(state="labelled", class_id=_class_ids(session, story)[RARE_CLASS])
        save_view(session, project_id=story.project_id, name=RARE_VIEW, chosen=chosen, size="l", user_id=story.user_id)
    return {"images": (ended([run_id])[0].result or {})["images"]}


def serve_requests(story: Story) -> Json:
    """Send photos to the identify API as a client would, then grade the answers as a reviewer would."""
    with write() as session:
        token = create_token(
            session,
            user_id=story.user_id,
            project_id=story.project_id,
            name="scale at the till",
            role="viewer",
            own_role="administrator",
        )
    answers = [_send(content, token) for content in story.layout.served]
    _wait_for_transactions(story, len(answers))
    right = _grade(story, answers)
    decisions = [answer["decision"] for answer in answers]
    latencies = sorted(answer["latency_ms"] for answer in answers)
    return {
        "requests": len(answers),
        "answered": decisions.count("answered"),
        "choices": decisions.count("choices"),
        "unable": decisions.count("unable"),
        "graded_correct": right,
        "median_ms": latencies[len(latencies) // 2],
    }


def _send(content: bytes, token: str) -> Json:
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{get_settings().base_url}/api/v1/identify",
        data=content,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "image/jpeg"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own address
        found: Json = json.loads(answer.read())
    return found


def _wait_for_transactions(story: Story, count: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with read() as session:
            logged = session.scalar(
                select(func.count()).select_from(Transaction).where(Transaction.project_id == story.project_id)
            )
        if (logged or 0) >= count:
            return
        time.sleep(0.3)
    raise Conflict(f"{count} answers were acknowledged, but not all are in the log after a minute")


def _grade(story: Story, answers: list[Json]) -> int:
    """Grade every answer by what the photo shows; returns how many were right."""
    with read() as session:
        classes = _class_ids(session, story)
    right = 0
    for content, answer in zip(story.layout.served, answers, strict=True):
        truth = story.layout.truth[hashlib.sha256(content).hexdigest()]
        is_right = bool(answer["choices"]) and answer["choices"][0]["class"] == truth
        right += is_right
        with write() as session:
            grade(
                session,
                project_id=story.project_id,
                transaction_id=answer["transaction_id"],
                user_id=story.user_id,
                verdict="correct" if is_right else "wrong",
                true_class_id=None if is_right else classes[truth],
            )
    return right
