"""A project that has one of everything that an address can name, so that routes can be tried on real ids.

`build` is called once for each project; two worlds in one installation show what crosses from one into the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from app.accounts.models import ApiToken, UserSession
from app.accounts.sessions import open_session
from app.core.clock import now
from app.core.database import write
from app.core.storage import get_storage
from app.datasets.benchmarks import make_benchmark_set
from app.datasets.models import Snapshot
from app.embeddings.models import MapLayout
from app.labelling.classes import create_class, create_sub_class
from app.labelling.models import ClassAlias, ClassExample, ClassProposal, LabelClass, LookAlike, SecondOpinion
from app.labelling.schemas import Act, LabelRequest
from app.labelling.service import act_on
from app.library import settling
from app.library.decisions import Memory
from app.library.filters import ImageFilter
from app.library.metadata import record_metadata
from app.library.models import CaptureGroup, Image, ImageSource, ImportBatch, LabelConflict
from app.library.service import change_images
from app.library.settling import Bundle, BundleKind
from app.library.uploads import begin_large, open_upload, upload_folder
from app.library.views import delete_view, save_view
from app.predictions.service import finish_job, open_job, store_scores
from app.registry.models import Deployment
from app.registry.queries import reference_trunk
from app.runs.models import Run, RunState
from app.runs.service import request_run
from app.serving.models import Grade, Transaction
from app.training.models import Epoch, TrainingRun
from app.training.schemas import TrainingRequest
from app.training.service import start_training
from tests.exchange.stock import export_now
from tests.factories.accounts import make_user
from tests.factories.datasets import make_duplicate_group
from tests.factories.evaluation import answers, evaluated
from tests.factories.exchange import waiting_import
from tests.factories.library import add_images
from tests.factories.predictions import SPREAD, photo_images
from tests.factories.previews import drawn_preview
from tests.factories.projects import add_member, make_project
from tests.factories.registry import TinyVersion, deploy, tiny_version
from tests.factories.runs import ended_run
from tests.factories.serving import Production, make_transaction
from tests.factories.studies import written_study
from tests.factories.training import written_recipes
from tests.factories.webhooks import written_webhook
from tests.photos import photos
from tests.security.acting_requests import planned_acts
from tests.web_client import make_api_token

Named = Callable[[str], str]
PHOTOS = 8


def plainly(kind: str) -> str:
    """The ordinary name of a thing of this kind."""
    return f"the {kind}"


class AnyPath(str):
    """What stands for a parameter that takes a whole path."""

    __slots__ = ()

    def __format__(self, _: str) -> str:
        return str(self)


@dataclass(frozen=True)
class World:
    """A project and the ids in it. `ids` has a value for every parameter that a path may have."""

    project_id: int
    slug: str
    images: list[int]
    class_ids: list[int]
    version: TinyVersion
    candidate: TinyVersion
    ids: dict[str, Any]

    def address(self, path: str, /, *, slug: str | None = None, **ids: Any) -> str:
        """The path of a route with this world's ids."""
        return path.format_map({**self.ids, **ids, "slug": slug or self.slug})


def build(name: str, *, named: Named = plainly, first_photo: int = 0, versions: int = 2) -> World:
    """A project with classes, images, an import, labels, versions, runs, served answers; every run has ended.

    The first version is in production, the last is the candidate whose `number` addresses name.
    """
    with write() as session:
        project = make_project(session, name)
        owner = make_user(session)
        add_member(session, project_id=project.id, user_id=owner.id, role="administrator")
    names = [named(f"class{number}") for number in (1, 2, 3)]
    version, *_, candidate = [tiny_version(project.id, names, seed=project.id + step) for step in range(versions)]
    deployment_id = deploy(project.id, version.id)
    images = photo_images(project.id, PHOTOS, start=first_photo, file_name=f"{named('file')}.jpg")
    get_storage().put_blob(photos(SPREAD)[first_photo].image_bytes)
    with write() as session:
        ids = _library(session, project.id, images, named) | _labels(
            session, project.id, owner.id, images, version, named
        )
        ids |= _duplicates(session, project.id, owner.id, images, version) | _views(
            session, project.id, owner.id, named
        )
    with write() as session:
        ids["preview_run_id"] = drawn_preview(session, project.id, images[0])
    ids |= _data_sets(project.id, owner.id, version, named)
    ids |= _scored(project.id, images, version, named)
    with write() as session:
        ids |= planned_acts(session, project.id, owner.id, ids, named("plan"))
    _measured(project.id, images, version, candidate, ids)
    ids |= written_recipes(project.id, owner.id, named)
    ids |= {**written_webhook(project.id, named("hook")), "class_name": names[1]}
    ids["study_id"] = written_study(project.id, owner.id, named)
    ids |= _served(project.id, owner.id, images, Production(version, deployment_id), named)
    ids |= _account(project.id, owner.id, named)
    _end_runs(project.id, ids["run_id"], named)
    with write() as session:
        session.get_one(Deployment, deployment_id).reason = named("why")
    ids |= {"deployment_id": deployment_id, "number": candidate.number, "version_id": candidate.id}
    ids |= {"upload_id": open_upload(project.id), "token": "no-such-link", "table": "classes"}
    ids |= {"path": AnyPath("data/runs"), "draw": 0}
    ids |= _waiting_imports(project.id, ids["upload_id"], named) | _exchanged(project.id, owner.id, named)
    return World(project.id, project.slug, images, version.class_ids, version, candidate, ids)


