"""A project with something on every page: imports, versions, figures, identifications, transactions, grades."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import Any

from sqlalchemy import select

from app.accounts.sessions import open_session
from app.core.clock import now
from app.core.database import read, write
from app.datasets.benchmarks import make_benchmark_set
from app.datasets.service import freeze
from app.exchange.exports import request_export
from app.exchange.previews import create_preview
from app.exchange.queries import get_preview
from app.exchange.relabelling import request_comparison, stage_table
from app.exchange.schemas import ExportRequest
from app.identification.act_schemas import AcceptAbove, RemoveBelow
from app.identification.sweeping import request_plan
from app.labelling.schemas import Change
from app.labelling.service import apply_labels
from app.labelling.watching import watch
from app.library.filters import ImageFilter
from app.library.models import Image, ImportBatch
from app.library.schemas import ImportRequest, SourceKind
from app.library.views import save_view
from app.serving.service import grade
from app.studies.service import pause_study
from app.training.models import TrainingRun
from app.training.recording import record_epochs
from app.training.schemas import EpochFigures, TrainingRequest
from app.training.service import start_training
from tests.browser.library import Fruit, done_by_worker, ended
from tests.browser.reviewed import stock_review
from tests.factories.accounts import make_user
from tests.factories.evaluation import Answer, evaluated
from tests.factories.exchange import staged
from tests.factories.previews import drawn_preview
from tests.factories.projects import add_member
from tests.factories.registry import deploy, tiny_version
from tests.factories.serving import Production, make_transaction
from tests.factories.studies import written_study
from tests.factories.training import written_recipes
from tests.factories.webhooks import written_webhook
from tests.photos import photo

PAGES = {
    "projects": "/projects",
    "account": "/account",
    "users": "/users",
    "new-project": "/projects/new",
    "home": "{p}",
    "settings": "{p}/settings",
    "library": "{p}/library",
    "quarantined": "{p}/library?state=quarantined",
    "conflicts": "{p}/library/conflicts",
    "duplicates": "{p}/library/duplicates",
    "proposed-duplicates": "{p}/library/duplicates?show=hash",
    "quality": "{p}/library/quality?share=5",
    "capture-groups": "{p}/library/capture",
    "filters": "{p}/library/filters?state=pool",
    "views": "{p}/library/views",
    "map": "{p}/map",
    "trunks": "{p}/trunks",
    "reference-trunk": "{p}/trunks/reference",
    "similar": "{p}/similar?ids={image}",
    "image": "{p}/images/{image}",
    "imports": "{p}/imports",
    "import": "{p}/imports/{batch}",
    "exports": "{p}/exports?state=pool",
    "relabel": "{p}/relabel",
    "comparison": "{p}/relabel/{comparison}",
    "new-import": "{p}/imports/new",
    "import-preview": "{p}/imports/previews/{preview}",
    "label": "{p}/label",
    "label-keys": "{p}/label/keys",
    "look-alikes": "{p}/label/grid",
    "classes": "{p}/classes",
    "class": "{p}/classes/{class_id}",
    "history": "{p}/history",
    "touched-by-both": "{p}/history/meanwhile",
    "class-list": "{p}/classes/list",
    "proposals": "{p}/classes/proposals",
    "review": "{p}/review",
    "disagreements": "{p}/review/disagreements",
    "agreement": "{p}/review/agreement",
    "checks": "{p}/review/checks",
    "people": "{p}/people",
    "person": "{p}/people/{user}",
    "identify": "{p}/identify",
    "results": "{p}/identify/{job}",
    "results-kept": "{p}/predictions",
    "accept-above": "{p}/identify/{job}/above",
    "mass-removal": "{p}/identify/{job}/removal?below=50",
    "plan-accept": "{p}/identify/{job}/plans/{acceptance}",
    "plan-remove": "{p}/identify/{job}/plans/{removal}?seed=1",
    "datasets": "{p}/datasets",
    "sampled-classes": "{p}/datasets?lower=5&upper=8&show=sampled&sort=total&down=true",
    "leaked": "{p}/datasets/leaked",
    "snapshots": "{p}/datasets/snapshots",
    "snapshot": "{p}/datasets/{snapshot}",
    "snapshot-images": "{p}/datasets/{snapshot}/images?split=train",
    "snapshots-compared": "{p}/datasets/compare?earlier={older_snapshot}&later={snapshot}",
    "snapshot-export": "{p}/exports?snapshot={snapshot}",
    "benchmarks": "{p}/benchmarks",
    "benchmark": "{p}/benchmarks/{benchmark}",
    "train": "{p}/train",
    "run-compared": "{p}/training/compare?run={run}&run={own_run}",
    "lineage": "{p}/training/lineage",
    "augmentation": "{p}/training/augmentation?run={augmented}",
    "models": "{p}/models",
    "model": "{p}/models/{version}",
    "confusion": "{p}/models/{version}/confusion",
    "judged-images": "{p}/models/{version}/images",
    "compare": "{p}/models/{version}/compare",
    "gate": "{p}/models/{version}/gate",
    "production": "{p}/production",
    "transactions": "{p}/transactions",
    "grade": "{p}/grade",
    "reports": "{p}/reports",
    "runs": "{p}/runs",
    "recipes": "{p}/recipes",
    "recipe": "{p}/recipes/{recipe_id}",
    "new-recipe": "{p}/recipes/new",
    "notices": "/notices",
    "watching": "{p}/watching",
    "webhooks": "{p}/webhooks",
    "webhook": "{p}/webhooks/{webhook_id}",
    "run": "{p}/runs/{run}",
    "studies": "{p}/studies",
    "new-study": "{p}/studies/new",
    "smaller": "{p}/models/{version}/smaller",
    "study": "{p}/studies/{study}",
}
TINY_RUN = TrainingRequest(
    project_id=0, start="random", trunk="compact_cnn", input_size=32, lower=5, upper=60, epochs=2
)


def administrators_session(project_id: int) -> tuple[int, str]:
    """Somebody who may see every page: the user's id and a session's token."""
    with write() as session:
        user = make_user(session, is_administrator=True)
        add_member(session, project_id=project_id, user_id=user.id, role="administrator")
        return user.id, open_session(session, user_id=user.id)


def stock(fruit: Fruit, user_id: int) -> dict[str, object]:
    """Fill the project of the small library; what the addresses of PAGES need. Its training run goes on meanwhile."""
    run = start_training(TINY_RUN.model_copy(update={"project_id": fruit.id}))
    with read() as session:
        own = select(Image.id, Image.class_id).where(Image.project_id == fruit.id).order_by(Image.id)
        labelled = [(row.id, row.class_id) for row in session.execute(own.where(Image.state == "labelled"))]
        pool = [row.id for row in session.execute(own.where(Image.state == "pool"))]
        batch = session.scalars(select(ImportBatch.id).where(ImportBatch.project_id == fruit.id)).first()
    with write() as session:
        chosen = [image_id for image_id, _ in labelled[::4]]
        benchmark = make_benchmark_set(session, project_id=fruit.id, name="Other shelves", image_ids=chosen).id
        older = freeze(session, project_id=fruit.id, lower=5, upper=8).id
        snapshot = freeze(session, project_id=fruit.id, lower=5, upper=60).id
        save_view(
            session, project_id=fruit.id, name="The pool", chosen=ImageFilter(state="pool"), size="s", user_id=user_id
        )
        unknown = [Change(image_id, to_state="unknown") for image_id in pool[:3]]
        who: dict[str, Any] = {"project_id": fruit.id, "user_id": user_id, "how": "grid"}
        apply_labels(session, **who, changes=unknown, kind="unknown", summary="3 images")
    first, second = (tiny_version(fruit.id, list(fruit.classes), seed=seed) for seed in (1, 2))
    for version, wrong in ((first, 2), (second, 4)):
        judged = said(labelled, wrong)
        evaluated(fruit.id, version, {"test": judged, f"benchmark:{benchmark}": judged[::4]})
    stock_review(fruit, user_id, labelled, pool[3:])
    job = done_by_worker(fruit.id, "identification.identify", {"version_id": first.id})["job_id"]
    serve(fruit.id, Production(first, deploy(fruit.id, first.id)), pool[-12:], user_id)
    known = {"image": labelled[0][0], "class_id": labelled[0][1], "version": second.number}
    known["user"] = user_id
    known |= written_recipes(fruit.id, user_id, str)
    known |= written_webhook(fruit.id)
    with write() as session:
        watch(session, project_id=fruit.id, class_id=labelled[0][1], user_id=user_id)
    made = {
        "batch": batch,
        "snapshot": snapshot,
        "older_snapshot": older,
        "benchmark": benchmark,
        "job": job,
        "run": run,
        "study": written_study(fruit.id, user_id, lambda name: f"A {name} of heads"),
    }
    with write() as session:  # its trials would train all the while
        pause_study(session, made["study"], fruit.id)
    with write() as session:
        made["augmented"] = drawn_preview(session, fruit.id, labelled[0][0])
    made["own_run"] = configured_like(run, first.run_id)
    made |= planned(fruit.id, job, user_id)
    made["comparison"] = exchanged(fruit.id, labelled[0][0])
    made["preview"] = waiting_import(fruit.id)
    return {"p": fruit.path, **known, **made}


def planned(project_id: int, job_id: int, user_id: int) -> dict[str, int]:
    """An acceptance and a removal that were planned, for a version that is sure of little."""
    with write() as session:
        who: dict[str, Any] = {"job_id": job_id, "project_id": project_id, "user_id": user_id}
        acceptance = request_plan(session, AcceptAbove(confidence=0.5, multiple=1.5), **who)
        removal = request_plan(session, RemoveBelow(below=60), **who)
    for run_id in (acceptance, removal):
        ended(run_id)
    return {"acceptance": acceptance, "removal": removal}


def configured_like(run_id: int, other_run_id: int) -> int:
    """Gives a run that only made a version the configuration of another, and epochs; the run."""
    with write() as session:
        asked = session.get_one(TrainingRun, run_id)
        columns = {column.key: getattr(asked, column.key) for column in TrainingRun.__table__.columns}
        session.add(TrainingRun(**{**columns, "run_id": other_run_id}))
    epochs = [EpochFigures(at, 2 / at, 0.5, 2 / at, 0.4 + at / 20, 1e-3, 1.5, 90.0, is_best=True) for at in (1, 2, 3)]
    record_epochs(other_run_id, epochs)
    return other_run_id


def waiting_import(project_id: int) -> int:
    """Sent files with a table, looked at: a slip of spelling, a new class, columns, a file that is no picture."""
    rows = ["a/1.jpg,Appel,,north", "a/2.jpg,Pear,,north", "a/3.jpg,Quince,unripe,south", "gone.jpg,Pear,,south"]
    files = {f"a/{number}.jpg": photo(number) for number in (1, 2, 3, 4)}
    table = "\n".join(["file,class,sub_class,shop", *rows]).encode()
    upload_id = staged(project_id, {**files, "notes.txt": b"of the shelf", "labels.csv": table})
    request = ImportRequest(kind=SourceKind.UPLOAD, path=upload_id, format="", name="Photos of the shelf")
    preview_id = create_preview(project_id, None, request)
    with read() as session:
        run_id = get_preview(session, preview_id, project_id).run_id
    ended(run_id or 0)
    return preview_id


def exchanged(project_id: int, image_id: int) -> int:
    """An export with its file, and a table compared with the library: a change, a new class, rows of no use."""
    with write() as session:
        asked = ExportRequest(format="coco", query="state=labelled")
        exported = request_export(session, project_id=project_id, user_id=None, request=asked)
        digest = session.get_one(Image, image_id).sha256
    rows = [f"{digest},Quince,good", f"{digest},Pear,", f"{'0' * 64},Pear,", f"{digest},Pear,splendid"]
    table = "\n".join(["sha256,class,quality", *rows]).encode()
    upload_id = stage_table(project_id, "labels of the shelf.csv", BytesIO(table))
    with write() as session:
        compared = request_comparison(session, project_id=project_id, user_id=None, upload_id=upload_id)
    for run_id in (exported, compared):
        ended(run_id)
    return compared


def said(labelled: list[tuple[int, int]], wrong: int) -> list[Answer]:
    """Right answers for all but the first `wrong` images of each class, at confidences that differ."""
    classes = sorted({class_id for _, class_id in labelled})
    found: list[Answer] = []
    for class_id, other in zip(classes, [*classes[1:], classes[0]], strict=True):
        ids = [image_id for image_id, own in labelled if own == class_id]
        found += [(image_id, class_id, other, 0.3 + at / 20) for at, image_id in enumerate(ids[:wrong])]
        found += [(image_id, class_id, class_id, 0.5 + at / 30) for at, image_id in enumerate(ids[wrong:])]
    return sorted(found)


def serve(project_id: int, production: Production, image_ids: list[int], user_id: int) -> None:
    """One transaction for each image, over the last days, some of them graded."""
    with write() as session:
        for at, image_id in enumerate(image_ids):
            decision = ("answered", "choices", "unable")[at % 3]
            values: dict[str, Any] = {
                "image_id": image_id,
                "decision": decision,
                "confidence": 0.9 - at / 20,
                "best": at % 3,
            }
            transaction_id = make_transaction(session, project_id, production, at=now() - timedelta(days=at), **values)
            if at % 4 == 0:
                which: dict[str, Any] = {"project_id": project_id, "transaction_id": transaction_id, "user_id": user_id}
                grade(session, **which, verdict="not_usable")
