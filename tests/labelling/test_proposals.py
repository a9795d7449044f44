"""A class that a labeller misses is proposed once; a reviewer makes it, says which it is, or refuses it."""

from __future__ import annotations

from sqlalchemy import select

from app.core.database import read, write
from app.labelling.class_names import aliases_of
from app.labelling.classes import create_class
from app.labelling.models import ClassProposal, LabelClass
from app.projects.models import Project
from tests.factories import labelling as make
from tests.web_client import Browser, SignInAs


def propose(browser: Browser, project: Project, name: str, **more: object) -> int:
    answer = browser.post(
        f"/projects/{project.slug}/classes/propose",
        data={"name": name, **more},
        headers={"Accept": "application/json"},
    )
    return int(answer.json()["id"]) if answer.status_code == 201 else -answer.status_code


def test_a_proposal_is_made_mapped_or_refused(sign_in_as: SignInAs, project: Project):
    ann, rita, base = sign_in_as("labeller"), sign_in_as("reviewer"), f"/projects/{project.slug}/classes/proposals"
    with write() as session:
        heron = create_class(session, project_id=project.id, name="Heron").id
        image_id = make.images(session, project.id, 1)[0]
    stork = propose(ann, project, "Stork", image_id=image_id, note="Red bill")
    assert propose(rita, project, " stork ") == stork
    egret, bird = propose(ann, project, "Egret"), propose(ann, project, "Bird")
    assert propose(ann, project, "HERON") == -409
    assert propose(ann, project, "Crane", image_id=image_id + 99) == -404
    assert ann.post(f"{base}/{stork}", data={"verdict": "make"}).status_code == 403
    rita.post(f"{base}/{stork}", data={"verdict": "make", "name": "White stork"})
    rita.post(f"{base}/{egret}", data={"verdict": "map", "class_id": heron, "keep_as_alias": "true"})
    rita.post(f"{base}/{bird}", data={"verdict": "refuse", "reason": "too coarse"})
    assert rita.post(f"{base}/{bird}", data={"verdict": "make"}).status_code == 404
    with read() as session:
        states = dict(session.execute(select(ClassProposal.name, ClassProposal.state)).all())
        assert session.scalars(select(LabelClass.note).where(LabelClass.name == "White stork")).one() == "Red bill"
        assert aliases_of(session, heron) == ["Egret"]
    assert states == {"Stork": "made", "Egret": "mapped", "Bird": "refused"}
    page = ann.get(base).text
    for words in ("White stork", "too coarse", "Nothing is proposed"):
        assert words in page
