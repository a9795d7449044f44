"""What to do when a run has failed, by the stable code of its error."""

from __future__ import annotations

from typing import Final

_ADVICE: Final[dict[str, str]] = {
    "weights_unavailable": (
        "Put the file into the folder that WINNOW_TRUNK_WEIGHTS_DIR names and resume, or start a run on another trunk."
    ),
    "weights_refused": "The file is damaged or of another network. Replace it and resume, or choose another start.",
    "loss_not_finite": "Start a run with a lower learning rate, a tenth for example.",
    "out_of_memory": "Start a run with a smaller batch or input size, or close what else uses memory, and resume.",
    "parity_broken": (
        "The exported network does not answer as the trained one, so it must not serve. Train again; if it comes back,"
        " choose another trunk and report this one."
    ),
    "export_failed": "This trunk could not be exported here. Choose another trunk.",
    "manifest_invalid": "Look at the snapshot: some images may have been purged meanwhile. Make a new run.",
    "fit_config_invalid": "Correct the setting that is named and start a new run.",
    "artifact_missing": "A file of a model version is gone from storage. Restore it from a backup, then resume.",
    "artifact_changed": "A file of a model version was changed. Restore it from a backup, then resume.",
    "internal": "Resume the run: it goes on from its last finished step. If it fails again, the worker's log says why.",
}
_OTHERWISE: Final = "Put right what the message says, then resume the run: it goes on from its last finished step."


def advice_for(error_code: str | None) -> str:
    """What a person can do about it, in one or two sentences."""
    return _ADVICE.get(error_code or "", _OTHERWISE)
