"""Every field that images can be filtered by: it survives its address, agrees with itself, and reaches nothing else."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

import app.assembly.fields  # noqa: F401 - every domain's fields
from app.core.clock import now
from app.core.database import read, write
from app.core.errors import InvalidInput
from app.datasets.benchmarks import make_benchmark_set
from app.datasets.service import draw_splits
from app.labelling.service import apply_one_label_to
from app.library import matching, queries
from app.library.filters import ImageFilter
from app.library.grammar import Field, field_named, fields
from app.library.metadata import metadata_columns, record_metadata
from app.library.models import Image, ImageSource, LabelConflict
from app.library.service import change_images
from app.library.words import Names, chips, form_sections, in_words, section_titles
from tests.factories import labelling
from tests.factories.labelling import Workplace
from tests.factories.library import add_batch, add_images
from tests.factories.predictions import identify_as
from tests.factories.registry import deploy, tiny_version

SECRETS = (
    "password_hash",
    "created_by__password_hash",
    "labelled_by__password_hash",
    "labelled_by.password_hash",
    "token_hash",
    "meta_1__value",
    "meta_0",
    "meta_01",
    "meta_-1",
    "meta_1 ",
    "__class__",
    "__dict__",
    "_values",
    "conditions",
    "Image.sha256",
    "project_id",
)
"""Names of what is no field, though something behind it has the name."""


IDS = st.integers(1, 2**62).map(str)
CLUSTERS = st.integers(0, 999_999).map(str)
TEXTS = st.text(min_size=1, max_size=40).filter(lambda text: bool(text.strip()) and "\0" not in text)
BY_NAME = {
    "sha256": st.text("0123456789abcdef", min_size=4, max_size=64),
    "transaction_id": TEXTS,
    "labelled_by": IDS,
    "cluster": CLUSTERS,
}
BY_KIND = {
    "yes_no": st.sampled_from(["true", "false"]),
    "date": st.dates(date(1, 1, 1), date(9999, 12, 31)).map(date.isoformat),
    "number": st.floats(0, 1).map(repr),
    "text": TEXTS,
}


def values_of(field: Field) -> st.SearchStrategy[Any]:
    """What the field may be set to, as an address has it."""
    if field.name in BY_NAME:
        return BY_NAME[field.name]
    if field.name.endswith("_id"):
        return IDS
    if field.kind in BY_KIND:
        return BY_KIND[field.kind]
    return st.sampled_from([value for value, _ in field.choices(None, 0)]) if field.choices else st.nothing()  # type: ignore[arg-type]


ANY_FILTER = st.fixed_dictionaries(
    {},
    optional={
        field.name: st.lists(values_of(field), min_size=1, max_size=3 if field.many else 1)
        for field in (*fields(), field_named("meta_7"))
        if field is not None and field.section in section_titles()
    },
)


@given(ANY_FILTER)
def test_every_filter_survives_its_own_address(given: dict[str, list[str]]):
    chosen = ImageFilter.from_query([(name, value) for name, values in given.items() for value in values])
    assert chosen.to_query().keys() == given.keys()
    address = chosen.address("/library", size="m")
    assert ImageFilter.from_query(parse_qsl(address.partition("?")[2])) == chosen
    assert ImageFilter.stored(chosen.query_string()) == chosen
    for field, values in chosen.chosen():
        assert chosen.less(field.name, values[0]).values(field.name) == values[1:]


@given(st.sampled_from([field.name for field in fields()]), st.text(max_size=30))
def test_any_text_is_a_value_or_is_refused(name: str, text: str):
    with suppress(InvalidInput):
        chosen = ImageFilter.from_query([(name, text)])
        assert chosen.conditions()


@pytest.mark.parametrize("name", SECRETS)
def test_no_name_reaches_beyond_the_list(name: str):
    assert field_named(name) is None
    assert ImageFilter.from_query([(name, "x"), ("state", "pool")]) == ImageFilter(state="pool")
    with pytest.raises(InvalidInput):
        ImageFilter(**{name: "x"})


def test_no_field_is_named_like_a_secret():
    assert not [field.name for field in fields() if re.search("pass|token|hash|secret|user|__|\\.", field.name)]


@pytest.fixture
def zoo(installation: Path) -> Workplace:  # noqa: ARG001 - must exist first
    """Images that differ in every way one can filter by."""
    with write() as session:
        place = labelling.workplace(session)
        batch = add_batch(session, place.project_id)
        measured = {"sharpness": 10.0, "brightness": 0.2, "contrast": 0.1, "width": 400, "height": 300}
        pool = add_images(session, place.project_id, 6, **measured, camera="A", captured_at="2024-05-01T10:00:00")
        large = {"sharpness": 90.0, "brightness": 0.8, "contrast": 0.4, "width": 3000, "height": 4000}
        others = add_images(session, place.project_id, 6, **large, origin="staged", source="served", batch_id=batch)
        add_images(session, place.project_id, 2, state="removed")
        session.add(ImageSource(image_id=others[0], batch_id=batch, name="x", created_at=now(), transaction_id="T1"))
        session.add(LabelConflict(project_id=place.project_id, image_id=pool[0], class_name="Bear", created_at=now()))
        record_metadata(session, place.project_id, {pool[1]: {"site": "north"}, others[1]: {"site": "south"}})
        who = {"project_id": place.project_id, "user_id": place.ann}
        apply_one_label_to(session, **who, image_ids=pool[:3], class_id=place.lion, sub_class_id=place.cub, how="grid")
        apply_one_label_to(session, **who, image_ids=others[:3], class_id=place.tiger)
        flags = {"quality": "dark", "is_small_subject": True, "is_reviewed": True, "leaked": True}
        change_images(session, others[2:4], project_id=place.project_id, **flags)
        draw_splits(session, place.project_id)
    return place


EXPECTED = {
    "": 12,
    "state=any": 14,
    "state=pool,labelled": 12,
    "class_id={lion}": 3,
    "class_id={lion},{tiger}": 6,
    "class_id={lion}&class_id={tiger}": 6,
    "sub_class_id={cub}": 3,
    "reviewed=true": 2,
    "conflict=true": 1,
    "conflict=false": 11,
    "quality=dark": 2,
    "quality=not_good": 2,
    "quality=unjudged,dark": 12,
    "is_small_subject=true": 2,
    "sharpness_min=50": 6,
    "sharpness_max=50": 6,
    "brightness_min=0.1&brightness_max=0.3": 6,
    "contrast_min=0.4": 6,
    "short_side_max=300": 6,
    "aspect_min=1": 6,
    "origin=staged": 6,
    "origin=staged,real": 12,
    "source=served": 6,
    "source=import": 6,
    "batch_id=1": 1,
    "captured_from=2024-05-01&captured_to=2024-05-01": 6,
    "captured_to=2024-04-30": 0,
    "captured_to=9999-12-31": 6,
    "camera=A": 6,
    "camera=a": 0,
    "transaction_id=T1": 1,
    "duplicate=none": 12,
    "duplicate=representative,duplicate": 0,
    "split=none": 7,
    "split=train,validation,test,none": 12,
    "leaked=true": 2,
    "labelled_by={ann}": 6,
    "labelled_by={ben}": 0,
    "labelled_how=grid": 3,
    "label_age_max=1": 6,
    "label_age_min=1": 0,
    "meta_1=north": 1,
    "meta_1=nor": 0,
    "meta_9=north": 0,
    "state=pool&origin=staged&sharpness_min=50&source=served&split=none": 3,
}


@pytest.mark.parametrize("narrow", [10_000, 1], ids=["by an index", "by walking"])
def test_pages_and_counts_agree_however_images_are_found(zoo: Workplace, narrow: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(matching, "NARROW", narrow)
    monkeypatch.setattr(matching, "_FIRST_STEPS", (3, 4))
    for text, expected in EXPECTED.items():
        query = text.format(lion=zoo.lion, tiger=zoo.tiger, cub=zoo.cub, ann=zoo.ann, ben=zoo.ben)
        chosen = ImageFilter.from_query(query)
        with read() as session:
            total = queries.count(session, zoo.project_id, chosen)
            shown = [image.id for image in queries.page(session, zoo.project_id, chosen, limit=50).images]
            exact = queries.exact_count(session, zoo.project_id, chosen)
        assert (total.images, total.is_exact, exact, len(shown)) == (expected, True, expected, expected), query
        assert shown == sorted(shown, reverse=True), query


def test_a_walk_that_spends_its_budget_goes_on_from_where_it_ended(zoo: Workplace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(matching, "NARROW", 0)
    monkeypatch.setattr(matching, "_FIRST_STEPS", (2,))
    monkeypatch.setattr(matching, "_LATER_STEPS", (2,))
    chosen, seen, before = ImageFilter(camera="A"), list[int](), None
    with read() as session:
        first = queries.page(session, zoo.project_id, chosen, limit=4)
        assert (first.images, first.older is None) == ([], False)
        assert not queries.count(session, zoo.project_id, chosen).is_exact
        while True:
            page = queries.page(session, zoo.project_id, chosen, before=before, limit=4)
            seen += [image.id for image in page.images]
            before = page.older
            if before is None:
                break
        wanted = select(Image.id).where(Image.camera == "A").order_by(Image.id.desc())
        assert seen == list(session.scalars(wanted))
        assert queries.neighbours(session, zoo.project_id, chosen, seen[-1] + 100).older == seen[0]


def test_what_the_production_version_says_is_filtered_by(zoo: Workplace):
    version = tiny_version(zoo.project_id, ["Lion", "Tiger"])
    deploy(zoo.project_id, version.id)
    with read() as session:
        lions = list(session.scalars(select(Image.id).where(Image.class_id == zoo.lion).order_by(Image.id)))
    identify_as(zoo.project_id, version.id, lions[:2], [[0.9, 0.1], [0.4, 0.6]])
    expected = {
        f"predicted_class_id={zoo.lion}": lions[:1],
        f"predicted_class_id={zoo.lion},{zoo.tiger}": lions[:2],
        "confidence_min=0.7": lions[:1],
        "confidence_max=0.7": lions[1:2],
        "disagreement=true": lions[1:2],
        "disagreement=false": lions[:1],
    }
    with read() as session:
        for query, wanted in expected.items():
            page = queries.page(session, zoo.project_id, ImageFilter.from_query(query))
            assert sorted(image.id for image in page.images) == wanted, query


def test_benchmark_sets_are_told_apart(zoo: Workplace):
    with write() as session:
        ids = list(session.scalars(select(Image.id).where(Image.class_id == zoo.lion)))
        first = make_benchmark_set(session, project_id=zoo.project_id, name="One", image_ids=ids[:1]).id
        make_benchmark_set(session, project_id=zoo.project_id, name="Two", image_ids=ids[1:2])
        shown = queries.page(session, zoo.project_id, ImageFilter(benchmark_set_id=first)).images
        assert [image.id for image in shown] == ids[:1]
        assert queries.count(session, zoo.project_id, ImageFilter(in_benchmark=True)).images == 2


def test_every_field_is_offered_with_its_words(zoo: Workplace):
    chosen = ImageFilter(class_id=[zoo.lion, zoo.tiger], labelled_by=zoo.ann, meta_1="north", in_benchmark=False)
    with read() as session:
        names = Names.of(session, zoo.project_id, chosen)
        sections = form_sections(session, zoo.project_id, chosen)
        assert metadata_columns(session, zoo.project_id) == {1: "site"}
    said = [(chip["name"], chip["value"]) for chip in chips(chosen, names, "/library")]
    assert ("Class", "Lion") in said
    assert ("Class", "Tiger") in said
    assert ("site", "north") in said
    assert ("In a benchmark set", "no") in said
    assert "Labelled by: ann" in in_words(chosen, names)
    offered = {each.name for _, group in sections for each in group}
    assert offered == {field.name for field in fields() if field.kind != "shape"} | {"meta_1"}


def test_counts_beside_the_choices_come_from_the_kept_counts(zoo: Workplace):
    with read() as session:
        kept = queries.facets(session, zoo.project_id, ImageFilter(origin="staged"))
        assert kept["state"] == {"pool": 3, "labelled": 3}
        assert kept["class_id"][str(zoo.tiger)] == 3
        assert kept["origin"] == {"real": 6, "staged": 6}
        assert queries.facets(session, zoo.project_id, ImageFilter(camera="A")) == {}


def test_label_age_counts_from_the_last_change_of_the_label(zoo: Workplace):
    with write() as session:
        ids = list(session.scalars(select(Image.id).where(Image.class_id == zoo.lion)))
        change_images(session, ids, project_id=zoo.project_id, labelled_at=now() - timedelta(days=9))
        old = queries.count(session, zoo.project_id, ImageFilter(label_age_min=8))
        assert (old.images, old.is_exact) == (3, True)
