"""Images that may not be good are proposed worst first, confirmed but for those taken out, and not proposed again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.core.errors import InvalidInput
from app.labelling.quality_pages import VerdictForm, settle_quality
from app.labelling.service import undo
from app.library.models import Image
from app.library.quality_proposals import MEASURES, PAGE, Doubt, proposals
from app.projects.models import Project
from tests.factories import labelling
from tests.factories.labelling import Workplace
from tests.web_client import SignInAs


@pytest.fixture
def place(installation: Path) -> Workplace:  # noqa: ARG001 - must exist first
    with write() as session:
        return labelling.workplace(session)


def stock(place: Workplace, count: int = 40) -> list[int]:
    """Images whose every measure rises with their place."""
    with write() as session:
        ids: list[int] = []
        for at in range(count):
            measured = {"sharpness": 2.0 * at, "brightness": at / count, "contrast": at / 2 / count}
            shape = {"width": 100 + at, "height": 200, "short_side": 100 + at, "aspect": (100 + at) / 200}
            ids += labelling.images(session, place.project_id, 1, start=at, **measured, **shape)
        return ids


def proposed(place: Workplace, doubt: Doubt, share: float = 5.0) -> list[int]:
    with read() as session:
        return [image.id for image, _ in proposals(session, place.project_id, doubt, share=share).images]


@pytest.mark.parametrize("doubt", list(MEASURES))
def test_the_worst_share_of_the_project_is_proposed_worst_first(place: Workplace, doubt: Doubt):
    ids = stock(place)
    worst = ids[::-1] if doubt is Doubt.WIDE else ids
    assert proposed(place, doubt) == worst[:3]
    assert proposed(place, doubt, share=0.5) == worst[:1]


def test_what_is_confirmed_or_turned_down_is_not_proposed_again_until_it_is_undone(place: Workplace):
    ids = stock(place)
    form = VerdictForm(reason="blurred", shown=[f"{image_id}:0" for image_id in ids[:3]], image_ids=ids[:2])
    with write() as session:
        result = settle_quality(session, form, project_id=place.project_id, user_id=place.ann)
    with read() as session:
        verdicts = session.scalars(select(Image.quality).where(Image.id <= ids[3]).order_by(Image.id)).all()
    assert verdicts == ["blurred"] * 2 + ["good", None]
    assert proposed(place, Doubt.BLURRED) == []
    assert proposed(place, Doubt.DARK) == []
    with write() as session:
        undo(session, result.action_id, project_id=place.project_id, user_id=place.ann, may_undo_others=False)
    assert proposed(place, Doubt.BLURRED) == ids[:3]


def test_pages_follow_each_other_and_leave_none_out(place: Workplace):
    ids = stock(place, 20)
    with write() as session:
        ids = sorted(ids + labelling.images(session, place.project_id, 80, start=100, sharpness=0.0))
    seen: list[int] = []
    with read() as session:
        first = proposals(session, place.project_id, Doubt.BLURRED, share=80.0)
        assert len(first.images) == PAGE
        assert first.waiting == 81
        rest = proposals(session, place.project_id, Doubt.BLURRED, share=80.0, after=first.further)
        seen = [image.id for page in (first, rest) for image, _ in page.images]
    assert len(seen) == len(set(seen)) == 81
    assert rest.further is None


def test_an_image_that_was_not_shown_and_a_reason_that_is_none_are_refused(place: Workplace):
    ids = stock(place, 3)
    where = {"project_id": place.project_id, "user_id": place.ann}
    for form in (
        VerdictForm(reason="ugly", shown=[f"{ids[0]}:0"]),
        VerdictForm(reason="dark", shown=[f"{ids[0]}:0"], image_ids=[ids[1]]),
    ):
        with pytest.raises(InvalidInput), write() as session:
            settle_quality(session, form, **where)


def test_the_page_lists_them_and_works_as_a_plain_form(project: Project, sign_in_as: SignInAs):
    with write() as session:
        ids = labelling.images(session, project.id, 3, sharpness=1.0)
    labeller = sign_in_as("labeller")
    path = f"/projects/{project.slug}/library/quality"
    shown = labeller.get(f"{path}?doubt=blurred&share=5").text
    assert len(re.findall(r'name="shown"', shown)) == 3
    sent = {"reason": "blurred", "shown": [f"{image_id}:0" for image_id in ids], "image_ids": ids[1:]}
    assert labeller.post(f"{path}/settle", data=sent).status_code in {200, 303}
    with read() as session:
        assert [session.get_one(Image, image_id).quality for image_id in ids] == ["good", "blurred", "blurred"]
    assert "Nothing waits for a verdict" in labeller.get(path).text
