"""Names, aliases, keys and colours: each once in a project; imports and people find a class by any of its names."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.database import write
from app.core.errors import Conflict, InvalidInput
from app.labelling import class_merge, classes, service
from app.labelling.class_counts import class_rows
from app.labelling.class_names import add_alias, aliases_of
from tests.factories import labelling as make

pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def place() -> make.Workplace:
    with write() as session:
        return make.workplace(session)


def change(place: make.Workplace, class_id: int, **values: Any) -> None:
    with write() as session:
        name = classes.get_class(session, project_id=place.project_id, class_id=class_id).name
        who: dict[str, Any] = {"project_id": place.project_id, "class_id": class_id, "user_id": place.rita}
        classes.change_class(session, **who, **{"name": name, "note": "", **values})


def test_an_alias_names_its_class_for_imports_and_is_free_for_no_other(place: make.Workplace):
    change(place, place.lion, aliases=["Panthera leo", "panthera LEO", "lion", "Löwe"])
    with write() as session:
        assert aliases_of(session, place.lion) == ["Löwe", "panthera LEO"]
        assert service.ensure_class(session, place.project_id, "PANTHERA leo", "cub") == (place.lion, place.cub)
        with pytest.raises(Conflict, match="alias of the class Lion"):
            classes.create_class(session, project_id=place.project_id, name="löwe")
        with pytest.raises(Conflict, match="Tiger exists already"):
            add_alias(session, classes.get_class(session, project_id=place.project_id, class_id=place.bear), "tiger")
    for wrong in ([f"name {number}" for number in range(30)], ["\u202e"]):
        with pytest.raises(InvalidInput):
            change(place, place.lion, aliases=wrong)


def test_keys_are_there_once_and_colours_are_colours(place: make.Workplace):
    change(place, place.lion, key=" L ", colour="#FFAA00")
    with pytest.raises(Conflict, match="belongs to the class Lion"):
        change(place, place.tiger, key="l")
    for wrong in ({"key": "ab"}, {"key": "/"}, {"colour": "red"}, {"colour": "#12345"}):
        with pytest.raises(InvalidInput):
            change(place, place.tiger, **wrong)
    with write() as session:
        lion = next(row for row in class_rows(session, place.project_id) if row.id == place.lion)
    assert (lion.key, lion.colour) == ("l", "#ffaa00")
    change(place, place.lion, key="", colour="")
    change(place, place.tiger, key="l")


def test_what_arrives_for_a_merged_class_goes_where_its_labels_went(place: make.Workplace):
    change(place, place.lion, aliases=["Löwe"], key="l")
    with write() as session:
        who = {"project_id": place.project_id, "user_id": place.rita}
        class_merge.merge_classes(session, source_id=place.lion, target_id=place.tiger, **who)
        assert service.ensure_class(session, place.project_id, "Lion") == (place.tiger, None)
        assert service.ensure_class(session, place.project_id, "Löwe") == (place.tiger, None)
        assert classes.get_class(session, project_id=place.project_id, class_id=place.lion).key is None
