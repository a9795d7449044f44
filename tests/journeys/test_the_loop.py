"""Once round the loop, through the public commands and the API alone, by real processes."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest
from sqlalchemy import select

from app.core.database import read, write
from app.registry.models import ModelVersion, Trunk
from app.serving.models import Transaction
from tests.factories.accounts import make_user
from tests.journeys.conftest import write_class_folders
from tests.journeys.installation import ROOT, WINNOW, Installation, running, wait_until
from tests.photos import photo
from tests.web_client import make_api_token

pytestmark = pytest.mark.journey
SMALL = ("--trunk", "compact_cnn", "--input-size", "32", "--lower", "10", "--upper", "60", "--epochs", "3")


def _identify(family: Installation, token: str, image: bytes) -> dict[str, object]:
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{family.url}/api/v1/identify",
        data=image,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "image/jpeg"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own address
        found: dict[str, object] = json.loads(answer.read())
    return found


def test_import_train_warm_start_promote_serve_identify_roll_back(
    family: Installation, labelled: Path, pool: Path, tmp_path: Path
):
    first = family.command("import", str(labelled), "--project", "fruit")
    assert (first["result"]["added"], first["result"]["labelled"]) == (72, 72)
    again = family.command("import", str(labelled), "--project", "fruit")
    assert (again["result"]["added"], again["result"]["known"]) == (0, 72)
    family.command("import", str(pool), "--unlabelled")

    trained = family.command("train", "--start", "random", *SMALL)
    assert trained["result"]["number"] == 1
    assert [row["epoch"] for row in trained["epochs"]] == [1, 2, 3]
    assert set(trained["then"][0]["result"]["figures"]) == {"train", "validation", "test"}

    more = write_class_folders(tmp_path / "more", {"Pear": 24})
    family.command("import", str(more))
    warm = family.command("train", "--start", "warm", *SMALL[4:])
    with read() as session:
        versions = session.execute(
            select(ModelVersion, Trunk.digest).join(Trunk, Trunk.id == ModelVersion.trunk_id).order_by(ModelVersion.id)
        ).all()
        child, parent_digest = versions[1][0], versions[0][1]
    assert child.parent_id == versions[0][0].id
    assert child.lineage["step0_trunk_digest"] == parent_digest
    assert warm["result"]["number"] == 2

    assert family.command("promote", "--version", "1")["production"] == 1
    refused = family.command("promote", "--version", "2", expect=1)
    assert refused["error"]["code"] == "gate_not_passed"
    family.command("promote", "--version", "2", "--override", "No benchmark set exists in this test")
    identified = family.command("identify")
    assert identified["result"]["images"] == 90
    with write() as session:
        user = make_user(session, "client", is_administrator=True)
        project_id = session.scalar(select(ModelVersion.project_id).limit(1))
    assert project_id is not None
    token = make_api_token(user_id=user.id, project_id=project_id, role="viewer")
    answer = _identify(family, token, photo(700))
    assert answer["model_version"] == 2
    assert answer["decision"] in {"answered", "choices", "unable"}

    def logged() -> Transaction | None:
        with read() as session:
            return session.get(Transaction, str(answer["transaction_id"]))

    assert wait_until(logged) is not None
    assert family.command("rollback", "--reason", "to see it work")["production"] == 1


def test_a_throw_away_version_cannot_be_promoted_by_command(family: Installation, labelled: Path):
    family.command("import", str(labelled), "--project", "fruit")
    thrown = family.command("train", "--start", "random", "--throw-away", *SMALL)
    assert thrown["then"][-1]["kind"] == "identification.identify"
    refused = family.command(
        "promote", "--version", str(thrown["result"]["number"]), "--override", "I would like to anyway", expect=1
    )
    assert "throw-away" in refused["error"]["message"]


def test_ctrl_c_ends_the_whole_family(installation: Path):
    with running(installation) as family:
        members = family.children()
        assert len(members) >= 5
        family.process.send_signal(signal.SIGINT)
        assert family.process.wait(timeout=60) == 0
    assert [words for pid, words in members.items() if _lives(pid)] == []


def test_killing_the_supervisor_leaves_no_process_behind(installation: Path):
    with running(installation) as family:
        members = family.children()
        family.process.kill()
        family.process.wait()
        wait_until(lambda: not any(_lives(pid) for pid in members), seconds=20)


def test_a_second_family_on_the_same_data_folder_is_refused(family: Installation):
    done = subprocess.run(
        [WINNOW, "up"], env=family.environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "already runs" in done.stderr


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
