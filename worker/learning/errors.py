"""What can go wrong in training, each with words for the person who started the run."""

from app.core.errors import InvalidInput, WinnowError


class LearningError(WinnowError):
    """Base of every error that the training engine raises on purpose."""

    code = "learning"


class ConfigInvalid(LearningError, InvalidInput):
    """A setting of the run is outside its range."""

    code = "fit_config_invalid"


class ManifestInvalid(LearningError, InvalidInput):
    """The images or classes given cannot be trained on."""

    code = "manifest_invalid"


class ShardsDamaged(LearningError):
    """Packed images are not what was written, and could not be made again."""

    code = "shards_damaged"


class WeightsUnavailable(LearningError):
    """The pretrained weights asked for are not at hand; the message says what was tried."""

    code = "weights_unavailable"


class WeightsRefused(LearningError):
    """A weights file is damaged, of another form, or asks for something that is not allowed."""

    code = "weights_refused"


class LossNotFinite(LearningError):
    """The loss became infinite or not a number."""

    code = "loss_not_finite"


class OutOfMemory(LearningError):
    """The memory did not suffice, not even for the smallest batch."""

    code = "out_of_memory"


class DiskFull(LearningError):
    """A checkpoint or an artifact could not be written because the disk is full."""

    code = "disk_full"


class FitCancelled(LearningError):
    """The run was cancelled; its last checkpoint stays."""

    code = "fit_cancelled"


class ExportFailed(LearningError):
    """The trunk could not be exported for serving."""

    code = "export_failed"


class ParityBroken(ExportFailed):
    """The exported network gives another first answer than the trained one where that was sure."""

    code = "parity_broken"
