"""One call: an image in, an answer or an honest "unable to identify" out, and the transaction in SQL."""

from __future__ import annotations

import httpx2
import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.core.settings import get_settings
from app.imaging.model_input import from_upload
from app.library.models import Image, ImageSource
from app.projects.models import Project
from app.registry.artifacts import load_version
from app.serving.models import Transaction
from tests.factories.accounts import make_user
from tests.factories.serving import bearer, eventually, in_production, promote_another, set_keep_policy, unsure_image
from tests.photos import disguised, photo, png_bomb, truncated
from tests.web_client import Browser, SignInAs

URL = "/api/v1/identify"


@pytest.fixture
def headers(project: Project) -> dict[str, str]:
    with write() as session:
        user = make_user(session, is_administrator=True)
    return bearer(user.id, project.id)


def error_of(answer: httpx2.Response) -> str:
    return str(answer.json()["error"]["code"])


def test_the_answer_is_that_of_the_version_in_production_and_the_transaction_says_so(
    visitor: Browser, project: Project, headers: dict[str, str]
):
    serving = in_production(project.id, upper=0.0, lower=0.0)
    answer = visitor.post(URL, content=photo(), headers={**headers, "Content-Type": "image/jpeg"})
    assert answer.status_code == 200, answer.text
    said = answer.json()

    loaded = load_version(serving.version.id)
    scores = loaded.classifier.scores(from_upload(photo(), size=loaded.trunk.ref.input_size)[None])[0]
    order = sorted(range(3), key=lambda place: -scores[place])
    assert [choice["class_id"] for choice in said["choices"]] == [loaded.classes[place].class_id for place in order]
    assert [choice["confidence"] for choice in said["choices"]] == pytest.approx(
        [float(scores[place]) for place in order], abs=1e-6
    )
    assert said["decision"] == "answered"
    assert (said["class"], said["class_id"]) == (said["choices"][0]["class"], said["choices"][0]["class_id"])
    assert said["model_version"] == serving.version.number
    assert said["thresholds"] == {"upper": 0.0, "lower": 0.0}
    assert said["latency_ms"] > 0

    kept = eventually(lambda session: session.get(Transaction, said["transaction_id"]))
    assert (kept.project_id, kept.version_id, kept.deployment_id) == (
        project.id,
        serving.version.id,
        serving.deployment_id,
    )
    assert (kept.client, kept.decision, kept.class_1) == ("test client", "answered", said["class_id"])
    assert kept.confidence_1 == said["choices"][0]["confidence"]
    assert kept.latency_ms == said["latency_ms"]
    assert kept.answer["choices"][0]["name"] == said["class"]


def test_a_form_with_a_file_is_answered_like_the_bare_bytes(
    visitor: Browser, project: Project, headers: dict[str, str]
):
    in_production(project.id)
    bare = visitor.post(URL, content=photo(3), headers=headers).json()
    form = visitor.post(URL, files={"image": ("a.jpg", photo(3), "image/jpeg")}, headers=headers).json()
    named = visitor.post(f"/api/v1/projects/{project.slug}/identify", content=photo(3), headers=headers).json()
    assert bare["choices"] == form["choices"] == named["choices"]
    assert len({bare["transaction_id"], form["transaction_id"], named["transaction_id"]}) == 3


@pytest.mark.parametrize(
    ("upper", "lower", "decision"), [(0.0, 0.0, "answered"), (1.0, 0.0, "choices"), (1.0, 1.0, "unable")]
)
def test_the_thresholds_of_the_deployment_decide(
    visitor: Browser, project: Project, headers: dict[str, str], upper: float, lower: float, decision: str
):
    image = unsure_image(in_production(project.id, upper=upper, lower=lower).version.id)
    said = visitor.post(URL, content=image, headers=headers, params={"top": 2}).json()
    assert said["decision"] == decision
    assert (said["class"] is not None) == (decision == "answered")
    assert len(said["choices"]) == (0 if decision == "unable" else 2)
    kept = eventually(lambda session: session.get(Transaction, said["transaction_id"]))
    assert kept.decision == decision
    assert kept.class_1 in {choice["class_id"] for choice in kept.answer["choices"]}


def test_before_the_first_promotion_it_says_what_to_do(visitor: Browser, headers: dict[str, str]):
    answer = visitor.post(URL, content=photo(), headers=headers)
    assert (answer.status_code, error_of(answer)) == (503, "no_production")
    assert "Promote" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (disguised()["shopping-list.jpg"], "not_an_image"),
        (disguised()["page.png"], "not_an_image"),
        (disguised()["report.jpeg"], "unsupported_format"),
        (truncated(), "truncated"),
    ],
)
def test_what_is_no_image_is_refused_with_its_reason(
    visitor: Browser, project: Project, headers: dict[str, str], body: bytes, code: str
):
    in_production(project.id)
    answer = visitor.post(URL, content=body, headers={**headers, "Content-Type": "application/octet-stream"})
    assert (answer.status_code, error_of(answer)) == (422, code)
    with read() as session:
        assert session.scalars(select(Transaction.id)).all() == []


def test_too_many_pixels_and_too_many_bytes_are_too_large(
    visitor: Browser, project: Project, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    in_production(project.id)
    answer = visitor.post(URL, content=png_bomb(), headers=headers)
    assert (answer.status_code, error_of(answer)) == (413, "too_many_pixels")
    monkeypatch.setenv("WINNOW_MAX_UPLOAD_BYTES", "5000")
    get_settings.cache_clear()
    assert visitor.post(URL, content=photo(), headers=headers).status_code == 413
    assert visitor.post(URL, content=bytes(200_000), headers=headers).status_code == 413


@pytest.mark.parametrize("top", ["0", "11", "many"])
def test_top_is_one_to_ten(visitor: Browser, project: Project, headers: dict[str, str], top: str):
    in_production(project.id)
    assert visitor.post(URL, content=photo(), headers=headers, params={"top": top}).status_code == 422


def test_another_kind_of_body_is_refused(visitor: Browser, project: Project, headers: dict[str, str]):
    in_production(project.id)
    assert error_of(visitor.post(URL, json={"image": "x"}, headers=headers)) == "content_type"
    assert error_of(visitor.post(URL, files={"picture": ("a.jpg", photo())}, headers=headers)) == "no_image"


def test_strangers_and_tokens_of_other_projects_get_nothing(
    visitor: Browser, sign_in_as: SignInAs, project: Project, headers: dict[str, str]
):
    in_production(project.id)
    assert visitor.post(URL, content=photo()).status_code in (401, 403)
    assert visitor.post("/api/v1/projects/other/identify", content=photo(), headers=headers).status_code == 404
    stranger = sign_in_as("stranger")
    assert stranger.post(f"/api/v1/projects/{project.slug}/identify", content=photo()).status_code == 404
    viewer = sign_in_as("viewer")
    assert viewer.post(f"/api/v1/projects/{project.slug}/identify", content=photo()).status_code == 200


def test_a_promotion_is_picked_up(visitor: Browser, project: Project, headers: dict[str, str]):
    in_production(project.id)
    first = visitor.post(URL, content=photo(), headers=headers).json()
    second = promote_another(project.id, seed=5)

    def version_now(_: object) -> bool:
        said = visitor.post(URL, content=photo(), headers=headers).json()
        return bool(said["model_version"] == second.version.number)

    assert first["model_version"] != second.version.number
    eventually(version_now)


def images_of_pool(project_id: int) -> list[str]:
    with read() as session:
        return list(session.scalars(select(Image.state).where(Image.project_id == project_id)))


def test_a_served_image_joins_the_pool_once_with_its_source(
    visitor: Browser, project: Project, headers: dict[str, str]
):
    in_production(project.id)
    ids = [visitor.post(URL, content=photo(), headers=headers).json()["transaction_id"] for _ in range(2)]

    def both_have_it(session: object) -> object:
        found = [session.get(Transaction, one) for one in ids]  # type: ignore[attr-defined]
        return all(one is not None and one.image_id for one in found) and found

    first, second = eventually(both_have_it)
    assert first.image_id == second.image_id
    assert images_of_pool(project.id) == ["pool"]
    with read() as session:
        image = session.get_one(Image, first.image_id)
        assert image.sha256 == first.sent_digest
        assert image.thumbnail_pack
        sources = session.scalars(select(ImageSource.transaction_id).where(ImageSource.image_id == image.id)).all()
    assert sorted(map(str, sources)) == sorted(ids)


@pytest.mark.parametrize(
    ("policy", "upper", "kept"),
    [("all", 0.0, True), ("none", 0.0, False), ("uncertain", 0.0, False), ("uncertain", 1.0, True)],
)
def test_the_policy_decides_which_images_stay(
    visitor: Browser, project: Project, headers: dict[str, str], policy: str, upper: float, kept: bool
):
    image = unsure_image(in_production(project.id, upper=upper, lower=0.0).version.id)
    set_keep_policy(project.id, policy)
    said = visitor.post(URL, content=image, headers=headers).json()
    eventually(lambda session: session.get(Transaction, said["transaction_id"]))
    if kept:
        eventually(lambda session: session.get(Transaction, said["transaction_id"]).image_id)
    assert len(images_of_pool(project.id)) == kept


def test_an_archived_project_answers_nothing(
    visitor: Browser, sign_in_as: SignInAs, project: Project, headers: dict[str, str]
):
    in_production(project.id)
    assert sign_in_as("administrator").post(f"/projects/{project.slug}/archive").status_code == 303
    assert error_of(visitor.post(URL, content=photo(), headers=headers)) == "archived"


def test_the_description_of_the_api_shows_an_answer(visitor: Browser):
    described = visitor.get("/api/v1/openapi.json").json()
    operation = described["paths"]["/api/v1/identify"]["post"]
    assert set(operation["requestBody"]["content"]) >= {"image/jpeg", "multipart/form-data"}
    assert described["components"]["schemas"]["AnswerOut"]["examples"][0]["class"] == "Apple"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"anything"),
        ("multipart/form-data; boundary=x", b"--x\r\nnot a part"),
        ("multipart/form-data; boundary=x", b"--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\ntext\r\n--x--\r\n',
        ),
        ("application/x-www-form-urlencoded", b"image=x"),
        ("text/html", b"<p>"),
    ],
)
def test_a_body_that_holds_no_image_is_refused_without_a_fault(
    visitor: Browser, project: Project, headers: dict[str, str], kind: str, body: bytes
):
    in_production(project.id)
    answer = visitor.post(URL, content=body, headers={**headers, "Content-Type": kind})
    assert answer.status_code in (400, 422)
    assert set(answer.json()["error"]) == {"code", "message", "detail"}


def test_an_upload_above_the_limit_of_forms_is_taken(visitor: Browser, project: Project, headers: dict[str, str]):
    in_production(project.id)
    answer = visitor.post(f"/api/v1/projects/{project.slug}/identify", content=bytes(5 * 2**20), headers=headers)
    assert (answer.status_code, error_of(answer)) == (422, "not_an_image")
