"""Image numbers as the labelling screen shows them while hidden checks are on: nothing can be read from them.

A keyed permutation (four Feistel rounds; Luby and Rackoff, SIAM J. Comput. 17, 1988) of 44-bit numbers, another for
each labeller and project, moved above every real number, and below what a script can count exactly (2**53).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from app.core.texts import tr
from app.labelling.schemas import LabelRequest, SuggestionUsed
from app.web.secret import keyed_digest

FIRST: Final = 1 << 45
_HALF: Final = 22
_MASK: Final = (1 << _HALF) - 1
_ROUNDS: Final = 4
_SHORT: Final = 10_000


class Veil:
    """The numbers of one labeller in one project. Where it `is_on`, what the screen is told is veiled.

    What the screen sends is unveiled in any case: a screen may be older than the setting.
    """

    def __init__(self, *, project_id: int, user_id: int, is_on: bool) -> None:
        self._who = f"{project_id}:{user_id}"
        self.is_on = is_on

    def shown(self, image_id: int) -> int:
        """The number that the screen gets."""
        return self._permute(image_id, range(_ROUNDS)) + FIRST if self.is_on else image_id

    def real(self, number: int) -> int:
        """The image that a number of the screen means."""
        if not FIRST <= number < 2 * FIRST:
            return number
        return self._swap(self._permute(self._swap(number - FIRST), reversed(range(_ROUNDS))))

    def is_veiled(self, request: LabelRequest) -> bool:
        """Whether a request speaks of veiled numbers."""
        return bool(request.image_ids) and all(FIRST <= each < 2 * FIRST for each in request.image_ids or [])

    def unveiled(self, request: LabelRequest) -> LabelRequest:
        """The request with the real numbers."""
        used = request.suggestion
        if used is not None:
            confidences = {self.real(each): value for each, value in used.confidences.items()}
            used = SuggestionUsed(version_id=used.version_id, confidences=confidences)
        changed = {
            "image_ids": [self.real(each) for each in request.image_ids or []],
            "versions": {self.real(each): version for each, version in request.versions.items()},
            "suggestion": used,
        }
        return request.model_copy(update=changed)

    def images(self, slug: str, images: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Images of the screen with veiled numbers, pictures under these, and no file name: the library finds by it."""
        if not self.is_on:
            return images
        numbers = [self.shown(each["id"]) for each in images]
        return [
            {
                **each,
                "id": number,
                "name": tr("image %(id)s", id=f"{number % _SHORT:04}"),
                "picture": f"/projects/{slug}/label/pictures/{number}",
            }
            for each, number in zip(images, numbers, strict=True)
        ]

    def answers(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows that name an image as `image_id`, veiled."""
        return [{**row, "image_id": self.shown(row["image_id"])} for row in rows] if self.is_on else rows

    def versions(self, versions: dict[int, int]) -> dict[int, int]:
        """Label versions by veiled number."""
        return {self.shown(each): version for each, version in versions.items()}

    def _permute(self, number: int, rounds: Iterable[int]) -> int:
        left, right = number >> _HALF, number & _MASK
        for each in rounds:
            digest = keyed_digest("veil", f"{self._who}:{each}:{right}")
            left, right = right, left ^ (int(digest[:8], 16) & _MASK)
        return (left << _HALF) | right

    def _swap(self, number: int) -> int:
        return ((number & _MASK) << _HALF) | (number >> _HALF)
