"""Label conflicts: known bytes that arrived under another label; a reviewer keeps the label or takes the new one.

Many are settled at once as one decision, which `undo_settlement` takes back with the labels that it gave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.database import id_rows
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.texts import tr
from app.labelling.classes import ensure_class
from app.labelling.schemas import ActionResult, Change
from app.labelling.service import apply_labels
from app.labelling.undo import undo
from app.library.decisions import Memory, Settled, Undone, undo_decision
from app.library.models import LabelConflict
from app.library.service import settle_conflict


def take_new_label(session: Session, conflict_id: int, *, project_id: int, user_id: int) -> ActionResult:
    """Give the image the label it arrived with, as a reviewer's act that can be undone, and close the conflict.

    (`library.service.settle_conflict` closes it in favour of the present label.) Raises NotFound, or Conflict where the
    image cannot take a label, being removed.
    """
    conflict = session.scalar(
        select(LabelConflict).where(LabelConflict.id == conflict_id, LabelConflict.project_id == project_id)
    )
    if conflict is None:
        raise NotFound(f"no open conflict {conflict_id} in this project")
    settle_conflict(session, conflict_id, project_id=project_id, user_id=user_id)
    sub_name = conflict.sub_class_name or None
    class_id, sub_class_id = ensure_class(session, project_id, conflict.class_name, sub_name, user_id)
    result = apply_labels(
        session,
        project_id=project_id,
        user_id=user_id,
        how="review",
        changes=[Change(conflict.image_id, class_id=class_id, sub_class_id=sub_class_id)],
        kind="settle",
        summary=f"Settled a conflict: {conflict.class_name}"[:500],
    )
    if result.skipped:
        raise Conflict(f"the image cannot take this label: {result.skipped[0].why}")
    return result


def settle_many(
    session: Session, conflict_ids: Sequence[int], *, take: bool, project_id: int, user_id: int
) -> tuple[Settled, ActionResult | None]:
    """Settle open conflicts as one decision: the images keep their labels, or take those they arrived with.

    What somebody settled meanwhile is passed over; an image that cannot take a label, being removed, keeps its conflict
    open. Raises NotFound where none is open, InvalidInput where one image would get two labels.
    """
    found = session.scalars(
        select(LabelConflict).where(
            LabelConflict.id.in_(id_rows(session, list(conflict_ids))),
            LabelConflict.project_id == project_id,
            LabelConflict.settled_at.is_(None),
        )
    ).all()
    if not found:
        raise NotFound(tr("none of these conflicts is open any more"))
    result = _take_all(session, found, project_id=project_id, user_id=user_id) if take else None
    untouched = {row.image_id for row in result.skipped} if result else set()
    memory = Memory(session, project_id)
    memory.conflicts += [conflict.id for conflict in found if conflict.image_id not in untouched]
    closed = update(LabelConflict).where(LabelConflict.id.in_(id_rows(session, memory.conflicts)))
    session.execute(closed.values(settled_at=now(), settled_by=user_id))
    words = tr("took %(n)s new labels", n=len(memory.conflicts)) if take else tr("kept %(n)s labels", n=len(found))
    action_id = result.action_id if result else None
    decided = memory.close(kind="conflicts", summary=words, user_id=user_id, label_action_id=action_id)
    return decided, result


def _take_all(session: Session, conflicts: Sequence[LabelConflict], *, project_id: int, user_id: int) -> ActionResult:
    twice = [image_id for image_id, times in Counter(one.image_id for one in conflicts).items() if times > 1]
    if twice:
        raise InvalidInput(tr("image %(id)s arrived under several labels; choose one of them", id=twice[0]))
    labels = {
        names: ensure_class(session, project_id, names[0], names[1] or None, user_id)
        for names in sorted({(one.class_name, one.sub_class_name) for one in conflicts})
    }
    changes = []
    for one in conflicts:
        class_id, sub_class_id = labels[one.class_name, one.sub_class_name]
        changes.append(Change(one.image_id, class_id=class_id, sub_class_id=sub_class_id))
    return apply_labels(
        session,
        project_id=project_id,
        user_id=user_id,
        how="review",
        changes=changes,
        kind="settle",
        summary=tr("Settled %(n)s conflicts by the new label", n=len(changes)),
    )


def undo_settlement(session: Session, decision_id: int, *, project_id: int, user_id: int) -> Undone:
    """Take a decision about duplicates or conflicts back, with the labels it gave. Raises NotFound and Conflict."""
    undone = undo_decision(session, decision_id, project_id=project_id, user_id=user_id)
    if undone.label_action_id is not None:
        undo(session, undone.label_action_id, project_id=project_id, user_id=user_id, may_undo_others=True)
    return undone
