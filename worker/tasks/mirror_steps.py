"""Do mirrored images look like another class? A few images of each class, as they are and mirrored."""

from __future__ import annotations

from typing import Final

import numpy as np

from app.core.database import read, write
from app.core.errors import NotFound
from app.registry.artifacts import load_trunk
from app.registry.queries import reference_trunk
from app.training import mirror_evidence
from worker.execution import RunContext
from worker.tasks.preview_steps import pixels_of

_AT_ONCE: Final = 128


def compare_mirrored(context: RunContext) -> None:
    """Embeds the chosen images and their mirror images by the reference trunk, and says which classes went away."""
    with read() as session:
        trunk = reference_trunk(session, context.project_id)
        if trunk is None:
            raise NotFound("the project has no reference trunk any more")
        classes = mirror_evidence.images_to_compare(session, context.project_id)
    engine = load_trunk(trunk.id).engine
    seen: list[int] = []
    plain, mirrored = [np.zeros((0, engine.width), np.float32)], [np.zeros((0, engine.width), np.float32)]
    wanted = sorted(classes)
    for start in range(0, len(wanted), _AT_ONCE):
        context.progress(start, len(wanted), "Comparing mirrored images")
        pixels = pixels_of(wanted[start : start + _AT_ONCE], size=engine.input_size)
        if not pixels:
            continue
        images = np.stack(list(pixels.values()))
        plain.append(engine.embed(images))
        mirrored.append(engine.embed(np.ascontiguousarray(images[:, :, ::-1])))
        seen += pixels
    found = mirror_evidence.compare(
        np.concatenate(plain), np.concatenate(mirrored), np.array([classes[each] for each in seen], np.int64)
    )
    with write() as session:
        context.complete(session, mirror_evidence.result_of(found, images=len(seen)))
