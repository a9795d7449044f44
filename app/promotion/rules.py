"""The gate's rules: figures in, findings out. Pure, so that their error rates can be simulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.core.shares import wilson
from app.evaluation.statistics import holm_broken, mcnemar_worse, smallest_detectable_drop

TOLERANCE: Final = 0.03
SET_FLOOR: Final = 0.5
CLASS_FLOOR: Final = 0.2
FALSE_ANSWERS: Final = 0.25
FEWEST_CLEAN: Final = 30
ALPHA: Final = 0.05


class Verdict(StrEnum):
    """What a rule, and the gate as a whole, says."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_PROVEN = "not_proven"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's verdict, with the sentence that states its figures."""

    rule: str
    verdict: Verdict
    says: str


@dataclass(frozen=True, slots=True)
class Paired:
    """Candidate against production on the images of one benchmark set that are clean for both.

    `left_out` counts those that at least one of the two has learnt from, or could not be judged on.
    """

    set_name: str
    set_id: int
    images: int
    fixed: int
    broken: int
    still_wrong: int
    left_out: int = 0

    @property
    def right(self) -> int:
        """Images that the candidate gets right."""
        return self.images - self.still_wrong - self.broken

    @property
    def p_value(self) -> float:
        """McNemar's two-sided exact p-value: the chance of so lopsided a change by luck alone."""
        return min(1.0, 2 * min(mcnemar_worse(self.broken, self.fixed), mcnemar_worse(self.fixed, self.broken)))


@dataclass(frozen=True, slots=True)
class Measured:
    """The candidate alone on one benchmark set. `classes` holds (name, right, images) of its known classes."""

    set_name: str
    right: int
    images: int
    exposed: int
    classes: Sequence[tuple[str, int, int]]
    strange_answered: int
    strange: int


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """What stands against a version before what speaks for it."""
    order = (Verdict.FAILED, Verdict.NOT_PROVEN, Verdict.PASSED)
    return sorted(findings, key=lambda finding: order.index(finding.verdict))


def overall(findings: Sequence[Finding]) -> Verdict:
    """Failed when any rule failed, not proven when any is not, else passed."""
    verdicts = {finding.verdict for finding in findings}
    for worst in (Verdict.FAILED, Verdict.NOT_PROVEN):
        if worst in verdicts:
            return worst
    return Verdict.PASSED


def enough_clean_images(sets: Sequence[Measured]) -> Finding:
    """The gate asks for enough images that the candidate has never learnt from, not for a clean set."""
    clean = sum(each.images + each.strange for each in sets)
    left_out = sum(each.exposed for each in sets)
    says = f"{clean} clean benchmark images, at least {FEWEST_CLEAN} needed; {left_out} left out as seen in training."
    return Finding("enough clean images", Verdict.PASSED if clean >= FEWEST_CLEAN else Verdict.NOT_PROVEN, says)


def no_set_worse(pair: Paired) -> Finding:
    """McNemar's test on one set, and the smallest drop that it could have seen.

    What is significantly better is no worse, however few the images.
    """
    rule = f"not worse on {pair.set_name}"
    drop = (pair.broken - pair.fixed) / pair.images if pair.images else 0.0
    seen = smallest_detectable_drop(pair.broken, pair.fixed, pair.images, alpha=ALPHA)
    worse, better = mcnemar_worse(pair.broken, pair.fixed), mcnemar_worse(pair.fixed, pair.broken)
    facts = (
        f"{pair.images} images: {pair.fixed} fixed, {pair.broken} broken, {pair.still_wrong} still wrong; "
        f"McNemar one-sided p = {min(worse, better):.3f}; smallest drop it could have seen {seen:.1%} (80% power)."
    )
    if pair.left_out:
        facts += f" {pair.left_out} left out, as one of the two has learnt from them."
    if worse < ALPHA:
        return Finding(rule, Verdict.FAILED, f"Significantly worse, by {drop:.1%}. {facts}")
    if better < ALPHA:
        return Finding(rule, Verdict.PASSED, f"Significantly better, by {-drop:.1%}. {facts}")
    if seen > TOLERANCE:
        return Finding(rule, Verdict.NOT_PROVEN, f"Too few images to exclude a drop of {TOLERANCE:.0%}. {facts}")
    return Finding(rule, Verdict.PASSED, facts)


def floors(sets: Sequence[Measured]) -> list[Finding]:
    """Accuracy of each set and recall of each class, against their floors; Holm over all of both."""
    measured_sets = [each for each in sets if each.images]
    named = [(each.set_name, *counts) for each in sets for counts in each.classes]
    measured = [row for row in named if row[3] > 0]
    broken = holm_broken(
        [(each.right, each.images, SET_FLOOR) for each in measured_sets]
        + [(right, images, CLASS_FLOOR) for _, _, right, images in measured],
        alpha=ALPHA,
    )
    found = [_set_floor(each, is_broken) for each, is_broken in zip(measured_sets, broken, strict=False)]
    below = [
        f"{name} on {set_name}: {right} of {images}"
        for (set_name, name, right, images), is_broken in zip(measured, broken[len(measured_sets) :], strict=True)
        if is_broken
    ]
    unmeasured = sorted({row[1] for row in named} - {row[1] for row in measured})
    return [*found, _class_floor(len(measured), below, unmeasured)]


def _set_floor(each: Measured, is_broken: bool) -> Finding:
    share = wilson(each.right, each.images)
    says = f"{share.value:.1%} right on {each.images} images ({share.low:.1%} to {share.high:.1%})."
    verdict = Verdict.FAILED if is_broken else Verdict.PASSED
    return Finding(f"floor of {SET_FLOOR:.0%} on {each.set_name}", verdict, says)


def _class_floor(measured: int, below: Sequence[str], unmeasured: Sequence[str]) -> Finding:
    rule = f"floor of {CLASS_FLOOR:.0%} for each class"
    if not measured:
        return Finding(rule, Verdict.PASSED, "Not measured: no benchmark set holds an image of a class it knows.")
    says = f"{measured - len(below)} of {measured} measured hold."
    says += f" Below: {listed(below)}." if below else ""
    says += f" Not measured: {listed(unmeasured)}." if unmeasured else ""
    return Finding(rule, Verdict.FAILED if below else Verdict.PASSED, says)


def listed(names: Sequence[str], *, most: int = 20) -> str:
    """Names one after the other; of very many the first, and how many more there are."""
    more = len(names) - most
    return "; ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def no_class_lost(lost: Sequence[str]) -> Finding:
    """Every class that production knows and that still exists is known to the candidate."""
    if lost:
        return Finding("no class lost", Verdict.FAILED, f"Production knows, the candidate does not: {listed(lost)}.")
    return Finding("no class lost", Verdict.PASSED, "The candidate knows every class of production.")


def false_answers(sets: Sequence[Measured]) -> Finding:
    """How often an image of no known class gets a single answer at the proposed threshold."""
    answered, strange = sum(each.strange_answered for each in sets), sum(each.strange for each in sets)
    rule = f"false answers at most {FALSE_ANSWERS:.0%}"
    if strange == 0:
        return Finding(rule, Verdict.PASSED, "Not measured: no benchmark set holds an out-of-model image.")
    share = wilson(answered, strange)
    says = f"{answered} of {strange} out-of-model images get a single answer ({share.low:.1%} to {share.high:.1%})"
    if share.low > FALSE_ANSWERS:
        return Finding(rule, Verdict.FAILED, f"{says}.")
    is_unclear = share.value > FALSE_ANSWERS
    return Finding(rule, Verdict.PASSED, f"{says}{': too few to show that it is more' if is_unclear else ''}.")
