"""The most useful next action, by rules: each looks at where the project stands and says something or nothing.

The order of RULES is the order of usefulness. A rule names the role it needs, so that everybody is shown what they may
do themselves, and what waits for somebody else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from app.accounts.roles import allows
from app.labelling.queue import WAITING_CAP
from app.library.models import ImageState
from app.reports.home import CAP, ClassCount, Standing
from app.web.access import RoleName

ENOUGH_NEW_LABELS: Final = 50
ENOUGH_TO_GRADE: Final = 10
_FEWEST_CLASSES: Final = 2
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Advice:
    """An action: what its button says, why it is worth doing, where it is done (below the project), by whom.

    `stop` is the place in the loop that it belongs to.
    """

    act: str
    reason: str
    path: str
    role: RoleName
    stop: str
    is_allowed: bool = True


Rule = Callable[[Standing], Advice | None]


def advise(standing: Standing, role: RoleName) -> list[Advice]:
    """What helps, the most useful first; what this role may not do is marked."""
    found = (rule(standing) for rule in RULES)
    return [
        Advice(one.act, one.reason, one.path, one.role, one.stop, is_allowed=allows(role, one.role))
        for one in found
        if one is not None
    ]


def _import_images(here: Standing) -> Advice | None:
    if here.total:
        return None
    why = "The library is empty. A folder for each class brings the labels along; images without one fill the pool."
    return Advice("Import images", why, "/imports/new", "engineer", "import")


def _make_classes(here: Standing) -> Advice | None:
    if not here.total or here.classes:
        return None
    why = f"{_count(here.total, 'image')} and no class yet. Name the classes that the model shall tell apart."
    return Advice("Make the classes", why, "/classes", "reviewer", "label")


def _label_the_first(here: Standing) -> Advice | None:
    if here.newest or not here.classes or not here.total or len(here.ready) >= _FEWEST_CLASSES:
        return None
    closest = ", ".join(f"{each.name} {each.labelled}" for each in here.lacking[:_NAMED])
    rule = f"A first version needs {_FEWEST_CLASSES} classes with {here.lower_cutoff} usable images each"
    why = f"{rule}; {len(here.ready)} reach that now. The closest: {closest}."
    return Advice("Label images", why, "/label", "labeller", "label")


def _train_the_first(here: Standing) -> Advice | None:
    if here.newest or len(here.ready) < _FEWEST_CLASSES or _is_training(here):
        return None
    ready = _count(len(here.ready), "class", "classes")
    why = f"{ready} have at least {here.lower_cutoff} usable images: enough to begin."
    return Advice("Train the first version", why, "/train", "engineer", "train")


def _label_candidates(here: Standing) -> Advice | None:
    if here.candidates is None:
        return None
    found = sorted(here.candidates.by_class.items(), key=lambda each: -each[1])
    named = ", ".join(f"{name} {images}" for name, images in found[:_NAMED])
    why = f"The throw-away version found images for classes below the cutoff: {named}."
    path = f"/identify/{here.candidates.job_id}?view=candidates"
    return Advice(f"Look through {_count(here.candidates.images, 'candidate')}", why, path, "labeller", "identify")


def _look_at_unknowns(here: Standing) -> Advice | None:
    look = here.unknowns
    if look is None or not here.images.get(ImageState.UNKNOWN) or here.production is None:
        return None
    if here.production.number != look.version_number:
        return None
    why = f"v{look.version_number} looked at the unknowns again: {look.words}."
    return Advice(f"Look at {_count(look.changed, 'unknown')}", why, look.path, "labeller", "identify")


def _make_a_benchmark(here: Standing) -> Advice | None:
    if here.newest is None or here.benchmark_sets:
        return None
    why = "The gate compares versions on benchmark sets, and there is none yet. Choose images as messy as the field is."
    return Advice("Choose benchmark images", why, "/library?state=labelled", "reviewer", "benchmark")


def _look_at_the_gate(here: Standing) -> Advice | None:
    newest = here.newest
    if newest is None or here.newest_serves or newest.state not in ("candidate", "approved"):
        return None
    if not here.newest_is_measured or (here.production and here.production.number > newest.number):
        return None
    against = f"v{here.production.number} serves now" if here.production else "nothing serves yet"
    why = f"v{newest.number} is trained and measured, and {against}."
    return Advice(
        f"See whether v{newest.number} passes the gate", why, f"/models/{newest.number}", "engineer", "promote"
    )


def _train_with_new_classes(here: Standing) -> Advice | None:
    if here.newest is None or not here.newly_ready or _is_training(here):
        return None
    named = _names(here.newly_ready)
    verb = "has" if len(here.newly_ready) == 1 else "have"
    why = f"{named} {verb} reached {here.lower_cutoff} images since v{here.newest.number} was trained."
    return Advice("Train with the new classes", why, "/train?start=warm", "engineer", "train")


def _train_with_new_labels(here: Standing) -> Advice | None:
    if here.newest is None or here.newly_ready or here.labelled_since < ENOUGH_NEW_LABELS or _is_training(here):
        return None
    why = f"{_count(here.labelled_since, 'image')} labelled since v{here.newest.number} was trained."
    return Advice("Train the next version", why, "/train?start=warm", "engineer", "train")


def _find_more_of_few(here: Standing) -> Advice | None:
    if here.newest is None or here.candidates or not here.nearly_ready or not here.waiting_for_label:
        return None
    if _is_training(here):
        return None
    closest = here.nearly_ready
    lowest = min(each.labelled for each in closest)
    named = ", ".join(f"{each.name} {each.usable} of {here.lower_cutoff}" for each in closest[:_NAMED])
    why = f"{named}: just below the cutoff. A throw-away version that knows them finds more in the pool."
    path = f"/train?purpose=throwaway&lower={lowest}&then_identify=true"
    return Advice("Find images for small classes", why, path, "engineer", "train")


def _settle_conflicts(here: Standing) -> Advice | None:
    if not here.conflicts:
        return None
    images = _count(here.conflicts, "image", cap=CAP)
    why = f"{images} arrived again under another label. Nothing was changed; a person decides."
    return Advice("Settle label conflicts", why, "/library/conflicts", "reviewer", "label")


def _grade_answers(here: Standing) -> Advice | None:
    if here.waiting_for_grade < ENOUGH_TO_GRADE:
        return None
    answers = _count(here.waiting_for_grade, "answer", cap=CAP)
    why = f"{answers} wait for a grade: the only way to know how well it does in the field."
    return Advice("Grade answers", why, "/grade", "reviewer", "serve")


def _label_the_pool(here: Standing) -> Advice | None:
    if not here.waiting_for_label or not here.classes or (here.newest is None and len(here.ready) < _FEWEST_CLASSES):
        return None
    helped = f" v{here.production.number} suggests a class for each." if here.production else ""
    why = f"{_count(here.waiting_for_label, 'image', cap=WAITING_CAP)} in the pool wait for a label.{helped}"
    return Advice("Label the pool", why, "/label", "labeller", "label")


def _serve_the_first(here: Standing) -> Advice | None:
    if here.production is None or here.served:
        return None
    why = f"v{here.production.number} is in production, and no request came in the last 7 days."
    return Advice("See how a client asks", why, "/transactions", "viewer", "serve")


RULES: Final[Sequence[Rule]] = (
    _import_images,
    _make_classes,
    _label_the_first,
    _train_the_first,
    _label_candidates,
    _look_at_unknowns,
    _make_a_benchmark,
    _look_at_the_gate,
    _train_with_new_classes,
    _train_with_new_labels,
    _find_more_of_few,
    _settle_conflicts,
    _grade_answers,
    _label_the_pool,
    _serve_the_first,
)


def _is_training(here: Standing) -> bool:
    return "training.train" in here.open_runs


def _count(number: int, word: str, words: str = "", *, cap: int | None = None) -> str:
    """1 image, 412 images, 1,000+ images where counting ended at `cap`."""
    return f"{number:,}{'+' if number == cap else ''} {word if number == 1 else words or word + 's'}"


def _names(classes: Sequence[ClassCount]) -> str:
    named = [each.name for each in classes[:_NAMED]]
    more = len(classes) - len(named)
    if more:
        return f"{', '.join(named)} and {more} more"
    return " and ".join(", ".join(named).rsplit(", ", 1))
