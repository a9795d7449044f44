"""Saving and restoring a run in progress: weights, optimiser, best weights and the loop's memory in one file."""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from worker.learning.artifacts import Tensors, read_tensors, write_tensors
from worker.learning.backend import to_numpy
from worker.learning.errors import WeightsRefused
from worker.learning.loop_state import LoopState

CHECKPOINT: Final = "checkpoint.safetensors"
_DAMAGED: Final = "The checkpoint was damaged and has been discarded; the run begins again."
_OTHER: Final = "A checkpoint of another run (other images or settings) was found and discarded."


def save_checkpoint(
    path: Path, network: Any, state: LoopState, *, fingerprint: str, averages: Sequence[Any] = ()
) -> None:
    """Writes `path` atomically in place of the one before; `averages` are the variables of averaged weights."""
    tensors: Tensors = {}
    for kind, values in (
        ("network", network.variables),
        ("optimizer", network.optimizer.variables),
        ("best", state.best_weights),
        ("average", averages),
    ):
        tensors |= {f"{kind}/{number:04d}": to_numpy(each) for number, each in enumerate(values)}
    text = state.to_json()
    write_tensors(path, tensors, {"fingerprint": fingerprint, "state": text, "crc": str(_crc(tensors, text))})


def restore_checkpoint(
    path: Path, network: Any, *, fingerprint: str, averages: Sequence[Any] = ()
) -> tuple[LoopState, str | None]:
    """Puts the checkpoint into `network` (compiled, optimiser built) and `averages`.

    Gives the loop's memory and a note. Without a checkpoint, or with a damaged one or one of another run, the network
    stays as it is and the memory is empty; a useless file is deleted and the note says so.
    """
    if not path.is_file():
        return LoopState(), None
    try:
        tensors, metadata = read_tensors(path)
        if metadata["fingerprint"] != fingerprint:
            path.unlink()
            return LoopState(), _OTHER
        if metadata["crc"] != str(_crc(tensors, metadata["state"])):
            raise WeightsRefused("The checksum of the checkpoint is wrong.")
        state = LoopState.from_json(metadata["state"], _numbered(tensors, "best"))
        for kind, variables in (
            ("network", network.variables),
            ("optimizer", network.optimizer.variables),
            ("average", averages),
        ):
            for variable, value in zip(variables, _numbered(tensors, kind), strict=True):
                variable.assign(value)
    except (WeightsRefused, KeyError, ValueError, TypeError):
        path.unlink()
        return LoopState(), _DAMAGED
    return state, f"Went on after epoch {state.epochs_done}."


def _numbered(tensors: Tensors, kind: str) -> list[Any]:
    return [tensors[name] for name in sorted(tensors) if name.startswith(f"{kind}/")]


def _crc(tensors: Tensors, text: str) -> int:
    crc = zlib.crc32(json.dumps([text, sorted(tensors)]).encode())
    for name in sorted(tensors):
        crc = zlib.crc32(np.ascontiguousarray(tensors[name]).tobytes(), crc)
    return crc
