"""Who may call the routes of acts on many results and of retiring, and requests that they accept."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.identification import plan_files, retiring, sweeping
from app.library.models import Image
from app.runs.models import Run
from tests.factories.library import add_images
from tests.factories.runs import ended_run
from tests.security.sent import PROJECT, Sent

VIEWER = """
GET /projects/{slug}/identify/{job_id}/above
GET /projects/{slug}/identify/{job_id}/removal
GET /projects/{slug}/identify/{job_id}/plans/{plan_run_id}
GET /projects/{slug}/identify/{job_id}/plans/{plan_run_id}/part
GET /projects/{slug}/retirements/classes/{class_id}
"""
REVIEWER = """
GET /projects/{slug}/retirements/offers
POST /projects/{slug}/retirements
POST /projects/{slug}/retirements/{retirement_id}/undo
"""
ENGINEER = """
POST /projects/{slug}/identify/{job_id}/above
POST /projects/{slug}/identify/{job_id}/removal
POST /projects/{slug}/identify/{job_id}/removal/count
POST /projects/{slug}/identify/{job_id}/plans/{plan_run_id}/act
"""
_BY_ROLE = {"viewer": VIEWER, "reviewer": REVIEWER, "engineer": ENGINEER}
OF_ACTING = {line: role for role, lines in _BY_ROLE.items() for line in lines.split("\n") if line}


def of_acting(ids: dict[str, Any]) -> dict[str, Sent]:
    """A request by which the right role gets what it asks for."""
    one = f"{PROJECT}/identify/{{job_id}}"
    return {
        f"GET {PROJECT}/retirements/offers": Sent(query={"action": str(ids["action_id"])}),
        f"POST {PROJECT}/retirements": Sent(form={"class_id": ids["class_id"], "count": 1}),
        f"POST {PROJECT}/retirements/{{retirement_id}}/undo": Sent(),
        f"POST {one}/above": Sent(form={"confidence": "0.9", "class_id": ""}),
        f"POST {one}/removal": Sent(form={"measure": "margin", "below": 10}),
        f"POST {one}/removal/count": Sent(),
        f"POST {one}/plans/{{plan_run_id}}/act": Sent(),
    }


def planned_acts(session: Session, project_id: int, owner_id: int, ids: dict[str, Any], title: str) -> dict[str, Any]:
    """A plan that waits to be done, and staged images of a class, one of which has retired."""
    asked = {"act": "remove", "job_id": ids["job_id"], "asked": {"measure": "confidence", "below": 80}}
    run_id = ended_run(session, project_id=project_id, kind=sweeping.PLAN, title=title, parameters=asked)
    result = {"act": "remove", "taken": 1, "protected": 0, "above": 1}
    session.execute(update(Run).where(Run.id == run_id).values(result=result))
    waiting = select(Image.id).where(Image.project_id == project_id, Image.state == "pool").order_by(Image.id)
    images = np.zeros(1, dtype=plan_files.COLUMNS)
    images["image_id"] = session.scalars(waiting.limit(1)).one()
    plan_files.freeze(run_id, images)
    add_images(session, project_id, 3, state="labelled", class_id=ids["class_id"], origin="staged")
    retired = retiring.retire(session, project_id=project_id, class_id=ids["class_id"], count=1, user_id=owner_id)
    return {"plan_run_id": run_id, "retirement_id": retired.id}
