"""Structured logs on standard error: one line an event, key=value; never secrets, never image bytes."""

from __future__ import annotations

import logging
import sys

import structlog

from app.core.settings import get_settings


def configure_logging() -> None:
    """Set up logging of this process once, at its start."""
    level = logging.getLevelName(get_settings().log_level.upper())
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            # Plain tracebacks: the pretty ones print every local variable, passwords among them.
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_to_standard_error,
    )


def _to_standard_error(*_: object) -> structlog.PrintLogger:
    """Looked up for each line, since a test or a daemon may put another file in its place."""
    return structlog.PrintLogger(file=sys.stderr)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger bound to the module's name."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger
