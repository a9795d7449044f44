"""The labelling standard of a class: its note, good and bad example images, look-alikes with a word on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from app.core.database import id_rows, insert_into
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.texts import tr
from app.labelling.classes import class_in_use, get_class, note_act
from app.labelling.models import ClassExample, LabelClass, LookAlike
from app.library.models import Image, ImageState

MOST_EXAMPLES = 24
_HIDDEN = (ImageState.QUARANTINED, ImageState.REMOVED)


@dataclass(frozen=True, slots=True)
class Example:
    """An example image, and what it shows."""

    image_id: int
    rotation: int
    file_name: str
    is_good: bool
    note: str


@dataclass(frozen=True, slots=True)
class Alike:
    """A class that this one is mistaken for, how to tell them apart, and one of its good examples."""

    class_id: int
    name: str
    note: str
    example: Example | None


@dataclass(frozen=True, slots=True)
class Standard:
    """Everything a labeller needs to decide whether an image is of a class."""

    id: int
    name: str
    note: str
    good: Sequence[Example]
    bad: Sequence[Example]
    alike: Sequence[Alike]

    @property
    def is_empty(self) -> bool:
        """Nobody has written any of it."""
        return not (self.note or self.good or self.bad or self.alike)


def standard_of(session: Session, *, project_id: int, class_id: int) -> Standard:
    """The standard of a class. Raises NotFound."""
    owner = get_class(session, project_id=project_id, class_id=class_id)
    alike = _look_alikes(session, class_id)
    examples = _examples(session, [class_id, *(other.id for other, _ in alike)])
    own = examples.get(class_id, [])
    return Standard(
        *(owner.id, owner.name, owner.note),
        good=[each for each in own if each.is_good],
        bad=[each for each in own if not each.is_good],
        alike=[
            Alike(other.id, other.name, note, next((e for e in examples.get(other.id, []) if e.is_good), None))
            for other, note in alike
        ],
    )


def add_examples(
    session: Session,
    *,
    project_id: int,
    class_id: int,
    image_ids: Sequence[int],
    is_good: bool,
    note: str = "",
    user_id: int,
) -> int:
    """Show some images in the standard, as what the class looks like or as what does not belong in it.

    Returns how many; those that are in it already get the word and place given now. Raises InvalidInput for more than
    MOST_EXAMPLES, NotFound for images that are not the project's.
    """
    owner = class_in_use(session, project_id=project_id, class_id=class_id)
    wanted = sorted(set(image_ids))
    own = select(Image.id).where(Image.id.in_(id_rows(session, wanted)), Image.project_id + 0 == project_id)
    if len(set(session.scalars(own.where(Image.state.not_in(_HIDDEN))))) != len(wanted):
        raise NotFound(tr("an example is an image of this project that is neither removed nor quarantined"))
    known = set(session.scalars(select(ClassExample.image_id).where(ClassExample.class_id == class_id)))
    if len(known | set(wanted)) > MOST_EXAMPLES:
        raise InvalidInput(tr("a standard shows at most %(most)s images; take some out first", most=MOST_EXAMPLES))
    statement = insert_into(session, ClassExample)
    session.connection().execute(
        statement.on_conflict_do_update(
            index_elements=["class_id", "image_id"],
            set_={"is_good": statement.excluded.is_good, "note": statement.excluded.note},
        ),
        [{"class_id": class_id, "image_id": image_id, "is_good": is_good, "note": note} for image_id in wanted],
    )
    kind = "good" if is_good else "bad"
    note_act(session, owner, user_id, "class", f"Added {len(wanted)} {kind} examples to the standard of {owner.name}")
    return len(wanted)


def remove_example(session: Session, *, project_id: int, class_id: int, image_id: int, user_id: int) -> None:
    """Take an image out of the standard. Raises NotFound."""
    owner = get_class(session, project_id=project_id, class_id=class_id)
    mine = (ClassExample.class_id == class_id, ClassExample.image_id == image_id)
    if session.scalar(delete(ClassExample).where(*mine).returning(ClassExample.image_id)) is None:
        raise NotFound(tr("image %(id)s is no example of %(name)s", id=image_id, name=owner.name))
    note_act(session, owner, user_id, "class", f"Took an example out of the standard of {owner.name}")


def set_look_alike(session: Session, *, project_id: int, class_id: int, other_id: int, note: str, user_id: int) -> None:
    """Say that two classes are mistaken for each other, and how to tell them apart; it stands in both standards."""
    owner = class_in_use(session, project_id=project_id, class_id=class_id)
    other = class_in_use(session, project_id=project_id, class_id=other_id)
    if owner.id == other.id:
        raise InvalidInput(tr("a class is not its own look-alike"))
    low, high = sorted((owner.id, other.id))
    known = session.get(LookAlike, (low, high))
    if known is None:
        session.add(LookAlike(class_id=low, other_id=high, note=note))
    elif known.note == note:
        raise Conflict(tr("that stands there already"))
    else:
        known.note = note
    session.flush()
    note_act(session, owner, user_id, "class", f"Noted how to tell {owner.name} from {other.name}")


def remove_look_alike(session: Session, *, project_id: int, class_id: int, other_id: int, user_id: int) -> None:
    """Take a pair out of both standards. Raises NotFound."""
    owner = get_class(session, project_id=project_id, class_id=class_id)
    other = get_class(session, project_id=project_id, class_id=other_id)
    low, high = sorted((class_id, other_id))
    pair = (LookAlike.class_id == low, LookAlike.other_id == high)
    if session.scalar(delete(LookAlike).where(*pair).returning(LookAlike.class_id)) is None:
        raise NotFound(tr("%(name)s and %(other)s are no look-alikes", name=owner.name, other=other.name))
    note_act(session, owner, user_id, "class", f"{owner.name} and {other.name} are no look-alikes any more")


def _look_alikes(session: Session, class_id: int) -> list[tuple[LabelClass, str]]:
    pair = or_(
        (LookAlike.class_id == class_id) & (LookAlike.other_id == LabelClass.id),
        (LookAlike.other_id == class_id) & (LookAlike.class_id == LabelClass.id),
    )
    query = select(LabelClass, LookAlike.note).join(LookAlike, pair).where(LabelClass.archived_at.is_(None))
    return [(other, note) for other, note in session.execute(query.order_by(LabelClass.folded_name))]


def _examples(session: Session, class_ids: Sequence[int]) -> dict[int, list[Example]]:
    query = (
        select(
            ClassExample.class_id, Image.id, Image.rotation, Image.file_name, ClassExample.is_good, ClassExample.note
        )
        .join(Image, Image.id == ClassExample.image_id)
        .where(ClassExample.class_id.in_(class_ids), Image.state.not_in(_HIDDEN))
        .order_by(ClassExample.class_id, Image.id)
    )
    found: dict[int, list[Example]] = {}
    for class_id, image_id, rotation, file_name, is_good, note in session.execute(query):
        found.setdefault(class_id, []).append(Example(image_id, rotation, file_name, is_good, note))
    return found
