"""Pages of look-alikes: proposed from what is labelled, leased, answered as one act, better after each answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert, select

from app.core.database import read, write
from app.embeddings.store import add
from app.labelling import queue
from app.labelling.classes import create_class
from app.labelling.lookalike_schemas import PageAnswer, PageRequest
from app.labelling.lookalikes import Candidate, accept_page, next_candidates, proposed_sections
from app.labelling.schemas import ActionResult, LabelRequest
from app.labelling.service import act_on, undo
from app.library.models import Image
from app.registry.models import ReferenceTrunk
from app.registry.queries import get_trunk
from tests.factories.labelling import Workplace, history, image, images, workplace
from tests.factories.registry import tiny_trunk_row
from tests.inference.networks import WIDTH

pytestmark = pytest.mark.usefixtures("installation")
EACH = 12


def heap(place: int, count: int, *, seed: int = 0) -> np.ndarray:
    """Embeddings around one direction."""
    random = np.random.default_rng(seed + place)
    rows = np.zeros((count, WIDTH), np.float32)
    rows[:, place] = 4
    return (rows + random.normal(scale=0.01, size=rows.shape)).astype(np.float32)


@pytest.fixture
def there() -> Workplace:
    """Lions, tigers and bears that wait, four of each heap labelled."""
    with write() as session:
        there = workplace(session)
        trunk_id = tiny_trunk_row(session)
        session.execute(insert(ReferenceTrunk).values(project_id=there.project_id, trunk_id=trunk_id))
        trunk = get_trunk(session, trunk_id)
    for place, class_id in enumerate((there.lion, there.tiger, there.bear)):
        with write() as session:
            ids = images(session, there.project_id, EACH + 4, start=place * 100)
        add(trunk, [(image_id, 0) for image_id in ids], heap(place, len(ids)))
        with write() as session:
            request = LabelRequest.model_validate({"image_ids": ids[:4], "act": "label", "class_id": class_id})
            act_on(session, request, project_id=there.project_id, user_id=there.rita, may_remove_many=False)
    return there


def next_page(there: Workplace, user_id: int, **asked: Any) -> list[Candidate]:
    """The next page of somebody, leased."""
    who = {"project_id": there.project_id, "user_id": user_id}
    with read() as session:
        found = next_candidates(session, PageRequest.model_validate(asked), **who)
    with write() as session:
        queue.hold(session, **who, image_ids=[image_id for one in found for image_id, _ in one.images])
    return found


def by_class(page: list[Candidate]) -> dict[int | None, set[int]]:
    return {one.class_id: {image_id for image_id, _ in one.images} for one in page}


def answer(
    there: Workplace, stays: Mapping[int | None, set[int]], out: Mapping[int, int] | None = None, key: str = "answer-1"
) -> ActionResult:
    """Ann's answer to a page; `out` says under which class an image was shown."""
    sections = [
        {"class_id": class_id, "images": [{"id": image_id, "version": 0} for image_id in sorted(ids)]}
        for class_id, ids in stays.items()
        if ids
    ]
    taken_out = [{"image_id": image_id, "class_id": class_id} for image_id, class_id in (out or {}).items()]
    sent = PageAnswer.model_validate({"sections": sections, "taken_out": taken_out, "request_key": key})
    with write() as session:
        return accept_page(session, sent, project_id=there.project_id, user_id=there.ann)


def heaps(there: Workplace) -> dict[int, set[int]]:
    """What waits, by what it truly is: ids rise heap by heap."""
    with read() as session:
        waiting = select(Image.id).where(Image.project_id == there.project_id, Image.state == "pool")
        first = min(session.scalars(waiting))
    size = EACH + 4
    return {
        class_id: set(range(first + place * size, first + place * size + EACH))
        for place, class_id in enumerate((there.lion, there.tiger, there.bear))
    }


def test_a_page_proposes_for_each_image_the_class_of_its_like(there: Workplace) -> None:
    assert by_class(next_page(there, there.ann)) == heaps(there)


def test_one_class_at_a_time_and_the_like_of_an_image(there: Workplace) -> None:
    truth = heaps(there)
    [section] = next_page(there, there.ann, one_class=True)
    assert {image_id for image_id, _ in section.images} <= truth[section.class_id or 0]
    tiger = min(truth[there.tiger])
    near = next_page(there, there.ben, view={"kind": "like", "target": tiger}, size=10)
    assert near[0].class_id in truth


def test_two_people_never_get_the_same_images(there: Workplace) -> None:
    first = {image_id for one in next_page(there, there.ann, size=20) for image_id, _ in one.images}
    second = {image_id for one in next_page(there, there.ben, size=20) for image_id, _ in one.images}
    assert (len(first), len(second)) == (20, 16)
    assert not first & second


