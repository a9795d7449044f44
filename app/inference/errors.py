"""What is wrong with an exported model, or with what was given to it."""

from app.core.errors import WinnowError


class EngineError(WinnowError):
    """A model file that cannot be used, or an array that does not fit it."""

    code = "engine"
