"""One box finds an image by file name, digest or transaction; one hit is opened, many are listed."""

from __future__ import annotations

from app.core.clock import now
from app.core.database import write
from app.library.models import ImageSource
from app.library.service import change_images
from app.projects.models import Project
from tests.factories.library import add_images
from tests.factories.projects import make_project
from tests.web_client import Browser, SignInAs

DIGEST = "ab12cd" + "0" * 58


def goes_to(browser: Browser, project: Project, text: str) -> str:
    answer = browser.get(f"/projects/{project.slug}/library/find", params={"q": text})
    assert answer.status_code == 303, text
    return answer.headers["location"].removeprefix(f"/projects/{project.slug}")


def test_names_words_digests_and_transactions_are_found(project: Project, sign_in_as: SignInAs):
    with write() as session:
        (lion,) = add_images(session, project.id, file_name="IMG_0042 Löwe in grass.JPG", sha256=DIGEST)
        add_images(session, project.id, file_name="IMG_0043.jpg")
        (gone,) = add_images(session, project.id, file_name="blurred-9.png")
        served = ImageSource(image_id=lion, transaction_id="01J0000000000000000000000A", name="a", created_at=now())
        session.add(served)
        change_images(session, [gone], project_id=project.id, state="removed")
    browser = sign_in_as("viewer")
    for text in ("img_0042", "0042", "löwe", "GRASS.jpg", "AB12CD", DIGEST, "01J0000000000000000000000A", "in grass"):
        assert goes_to(browser, project, text).startswith(f"/images/{lion}?"), text
    assert goes_to(browser, project, "img") == "/library?text=img"
    assert goes_to(browser, project, "blurred").startswith(f"/images/{gone}?")
    for text in ("rass", "%", "_", "ab12ce", "' OR 1=1 --"):
        assert goes_to(browser, project, text).startswith("/library?text="), text
    assert goes_to(browser, project, " ") == "/library"


def test_names_of_another_project_are_not_found(project: Project, sign_in_as: SignInAs):
    with write() as session:
        add_images(session, make_project(session).id, file_name="secret.jpg", sha256=DIGEST)
    browser = sign_in_as("viewer")
    for text in ("secret", "ab12cd"):
        assert goes_to(browser, project, text) == f"/library?text={text}"
