"""Images chosen in a grid are identified by the version in production; their ids wait in a file of ours."""

from __future__ import annotations

from sqlalchemy import select

from app.core.database import read, write
from app.core.storage import get_storage
from app.identification.schemas import Selection
from app.identification.selection import selected_ids
from app.projects.models import Project
from app.runs.models import Run
from tests.factories.labelling import images
from tests.factories.registry import deploy, tiny_version
from tests.web_client import SignInAs


def stored_lists() -> int:
    folder = get_storage().file_path("selections", "x").parent
    return len(list(folder.glob("*.ids"))) if folder.exists() else 0


def test_chosen_images_and_all_that_match_a_filter_are_identified(sign_in_as: SignInAs, project: Project):
    version = tiny_version(project.id, ["Apple", "Pear"])
    deploy(project.id, version.id)
    with write() as session:
        ids = images(session, project.id, 9)
    engineer = sign_in_as("engineer")
    address = f"/projects/{project.slug}/identify/chosen"
    for chosen, meant in (
        ({"image_ids": [ids[5], ids[2], ids[2]]}, [ids[2], ids[5]]),
        ({"filter": "state=pool", "except_ids": ids[4:]}, ids[:4]),
    ):
        answer = engineer.post(address, json={"selection": chosen})
        assert (answer.status_code, answer.json()["images"]) == (202, len(meant))
        with read() as session:
            run = session.scalars(select(Run).order_by(Run.id.desc())).first()
        assert run is not None
        assert (run.id, run.parameters["version_id"]) == (answer.json()["run_id"], version.id)
        assert list(selected_ids(Selection.model_validate(run.parameters["selection"]), project.id)) == meant


def test_nothing_is_kept_of_a_choice_that_cannot_be_identified(sign_in_as: SignInAs, project: Project):
    with write() as session:
        ids = images(session, project.id, 2)
    engineer, address = sign_in_as("engineer"), f"/projects/{project.slug}/identify/chosen"
    assert engineer.post(address, json={"selection": {"image_ids": ids}}).status_code == 409
    assert engineer.post(address, json={"selection": {"filter": "state=unknown"}}).status_code == 422
    assert engineer.post(address, json={"selection": {"filter": "owner=1"}}).status_code == 422
    assert sign_in_as("labeller").post(address, json={"selection": {"image_ids": ids}}).status_code == 403
    assert stored_lists() == 0
