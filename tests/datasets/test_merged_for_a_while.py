"""Two classes trained as one for a while: what data sets and figures see, what labels keep, what old versions know."""

import pytest

from app.core.database import write
from app.core.errors import Conflict, InvalidInput
from app.datasets.benchmarks import make_benchmark_set
from app.datasets.queries import manifest, snapshot_view, trained_as_then
from app.datasets.service import freeze, make_plan, preview
from app.evaluation.subsets import subsets_of
from app.labelling.class_merge import part, train_as
from app.library.models import Image
from app.promotion.comparison import lost_classes
from tests.factories import datasets as made
from tests.factories.accounts import make_user
from tests.factories.registry import tiny_version

pytestmark = pytest.mark.usefixtures("installation")


def test_a_merge_for_a_while_trains_two_classes_as_one_and_leaves_the_labels():
    with write() as session:
        project_id, user_id = made.make_project(session), make_user(session).id
        lion, puma = (made.make_class(session, project_id, name) for name in ("Lion", "Puma"))
        lions = made.make_images(session, project_id, 30, lion)
        pumas = made.make_images(session, project_id, 12, puma)
        before = preview(session, project_id, 20, 100)
        train_as(session, project_id=project_id, class_id=puma, as_id=lion, user_id=user_id)
        together = freeze(session, project_id=project_id, lower=20, upper=100)
        found = manifest(session, together.id)
        labels = {session.get_one(Image, image_id).class_id for image_id in pumas}
        part(session, project_id=project_id, class_id=puma, user_id=user_id)
        apart = freeze(session, project_id=project_id, lower=5, upper=100)
        names = {each.name: each.usable for each in manifest(session, apart.id).classes}
    assert {each.name: each.needs for each in before.classes} == {"Lion": 0, "Puma": 8}
    assert [(each.name, each.usable) for each in found.classes] == [("Lion", 42)]
    assert sorted(found.image_ids.tolist()) == sorted([*lions, *pumas])
    assert labels == {puma}
    assert names == {"Lion": 30, "Puma": 12}


def test_a_version_made_meanwhile_keeps_its_one_class_after_the_two_are_parted():
    with write() as session:
        project_id, user_id = made.make_project(session), make_user(session).id
        lion, puma = (made.make_class(session, project_id, name) for name in ("Lion", "Puma"))
        for class_id in (lion, puma):
            made.make_images(session, project_id, 20, class_id)
        field = made.make_images(session, project_id, 2, puma)
        make_benchmark_set(session, project_id=project_id, name="Field", image_ids=field)
        train_as(session, project_id=project_id, class_id=puma, as_id=lion, user_id=user_id)
        together = freeze(session, project_id=project_id, lower=5, upper=100).id
        shown = snapshot_view(session, together, project_id)
        part(session, project_id=project_id, class_id=puma, user_id=user_id)
    both, one = tiny_version(project_id, ["Lion", "Puma"]), tiny_version(project_id, ["Lion"])
    with write() as session:
        subsets = subsets_of(session, project_id=project_id, version_id=one.id, snapshot_id=together)
        lost_before = lost_classes(session, one.id, both.id)
        assert trained_as_then(session, together) == {puma: lion}
    assert [each.truth.tolist() for each in subsets if each.benchmark_set_id] == [[lion, lion]]
    assert shown.merged_names == {puma: "Puma"}
    assert lost_before == ["Puma"]


def test_a_plan_made_before_a_merge_is_made_again():
    with write() as session:
        project_id, user_id = made.make_project(session), make_user(session).id
        lion, puma = (made.make_class(session, project_id, name) for name in ("Lion", "Puma"))
        for class_id in (lion, puma):
            made.make_images(session, project_id, 20, class_id)
        freeze(session, project_id=project_id, lower=5, upper=100)
        stale = make_plan(session, project_id=project_id, lower=5, upper=100)
        train_as(session, project_id=project_id, class_id=puma, as_id=lion, user_id=user_id)
        assert freeze(session, project_id=project_id, lower=5, upper=100, plan=stale).classes == 1


def test_classes_are_trained_as_one_another_in_one_step_only():
    with write() as session:
        project_id, user_id = made.make_project(session), make_user(session).id
        lion, puma, lynx = (made.make_class(session, project_id, name) for name in ("Lion", "Puma", "Lynx"))
        who = {"project_id": project_id, "user_id": user_id}
        train_as(session, class_id=puma, as_id=lion, **who)
        with pytest.raises(Conflict, match="itself trained as Lion"):
            train_as(session, class_id=lynx, as_id=puma, **who)
        with pytest.raises(InvalidInput):
            train_as(session, class_id=lynx, as_id=lynx, **who)
        train_as(session, class_id=lion, as_id=lynx, **who)
        made.make_images(session, project_id, 9, puma)
        assert [(each.name, each.usable) for each in preview(session, project_id, 5, 9).classes] == [("Lynx", 9)]
        part(session, class_id=puma, **who)
        with pytest.raises(Conflict):
            part(session, class_id=puma, **who)
