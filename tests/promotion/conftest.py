"""A project with two versions over two classes, and a benchmark set large enough to prove something."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from app.projects.models import Project
from tests.factories.evaluation import Answer, answers, benchmark_set, evaluated
from tests.factories.registry import TinyVersion, tiny_version

IMAGES = 400


@dataclass(frozen=True)
class Bench:
    """`answers(wrong)` are a version's answers on the set: the first `wrong` images wrong, the others right."""

    project_id: int
    set_id: int
    image_ids: list[int]
    first: TinyVersion
    second: TinyVersion

    @property
    def subset(self) -> str:
        """The set's name in an evaluation."""
        return f"benchmark:{self.set_id}"

    def answers(self, wrong: int = 0) -> list[Answer]:
        """Apple throughout; the first `wrong` images were taken for pears."""
        apple, pear = self.first.class_ids
        ids = self.image_ids
        return answers(ids[:wrong], apple, pear, 0.6) + answers(ids[wrong:], apple, apple, 0.9)

    def evaluate(self, version: TinyVersion, wrong: int = 0, *, upper: float = 0.8) -> None:
        """Make the version evaluated on the set and on a few test images."""
        apple = self.first.class_ids[0]
        said = {self.subset: self.answers(wrong), "test": answers(self.image_ids[:10], apple, apple)}
        evaluated(self.project_id, version, said, upper=upper, lower=0.3)


@pytest.fixture
def bench(project: Project) -> Bench:
    """Nothing is evaluated or promoted yet."""
    first, second = (tiny_version(project.id, ["Apple", "Pear"], seed=seed) for seed in (1, 2))
    set_id, ids = benchmark_set(project.id, IMAGES, first.class_ids[0])
    return Bench(project.id, set_id, ids, first, second)