def test_an_answer_is_one_act_and_undone_as_one(there: Workplace) -> None:
    page = by_class(next_page(there, there.ann))
    result = answer(there, page)
    assert result.changed == 3 * EACH
    assert next_page(there, there.ann) == []
    lion = min(page[there.lion])
    with write() as session:
        assert (image(session, lion).class_id, history(session, lion)[-1].how) == (there.lion, "grid")
        undo(session, result.action_id, project_id=there.project_id, user_id=there.ann, may_undo_others=False)
    assert by_class(next_page(there, there.ann)) == page


def test_a_repeated_answer_is_the_same_answer(there: Workplace) -> None:
    page = by_class(next_page(there, there.ann))
    lions = {there.lion: page[there.lion]}
    assert answer(there, lions).action_id == answer(there, lions).action_id


def test_what_is_taken_out_comes_back_under_another_class_until_the_act_is_undone(there: Workplace) -> None:
    page = by_class(next_page(there, there.ann))
    odd = min(page[there.lion])
    result = answer(there, {there.lion: page[there.lion] - {odd}}, {odd: there.lion})
    later = by_class(next_page(there, there.ann))
    assert odd in set.union(*later.values())
    assert odd not in later.get(there.lion, set())
    with write() as session:
        undo(session, result.action_id, project_id=there.project_id, user_id=there.ann, may_undo_others=False)
    assert odd in by_class(next_page(there, there.ann))[there.lion]


def test_a_page_of_nothing_but_exceptions_labels_nothing(there: Workplace) -> None:
    lion = min(by_class(next_page(there, there.ann))[there.lion])
    assert answer(there, {}, {lion: there.lion}).action_id == 0
    with read() as session:
        assert image(session, lion).state == "pool"
    assert lion not in by_class(next_page(there, there.ann)).get(there.lion, set())


def test_the_next_page_can_be_asked_for_before_the_answer(there: Workplace) -> None:
    page = next_page(there, there.ann, size=12)
    ids = {image_id for one in page for image_id, _ in one.images}
    supposed = [{"class_id": one.class_id, "image_ids": [image_id for image_id, _ in one.images]} for one in page]
    ahead = next_page(there, there.ann, size=60, have=sorted(ids), supposed=supposed)
    assert {image_id for one in ahead for image_id, _ in one.images} == set.union(*heaps(there).values()) - ids


def test_a_class_made_meanwhile_is_proposed_once_it_has_labels(there: Workplace) -> None:
    page = by_class(next_page(there, there.ann))
    with write() as session:
        lynx = create_class(session, project_id=there.project_id, name="Lynx").id
    some = set(sorted(page[there.bear])[:6])
    answer(there, {lynx: some}, dict.fromkeys(sorted(page[there.bear] - some), there.bear))
    assert by_class(next_page(there, there.ann))[lynx] >= page[there.bear] - some


def test_without_any_label_the_page_is_of_look_alikes_without_a_class() -> None:
    with write() as session:
        there = workplace(session)
        trunk_id = tiny_trunk_row(session)
        session.execute(insert(ReferenceTrunk).values(project_id=there.project_id, trunk_id=trunk_id))
        trunk = get_trunk(session, trunk_id)
        ids = images(session, there.project_id, 20)
    add(trunk, [(image_id, 0) for image_id in ids], np.concatenate([heap(0, 10), heap(1, 10)]))
    [section] = next_page(there, there.ann, size=10)
    assert section.class_id is None
    assert {image_id for image_id, _ in section.images} in ({*ids[:10]}, {*ids[10:]})


def test_a_page_shows_only_what_was_leased(there: Workplace) -> None:
    who = {"project_id": there.project_id, "user_id": there.ann}
    with read() as session:
        found = next_candidates(session, PageRequest(), **who)
        wanted = {image_id for image_id, _ in found[0].images}
        sections, suggested = proposed_sections(session, found, wanted, project_id=there.project_id)
    assert [(one.class_id, {each.image.id for each in one.images}) for one in sections] == [(found[0].class_id, wanted)]
    assert suggested.version_id is None


def test_removed_and_unknown_images_are_on_no_page(there: Workplace) -> None:
    lions = sorted(by_class(next_page(there, there.ann))[there.lion])
    for act, image_id in (("unknown", lions[0]), ("remove", lions[1])):
        with write() as session:
            request = LabelRequest.model_validate({"image_ids": [image_id], "act": act})
            act_on(session, request, project_id=there.project_id, user_id=there.ann, may_remove_many=False)
    assert by_class(next_page(there, there.ann))[there.lion] == set(lions[2:])