def _map(session: Session, project_id: int) -> int:
    """A map, without points."""
    trunk = reference_trunk(session, project_id)
    assert trunk is not None
    run_id = ended_run(session, project_id=project_id, kind="embeddings.map", title="Draw the map", parameters={})
    layout = MapLayout(project_id=project_id, trunk_id=trunk.id, run_id=run_id, created_at=now(), finished_at=now())
    session.add(layout)
    session.flush()
    return layout.id


def _views(session: Session, project_id: int, owner_id: int, named: Named) -> dict[str, Any]:
    """A saved view, and one that was deleted."""
    saved: dict[str, Any] = {"project_id": project_id, "chosen": ImageFilter(state="pool"), "size": None}
    kept, gone = (save_view(session, **saved, name=named(name), user_id=owner_id) for name in ("view", "gone"))
    delete_view(session, gone.id, project_id=project_id)
    return {"language": "de", "layout_id": _map(session, project_id), "view_id": kept.id, "deleted_view_id": gone.id}


def _exchanged(project_id: int, owner_id: int, named: Named) -> dict[str, Any]:
    """An export that has its file, and a table that was compared and waits for being applied."""
    exported = export_now(project_id, owner_id, format="csv", pictures="none")
    title = named("table")
    shown = [{"line": 2, "file": named("told"), "image_id": 1, "now": named("before"), "wanted": named("after")}]
    result = {"rows": 1, "counts": {"changes": 1}, "shown": {"changes": shown}, "new_classes": [[named("new"), 1]]}
    with write() as session:
        compared = ended_run(
            session, project_id=project_id, kind="exchange.compare", title=title, parameters={"name": title}
        )
        session.execute(update(Run).where(Run.id == compared).values(result=result))
    return {"export_run_id": exported.id, "compare_run_id": compared}


def _waiting_imports(project_id: int, upload_id: str, named: Named) -> dict[str, Any]:
    """A large file that has begun to arrive, and two imports that were looked at."""
    folder = upload_folder(upload_id, project_id)
    large = begin_large(folder, name=named("large.jpg"), size=9, mark="", max_bytes=9)
    found = waiting_import(project_id, named("waiting"), class_name=named("arriving"))
    idle = waiting_import(project_id, named("idle"), class_name=named("other"))
    return {"file_id": large.file_id, "preview_id": found, "idle_preview_id": idle}


def _library(session: Session, project_id: int, images: list[int], named: Named) -> dict[str, Any]:
    run_id = request_run(
        session, project_id=project_id, kind="library.import", title=named("run"), parameters={"path": named("path")}
    )
    batch = ImportBatch(
        project_id=project_id,
        run_id=run_id,
        name=named("batch"),
        kind="folder",
        origin="real",
        added=PHOTOS,
        created_at=now(),
    )
    shot = CaptureGroup(project_id=project_id, key=named("capture"))
    session.add_all([batch, shot])
    session.flush()
    session.execute(
        insert(ImageSource),
        [
            {
                "image_id": images[0],
                "batch_id": batch.id,
                "name": named("source"),
                "class_name": named("heard"),
                "created_at": now(),
            }
        ],
    )
    record_metadata(session, project_id, {images[0]: {named("column"): named("cell")}})
    values: dict[str, Any] = {"batch_id": batch.id}
    values |= {"camera": named("camera"), "capture_group_id": shot.id}
    session.execute(update(Image).where(Image.id == images[0]).values(**values))
    add_images(
        session,
        project_id,
        state="quarantined",
        file_name=named("broken"),
        quarantine_reason=named("reason"),
        batch_id=batch.id,
    )
    made = [
        LabelConflict(
            project_id=project_id,
            image_id=image_id,
            class_name=named("conflict"),
            sub_class_name=named("conflict2"),
            created_at=now(),
        )
        for image_id in images[1:5]
    ]
    session.add_all(made)
    session.flush()
    numbered = ("conflict_id", "other_conflict_id", "third_conflict_id", "fourth_conflict_id")
    conflicts = {name: conflict.id for name, conflict in zip(numbered, made, strict=True)}
    return {"image_id": images[0], "batch_id": batch.id, **conflicts}


