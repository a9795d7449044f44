"""Acts on many results from their pages: a page, all above a confidence, a new class, a mass removal; each undone."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from app.core.database import read, write
from app.labelling.models import LabelClass
from app.library.models import Image
from app.library.service import change_images
from app.projects.models import Project
from tests.browser.library import done_by_worker
from tests.browser.tabs import OpenTab
from tests.factories.predictions import photo_images
from tests.factories.registry import tiny_version

POOL = 24


def states(project_id: int) -> dict[str, int]:
    with read() as session:
        of_project = select(Image.state, func.count()).where(Image.project_id == project_id).group_by(Image.state)
        return dict(session.execute(of_project).all())


def stocked(project: Project) -> int:
    """A pool identified by a version of two plentiful classes, one of which rests on staged images; the job."""
    version = tiny_version(project.id, ["Apple", "Pear"])
    photo_images(project.id, POOL)
    labelled = photo_images(project.id, 16, start=60)
    staged = photo_images(project.id, 16, start=90, origin="staged")
    with write() as session:
        session.get_one(Project, project.id).lower_cutoff = 2
        for at, class_id in enumerate(version.class_ids):
            chosen = labelled[at::2] + staged[at::2]
            change_images(session, chosen, project_id=project.id, state="labelled", class_id=class_id)
    found = done_by_worker(project.id, "identification.identify", {"version_id": version.id})
    return int(found["job_id"])


def planned(page: Page, button: str) -> None:
    """Press the button that plans, and wait for the plan."""
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("heading", name="A random sample")).to_be_visible()


def done(page: Page, button: str) -> None:
    """Press the button that does what was planned."""
    page.get_by_role("button", name=button).click()
    expect(page.get_by_text("Done.", exact=True)).to_be_visible()
    page.wait_for_load_state()


def taken_back(page: Page) -> None:
    """Undo what was planned and done, by its key."""
    page.keyboard.press("z")
    expect(page.get_by_text("Done, and taken back.")).to_be_visible()


def test_acts_on_many_results_are_seen_beforehand_and_taken_back(open_tab: OpenTab, project: Project):
    job_id = stocked(project)
    page = open_tab(project.id, "engineer")
    results = f"/projects/{project.slug}/identify/{job_id}"
    before = states(project.id)

    page.goto(results)
    gone = page.locator("#results .cell[data-state=gone]")
    page.locator("#results .cell").first.focus()
    page.keyboard.press("Shift+A")
    expect(gone.first).to_be_visible()
    expect(page.get_by_text("labelled as predicted")).to_be_visible()
    expect(page.locator(".offer").first).to_contain_text("staged or synthetic")
    accepted = states(project.id)["labelled"] - before["labelled"]
    assert 0 < accepted <= POOL
    page.keyboard.press("z")
    expect(gone).to_have_count(0)
    assert states(project.id) == before

    page.locator("#results .cell").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("c")
    page.keyboard.type("Quince")
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 images are Quince now, a new class.")).to_be_visible()
    assert states(project.id)["labelled"] == before["labelled"] + 2
    page.keyboard.press("z")
    expect(gone).to_have_count(0)
    assert states(project.id) == before
    with read() as session:
        named = (LabelClass.project_id == project.id, LabelClass.name == "Quince")
        assert session.scalars(select(LabelClass.archived_at).where(*named)).one() is not None

    page.get_by_role("link", name="Accept above").click()
    page.get_by_label("Confidence from").fill("0.5")
    planned(page, "Plan the acceptance")
    expect(page.get_by_text("Of rare classes at most")).to_be_visible()
    done(page, "Accept ")
    assert states(project.id)["labelled"] > before["labelled"]
    taken_back(page)
    assert states(project.id) == before

    page.goto(f"{results}/removal")
    page.get_by_label("Remove what scores below").fill("100")
    expect(page.locator("[data-would-go]")).not_to_have_text("0")
    assert "below=100" in page.url
    planned(page, "Dry run")
    sample = page.locator(".plan-sample a")
    shown = [each.get_attribute("href") for each in sample.all()]
    assert len(shown) == len(set(shown)) <= POOL
    done(page, "Remove ")
    assert states(project.id)["removed"] == len(shown)
    taken_back(page)
    assert states(project.id) == before
