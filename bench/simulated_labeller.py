"""A careful labeller who knows the truth, acts through the public API alone, and counts what a person would do.

An action is a key, a press on an image, or a look at a page (one image is a page of one). Nothing is labelled that was
not on a page, and nothing wrongly.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from secrets import token_hex
from typing import Any, Final

from starlette.testclient import TestClient

TO_LABEL: Final = 0.99
DIGITS: Final = 9
_DECK: Final = 20


@dataclass
class Effort:
    """What labelling a pool to TO_LABEL took."""

    pool: int
    labelled: int = 0
    looks: int = 0
    keys: int = 0
    presses: int = 0
    sections: int = 0
    page_seconds: list[float] = field(default_factory=list)

    @property
    def actions(self) -> int:
        """Looks, keys and presses together."""
        return self.looks + self.keys + self.presses

    @property
    def actions_per_image(self) -> float:
        """Actions for each image labelled; all of them rightly."""
        return self.actions / self.labelled

    @property
    def is_done(self) -> bool:
        """Whether enough of the pool has its label."""
        return self.labelled >= ceil(TO_LABEL * self.pool)


class Labeller:
    """Signed in as a labeller of one project. `truth` says the class of each image of the pool, by ids."""

    def __init__(self, client: TestClient, slug: str, truth: Mapping[int, int], names: Mapping[int, str]) -> None:
        self._client = client
        self._base = f"/projects/{slug}"
        self._truth = truth
        self._typed = {class_id: keys_to_type(class_id, names) for class_id in names}

    def one_by_one(self) -> tuple[Effort, Effort]:
        """The newest first, one image a page: without and with suggestions, counted in one pass.

        One key picks what is under a digit (suggestions, then the classes used last; space takes the first), else "/",
        the cheapest letters and arrows, Enter. Without suggestions only the classes used last are under digits.
        """
        plain, helped = Effort(len(self._truth)), Effort(len(self._truth))
        used: list[int] = []
        deck: list[dict[str, Any]] = []
        while not helped.is_done:
            if not deck:
                answer = self._post("/label/next", {"count": _DECK, "policy": "newest"})
                deck, version_id = answer["images"], answer["version_id"]
            image = deck.pop(0)
            true = self._truth[image["id"]]
            suggested = [one["class_id"] for one in image["suggestions"]]
            plain.keys += self._keys(true, used)
            helped.keys += self._keys(true, suggested + [one for one in used if one not in suggested])
            sure = next((one["confidence"] for one in image["suggestions"] if one["class_id"] == true), None)
            self._label_one(image, true, version_id, sure)
            used = [true, *(one for one in used if one != true)][:DIGITS]
            for effort in (plain, helped):
                effort.looks += 1
                effort.labelled += 1
        return plain, helped

    def by_pages(self, *, one_class: bool = False) -> Effort:
        """Pages of look-alikes: a press takes out each image that is not of its section's class, Enter labels the rest.

        What is taken out comes back under another class on a later page.
        """
        effort = Effort(len(self._truth))
        while not effort.is_done:
            began = time.perf_counter()
            page = self._post("/label/grid/next", {"one_class": one_class})
            effort.page_seconds.append(time.perf_counter() - began)
            if not page["sections"]:
                raise SystemExit(f"no page came, {effort.pool - effort.labelled} images are without a label")
            effort.looks += 1
            effort.keys += 1
            effort.sections += len(page["sections"])
            answer = self._answer_to(page)
            effort.presses += len(answer["taken_out"])
            effort.labelled += self._post("/label/grid/accept", answer)["changed"]
        return effort

    def start_again(self) -> None:
        """Put the whole pool back, as it was."""
        self._set_aside(self._truth, "pool")

    def put_aside(self, image_ids: Iterable[int]) -> None:
        """Let images wait no longer."""
        self._set_aside(image_ids, "none")

    def _set_aside(self, image_ids: Iterable[int], act: str) -> None:
        self._post("/labels", {"image_ids": sorted(image_ids), "act": act, "how": "bulk"})

    def _keys(self, class_id: int, choices: Sequence[int]) -> int:
        return 1 if class_id in choices[:DIGITS] else self._typed[class_id]

    def _label_one(self, image: dict[str, Any], class_id: int, version_id: int | None, sure: float | None) -> None:
        accepted = {"version_id": version_id, "confidences": {image["id"]: sure}}
        how = {"how": "manual"} if sure is None else {"how": "accepted_suggestion", "suggestion": accepted}
        versions = {image["id"]: image["version"]}
        label = {"image_ids": [image["id"]], "act": "label", "class_id": class_id, "versions": versions}
        if self._post("/labels", label | how)["changed"] != 1:
            raise SystemExit(f"image {image['id']} did not take its label")

    def _answer_to(self, page: dict[str, Any]) -> dict[str, Any]:
        stays, out = [], []
        for section in page["sections"]:
            class_id = section["class_id"]
            right = [image for image in section["images"] if self._truth[image["id"]] == class_id]
            out += [
                {"image_id": image["id"], "class_id": class_id} for image in section["images"] if image not in right
            ]
            kept = [
                {"id": image["id"], "version": image["version"], "confidence": image["version_confidence"]}
                for image in right
            ]
            stays += [{"class_id": class_id, "images": kept}] if kept else []
        key = token_hex(8)
        return {"sections": stays, "taken_out": out, "version_id": page["version_id"], "request_key": key}

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._client.post(self._base + path, json=body)
        if answer.status_code >= 400:
            raise SystemExit(f"{path} answered {answer.status_code}: {answer.text[:300]}")
        found: dict[str, Any] = answer.json()
        return found


def keys_to_type(class_id: int, names: Mapping[int, str]) -> int:
    """The fewest keys that pick a class in the type-ahead: "/", letters of its name, arrows down, Enter.

    As static/js/core/ranking.js orders: whole name, beginning, beginning of a word, anywhere; then by name.
    """
    wanted = names[class_id].casefold()
    in_order = sorted(name.casefold() for name in names.values())
    costs = []
    for length in range(1, len(wanted) + 1):
        query = wanted[:length]
        ranked = sorted((_score(name, query), place) for place, name in enumerate(in_order) if query in name)
        costs.append(length + [in_order[place] for _, place in ranked].index(wanted))
    return 2 + min(costs)


def _score(name: str, query: str) -> int:
    if name.startswith(query):
        return 0 if name == query else 1
    return 2 if any(part.startswith(query) for part in name.replace("_", "-").split("-")) else 4
