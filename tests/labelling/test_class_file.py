"""A class list read, compared and written: as one name a line, as CSV, and back again without loss."""

from __future__ import annotations

import pytest

from app.core.database import write
from app.core.errors import Conflict, InvalidInput
from app.labelling import class_file
from app.labelling.class_counts import class_rows
from tests.factories import labelling as make

pytestmark = pytest.mark.usefixtures("installation")

LIST = """name,sub_class,aliases,note,colour,key
lion,,Löwe|=Leu,Has a mane.,#aabb00,l
lion,Lioness,,,,
Snow leopard,,Irbis,,,
Tiger,,,,,
"""


@pytest.fixture
def place() -> make.Workplace:
    with write() as session:
        return make.workplace(session)


def test_a_list_is_compared_written_and_exported_without_loss(place: make.Workplace):
    listed = class_file.read_list(LIST)
    with write() as session:
        found = {each.name: each for each in class_file.differences(session, place.project_id, listed)}
        assert {name: each.is_new for name, each in found.items()} == {"lion": False, "Snow leopard": True}
        assert [what for what, _, _ in found["lion"].changes] == ["sub-classes", "aliases", "note", "colour", "key"]
        made = class_file.apply_list(session, project_id=place.project_id, listed=listed, user_id=place.rita)
        assert made == (1, 1)
        rows = {row.name: row for row in class_rows(session, place.project_id)}
        assert [name for _, name in rows["Lion"].sub_classes] == ["Lioness", "cub", "male"]
        assert list(rows["Lion"].aliases) == ["=Leu", "Löwe"]
        exported = class_file.list_csv(list(rows.values()))
        again = class_file.read_list(exported)
        assert class_file.differences(session, place.project_id, again) == []
    assert "'=Leu|Löwe" in exported


def test_a_plain_list_is_one_name_a_line_and_an_alias_is_no_new_class(place: make.Workplace):
    with write() as session:
        listed = class_file.read_list("\ufeffOcelot\n\n  ocelot \nTIGER\n")
        assert [each.name for each in listed] == ["Ocelot", "TIGER"]
        found = class_file.differences(session, place.project_id, listed)
        assert [(each.name, each.is_new) for each in found] == [("Ocelot", True)]


@pytest.mark.parametrize("text", ["", "\n \n", "name,note\n,only a note\n"])
def test_a_list_of_nothing_is_refused(text: str):
    with pytest.raises(InvalidInput):
        class_file.read_list(text)


def test_a_refusal_names_the_class_and_writes_nothing(place: make.Workplace):
    listed = class_file.read_list("name,key\nOcelot,o\nPuma,o\n")
    with pytest.raises(Conflict, match="Puma: the key o belongs to the class Ocelot"), write() as session:
        class_file.apply_list(session, project_id=place.project_id, listed=listed, user_id=place.rita)
    with write() as session:
        assert len(class_rows(session, place.project_id)) == 3
