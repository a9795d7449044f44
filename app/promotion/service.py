"""The gate, and the only place that moves the production pointer: promote and roll back."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.accounts import audit
from app.accounts.roles import allows
from app.core.clock import now
from app.core.database import Json
from app.core.errors import Conflict, Forbidden, InvalidInput
from app.identification.service import request_standing
from app.projects.models import Project
from app.projects.webhook_events import announce_event
from app.promotion import comparison, rules
from app.promotion.models import GateReport
from app.promotion.rules import Finding, Verdict
from app.registry.lifecycle import change_state
from app.registry.models import Deployment, VersionState
from app.registry.queries import get_version, production
from app.registry.schemas import Production, VersionRef
from app.runs.models import Run, RunState
from app.runs.service import request_run

SHORTEST_REASON = 10


@dataclass(frozen=True, slots=True)
class Gate:
    """What the rules say of a candidate now."""

    candidate_id: int
    production_id: int | None
    verdict: Verdict
    findings: tuple[Finding, ...]

    def as_json(self) -> list[Json]:
        """The findings as they are kept with a promotion."""
        return [asdict(finding) for finding in self.findings]


def gate(session: Session, candidate_id: int, project_id: int) -> Gate:
    """Hold a candidate against production by the rules; without production only floors and false answers apply.

    The version in production itself is judged as if there were none.

    Reads only. Raises NotFound.
    """
    candidate = get_version(session, candidate_id, project_id)
    serving = production(session, project_id)
    if serving is not None and serving.version_id == candidate_id:
        serving = None
    findings = rules.worst_first(_findings(session, candidate, serving))
    return Gate(candidate_id, serving.version_id if serving else None, rules.overall(findings), tuple(findings))


def _findings(session: Session, candidate: VersionRef, serving: Production | None) -> list[Finding]:
    if candidate.throwaway:
        says = "This version comes from a throw-away run and can never be promoted."
        return [Finding("not throw-away", Verdict.FAILED, says)]
    findings = [
        Finding(
            "measured", Verdict.NOT_PROVEN, f"Version {number} was not measured on: {', '.join(names)}. Evaluate it."
        )
        for number, names in _gaps(session, candidate, serving)
    ]
    sets = comparison.measured_sets(session, candidate.project_id, candidate.id)
    findings += [*rules.floors(sets), rules.false_answers(sets)]
    if serving is not None:
        findings.append(rules.enough_clean_images(sets))
        pairs = comparison.paired_sets(session, candidate.project_id, candidate.id, serving.version_id)
        findings += [rules.no_set_worse(pair) for pair in pairs]
        findings.append(rules.no_class_lost(comparison.lost_classes(session, candidate.id, serving.version_id)))
    return findings


def _gaps(session: Session, candidate: VersionRef, serving: Production | None) -> list[tuple[int, list[str]]]:
    """(version number, what it was not measured on) for candidate and production."""
    asked = [(candidate.id, candidate.number)]
    if serving is not None:
        asked.append((serving.version_id, serving.number))
    gaps = []
    for version_id, number in asked:
        names = comparison.unmeasured_sets(session, candidate.project_id, version_id)
        if comparison.proposed_thresholds(session, version_id) is None:
            names = ["validation", *names]
        if names:
            gaps.append((number, names))
    return gaps


def request_evaluation(session: Session, *, project_id: int, version_id: int, user_id: int | None) -> int:
    """Queue a run that measures a version on its splits and on every benchmark set as they are now."""
    version = get_version(session, version_id, project_id)
    return request_run(
        session,
        project_id=project_id,
        kind="evaluation.evaluate",
        title=f"Evaluate v{version.number}",
        parameters={"version_id": version_id},
        created_by=user_id,
        coalesce_key=f"evaluate:{version_id}",
    )


def promote(
    session: Session,
    *,
    project_id: int,
    version_id: int,
    user_id: int | None,
    role: str,
    reason: str,
    override_reason: str | None = None,
    expected_deployment_id: int | None = None,
) -> int:
    """Put a version into production; returns the deployment's id. Needs a write session.

    The gate is evaluated now and its report kept. `expected_deployment_id` is the active deployment the caller saw
    (None: none): when two promote at once, one wins and the other is told. Raises NotFound; Forbidden for a role
    without the right; Conflict for a throw-away or unevaluated version, for one that already serves, for a gate that
    is not passed without an override, and for a pointer that has moved meanwhile.
    """
    if not allows(role, "engineer"):
        raise Forbidden(f"promoting needs the role engineer; yours is {role}")
    version = get_version(session, version_id, project_id)
    serving = _locked_production(session, project_id)
    _refuse(version, serving, expected_deployment_id)
    judged = gate(session, version_id, project_id)
    override = _override(judged, version, role, override_reason)
    thresholds = comparison.proposed_thresholds(session, version_id)
    if thresholds is None:
        raise Conflict(f"version {version.number} was never evaluated: evaluate it first")
    report = GateReport(
        project_id=project_id,
        candidate_id=version_id,
        production_id=judged.production_id,
        verdict=judged.verdict,
        rules={"findings": judged.as_json()},
        created_by=user_id,
        created_at=now(),
    )
    session.add(report)
    session.flush()
    if version.state != VersionState.APPROVED:
        words = reason or "promoted"
        change_state(
            session, version_id, to_state=VersionState.APPROVED, reason=words, user_id=user_id, override_reason=override
        )
    return _deploy(
        session,
        version,
        act="promote",
        reason=reason,
        override_reason=override,
        gate_report_id=report.id,
        upper=thresholds.upper,
        lower=thresholds.lower,
        user_id=user_id,
    )


def _locked_production(session: Session, project_id: int) -> Production | None:
    """What serves now, with the project's row locked, so that of two promotions at once the second sees the first."""
    session.execute(select(Project.id).where(Project.id == project_id).with_for_update(key_share=True))
    return production(session, project_id)