def _labels(
    session: Session, project_id: int, owner_id: int, images: list[int], version: TinyVersion, named: Named
) -> dict[str, Any]:
    first, second, _ = version.class_ids
    session.execute(update(LabelClass).where(LabelClass.id == first).values(note=named("note")))
    sub_class = create_sub_class(session, project_id=project_id, class_id=first, name=named("sub"), user_id=owner_id)
    action_id = 0
    for class_id, chosen in ((second, images[3:5]), (first, images[:3])):
        request = LabelRequest(
            image_ids=chosen,
            act=Act.LABEL,
            class_id=class_id,
            sub_class_id=sub_class.id if class_id == first else None,
        )
        action_id = act_on(session, request, project_id=project_id, user_id=owner_id, may_remove_many=True).action_id
    empty = create_class(session, project_id=project_id, name=named("empty"), user_id=owner_id)
    actions = {"action_id": action_id, "own_action_id": action_id, "own_user_id": owner_id}
    actions |= _reviewed(session, project_id, owner_id, images, version, named)
    return {"class_id": first, "sub_class_id": sub_class.id, "empty_class_id": empty.id, **actions}


def _reviewed(
    session: Session, project_id: int, owner_id: int, images: list[int], version: TinyVersion, named: Named
) -> dict[str, Any]:
    """A labelling standard, an alias, a proposal, a question for a second opinion and a disagreement."""
    first, second, _ = version.class_ids
    session.add(ClassExample(class_id=first, image_id=images[0], is_good=True, note=named("example")))
    session.add(LookAlike(class_id=min(first, second), other_id=max(first, second), note=named("alike")))
    session.add(ClassAlias(project_id=project_id, class_id=second, name=named("alias")))
    proposal = ClassProposal(
        project_id=project_id, name=named("proposal"), note=named("why"), proposed_by=owner_id, created_at=now()
    )
    asked: dict[str, Any] = {"project_id": project_id, "why": "asked", "asked_at": now(), "first_user_id": owner_id}
    asked |= {"first_state": "labelled", "first_class_id": second}
    answered = {"state": "disagreed", "second_state": "labelled", "second_class_id": first, "second_at": now()}
    own, another = add_images(session, project_id, 2, state="labelled", class_id=second)
    waiting = SecondOpinion(**asked, image_id=own)
    disagreed = SecondOpinion(**asked, image_id=another, **answered, second_user_id=owner_id)
    session.add_all([proposal, waiting, disagreed])
    session.flush()
    ids = {"proposal_id": proposal.id, "opinion_id": waiting.id, "disagreed_id": disagreed.id}
    return {**ids, "other_class_id": second}


def _duplicates(
    session: Session, project_id: int, owner_id: int, images: list[int], version: TinyVersion
) -> dict[str, Any]:
    """Two images of one group with different labels: a conflict to settle."""
    group = make_duplicate_group(session, project_id)
    change_images(session, [images[1], images[3]], project_id=project_id, duplicate_group_id=group)
    third = version.class_ids[2]
    extra = add_images(session, project_id, 6, state="labelled", class_id=third)
    decision = settling.keep(session, Bundle(BundleKind.GROUP, group), project_id=project_id, user_id=owner_id)
    subjects = Memory(session, project_id).close(kind="subjects", summary="1 small subject", user_id=owner_id)
    settled: dict[str, Any] = {"bundle": f"group-{group}", "decision_id": decision.decision_id}
    settled["subjects_id"] = subjects.decision_id
    return {"group_id": group, "labelled_id": extra[0], **settled}


