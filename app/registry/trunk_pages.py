"""The table of trunks: what each is, whether its weights are at hand, how fast it is here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.core.database import read, write
from app.core.settings import get_settings
from app.registry.engine_views import trunks_in_use
from app.registry.queries import reference_trunk
from app.registry.speeds import KIND, SpeedRow, latest_speeds, request_measuring
from app.registry.trunks import DEFAULT_TRUNK, INPUT_CONVENTION, TRUNKS, TrunkKind
from app.registry.weights import WeightsAtHand, weights_at_hand
from app.web.access import Access
from app.web.dependencies import FormFields, require
from app.web.templating import redirect, render

router = APIRouter(prefix="/projects/{slug}", include_in_schema=False)
Viewer = Annotated[Access, Depends(require("viewer"))]
Engineer = Annotated[Access, Depends(require("engineer"))]


@dataclass(frozen=True, slots=True)
class TrunkRow:
    """A line of the table."""

    kind: TrunkKind
    weights: WeightsAtHand
    speed: SpeedRow | None


@router.get("/trunks")
def trunks_page(request: Request, access: Viewer) -> Response:
    """Every trunk that can be trained here, and the project's reference trunk."""
    folder = get_settings().trunk_weights_dir
    with read() as session:
        speeds = latest_speeds(session)
        reference = reference_trunk(session, access.project.id)
        in_use = trunks_in_use(session, access.project.id)
    rows = [
        TrunkRow(kind, weights_at_hand(name, folder), speeds.get(name))
        for name, kind in sorted(TRUNKS.items(), key=lambda pair: pair[1].parameters)
    ]
    return render(
        request,
        "registry/trunks.html",
        active="models",
        rows=rows,
        reference=reference,
        titles={name: kind.title for name, kind in TRUNKS.items()},
        default=DEFAULT_TRUNK,
        convention=INPUT_CONVENTION,
        runs_kind=KIND,
        in_use=in_use,
    )


@router.post("/trunks/measure")
def measure(access: Engineer, form: FormFields) -> Response:
    """Measure one trunk, or all of them, in the background."""
    asked = str(form.get("architecture", ""))
    with write() as session:
        names = [asked] if asked else []
        run_id = request_measuring(session, access.project.id, names, user_id=access.user_id)
    return redirect(f"/projects/{access.project.slug}/runs/{run_id}", "The trunks are being measured.")