def _refuse(version: VersionRef, serving: Production | None, expected_deployment_id: int | None) -> None:
    if version.throwaway:
        raise Conflict(f"version {version.number} comes from a throw-away run and can never be promoted")
    active = serving.deployment_id if serving else None
    if active != expected_deployment_id:
        now_serving = f"version {serving.number}" if serving else "nothing"
        raise Conflict(f"production has changed meanwhile: {now_serving} serves now. Look again, then promote.")
    if serving is not None and serving.version_id == version.id:
        raise Conflict(f"version {version.number} is in production already")


def needs_override(judged: Gate, version: VersionRef) -> bool:
    """Whether only an administrator's written reason lets this version into production."""
    return judged.verdict != Verdict.PASSED or version.state == VersionState.REJECTED


def _override(judged: Gate, version: VersionRef, role: str, override_reason: str | None) -> str | None:
    """The written reason where one is needed. Raises Conflict without it, Forbidden for a role without the right."""
    if not needs_override(judged, version):
        return None
    words = (override_reason or "").strip()
    if not words:
        broken = [each.says for each in judged.findings if each.verdict != Verdict.PASSED]
        if version.state == VersionState.REJECTED:
            broken.append(f"Version {version.number} was rejected.")
        raise Conflict(f"the gate is {judged.verdict.replace('_', ' ')}: {' '.join(broken)}", code="gate_not_passed")
    if not allows(role, "administrator"):
        raise Forbidden(f"overriding the gate needs the role administrator; yours is {role}")
    if len(words) < SHORTEST_REASON:
        raise InvalidInput(
            f"an override needs a reason of at least {SHORTEST_REASON} characters; received {len(words)}"
        )
    return words


def roll_back(
    session: Session, *, project_id: int, user_id: int | None, role: str, reason: str, expected_deployment_id: int
) -> int:
    """Put the version that served before back into production, with its thresholds; returns the deployment's id.

    Raises Forbidden, and Conflict where nothing served before or the pointer has moved meanwhile.
    """
    if not allows(role, "engineer"):
        raise Forbidden(f"rolling back needs the role engineer; yours is {role}")
    serving = _locked_production(session, project_id)
    if serving is None or serving.deployment_id != expected_deployment_id:
        raise Conflict("production has changed meanwhile. Look again, then roll back.")
    before = previous_deployment(session, project_id)
    if before is None:
        raise Conflict("nothing served before: there is no version to roll back to")
    return _deploy(
        session,
        get_version(session, before.version_id, project_id),
        act="rollback",
        reason=reason,
        override_reason=None,
        gate_report_id=before.gate_report_id,
        upper=before.upper_threshold,
        lower=before.lower_threshold,
        user_id=user_id,
    )


def previous_deployment(session: Session, project_id: int) -> Deployment | None:
    """What a roll-back returns to: the newest promotion of another version than the one that serves.

    Versions that a roll-back has left behind are not returned to.
    """
    history = session.scalars(
        select(Deployment).where(Deployment.project_id == project_id).order_by(Deployment.id)
    ).all()
    standing: list[Deployment] = []
    for each in history:
        if each.act == "rollback":
            standing.pop()
        else:
            standing.append(each)
    return standing[-2] if len(standing) > 1 else None


def _deploy(
    session: Session,
    version: VersionRef,
    *,
    act: str,
    reason: str,
    override_reason: str | None,
    gate_report_id: int | None,
    upper: float,
    lower: float,
    user_id: int | None,
) -> int:
    session.execute(
        update(Deployment)
        .where(Deployment.project_id == version.project_id, Deployment.is_active)
        .values(is_active=False, ended_at=now())
    )
    deployment = Deployment(
        project_id=version.project_id,
        version_id=version.id,
        throwaway=False,
        is_active=True,
        act=act,
        reason=reason.strip(),
        override_reason=override_reason,
        gate_report_id=gate_report_id,
        upper_threshold=upper,
        lower_threshold=lower,
        user_id=user_id,
        created_at=now(),
    )
    session.add(deployment)
    session.flush()
    audit.write(
        session,
        action="production.promoted" if act == "promote" else "production.rolled_back",
        subject=f"version {version.number}",
        user_id=user_id,
        project_id=version.project_id,
        detail={"deployment_id": deployment.id, "reason": reason, "override_reason": override_reason},
    )
    _announce(session, version, deployment)
    request_standing(session, version.project_id)
    return deployment.id


def _announce(session: Session, version: VersionRef, deployment: Deployment) -> None:
    words = "is in production." if deployment.act == "promote" else "is in production again, after a roll-back."
    announce_event(
        session,
        project_id=version.project_id,
        event="production.changed",
        key=f"deployment:{deployment.id}",
        text=f"Version {version.number} {words}",
        path=f"/models/{version.number}",
        facts={"version_id": version.id, "number": version.number, "act": deployment.act},
    )


def evaluation_under_way(session: Session, version_id: int) -> int | None:
    """The id of an evaluation of this version that is queued or running, if there is one."""
    running = select(Run.id, Run.parameters).where(
        Run.kind == "evaluation.evaluate", Run.state.in_((RunState.QUEUED, RunState.RUNNING))
    )
    found = (row.id for row in session.execute(running) if row.parameters.get("version_id") == version_id)
    return next(found, None)