def _data_sets(project_id: int, owner_id: int, version: TinyVersion, named: Named) -> dict[str, Any]:
    with write() as session:
        chosen = add_images(session, project_id, 4, state="labelled", class_id=version.class_ids[0])
        set_id = make_benchmark_set(session, project_id=project_id, name=named("bench"), image_ids=chosen).id
    asked = TrainingRequest(project_id=project_id, created_by=owner_id, start="random", trunk="compact_cnn", lower=2)
    run_id = start_training(asked)
    with write() as session:
        training = session.get_one(TrainingRun, run_id)
        training.environment = {**training.environment, "device": named("device")}
        session.get_one(Run, run_id).title = named("training")
        figures = {"loss": 0.4, "accuracy": 0.8, "validation_loss": 0.5, "validation_accuracy": 0.7}
        speed = {"learning_rate": 0.001, "seconds": 2.0, "images_per_second": 90.0, "is_best": True}
        session.add(Epoch(run_id=run_id, number=1, **figures, **speed))
        frozen = session.get_one(Snapshot, training.snapshot_id)
        session.execute(update(Snapshot).where(Snapshot.project_id == project_id).values(summary=frozen.summary))
        return {"snapshot_id": frozen.id, "set_id": set_id, "run_id": run_id}


def _scored(project_id: int, images: list[int], version: TinyVersion, named: Named) -> dict[str, Any]:
    with write() as session:
        run_id = request_run(
            session,
            project_id=project_id,
            kind="identification.identify",
            title=named("identify"),
            parameters={"version_id": version.id, "selection": {"kind": "pool"}},
        )
        job_id = open_job(
            session, project_id=project_id, run_id=run_id, version_id=version.id, purpose="identification"
        )
    scores = np.tile(np.array([0.7, 0.2, 0.1], dtype=np.float32), (len(images), 1))
    store_scores(job_id, version.class_ids, images, scores)
    with write() as session:
        finish_job(session, job_id, images=len(images))
    return {"job_id": job_id}


def _measured(
    project_id: int, images: list[int], version: TinyVersion, candidate: TinyVersion, ids: dict[str, Any]
) -> None:
    """Both versions evaluated; the candidate is wrong once, so that a confusion has an image."""
    first, second, _ = version.class_ids
    for each in (version, candidate):
        right = answers(images[:3], first, first)
        wrong = answers(images[3:5], second, first if each is candidate else second)
        said = {"test": [*right, *wrong], "validation": right, "train": right, f"benchmark:{ids['set_id']}": right}
        evaluated(project_id, each, said)


def _served(project_id: int, owner_id: int, images: list[int], production: Production, named: Named) -> dict[str, Any]:
    with write() as session:
        waiting, spare, graded = (
            make_transaction(session, project_id, production, client=named("client"), image_id=image_id)
            for image_id in images[5:8]
        )
        for transaction in session.scalars(select(Transaction).where(Transaction.project_id == project_id)):
            choices = [{**each, "name": named("answer")} for each in transaction.answer["choices"]]
            transaction.answer = {**transaction.answer, "choices": choices}
        session.execute(update(Transaction).where(Transaction.id == graded).values(graded_at=now()))
        true_class_id = production.version.class_ids[1]
        grade = Grade(transaction_id=graded, user_id=owner_id, verdict="wrong", true_class_id=true_class_id, at=now())
        session.add(grade)
        session.flush()
        grades = {"grade_id": grade.id, "own_grade_id": grade.id}
        return {"transaction_id": waiting, "spare_transaction_id": spare, **grades}


def _account(project_id: int, owner_id: int, named: Named) -> dict[str, Any]:
    make_api_token(user_id=owner_id, project_id=project_id)
    with write() as session:
        open_session(session, user_id=owner_id)
        session.execute(update(ApiToken).where(ApiToken.user_id == owner_id).values(name=named("token")))
        token_id = session.scalars(select(ApiToken.id).where(ApiToken.user_id == owner_id)).one()
        session_id = session.scalars(select(UserSession.id).where(UserSession.user_id == owner_id)).one()
    return {"user_id": owner_id, "token_id": token_id, "session_id": session_id}


def _end_runs(project_id: int, failed_id: int, named: Named) -> None:
    """Streams of ended runs end at once. One failed, so that it can be resumed."""
    with write() as session:
        ended = {"state": RunState.SUCCEEDED, "started_at": now(), "finished_at": now()}
        told = {"progress_note": named("progress"), "coalesce_key": None}
        session.execute(update(Run).where(Run.project_id == project_id).values(**ended, **told))
        failure = {"state": RunState.FAILED, "error_code": "fault", "error_message": named("failure")}
        session.execute(update(Run).where(Run.id == failed_id).values(**failure))
