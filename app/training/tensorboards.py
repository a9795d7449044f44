"""TensorBoard over one project's log folder, where the extra `tensorboard` is installed.

Each project has a TensorBoard of its own that reads the folder "tensorboard/<project id>" and nothing else. Only the
dashboards of curves are loaded: no plugin that other packages bring, and none that opens files named inside a log.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import warnings
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from app.core.errors import NotFound
from app.core.storage import get_storage

FOLDER: Final = "tensorboard"
_MOST: Final = 4
"""Projects whose logs are kept in memory at once; the one not asked for longest makes room."""
_SECONDS_BETWEEN_READS: Final = 5.0


def is_installed() -> bool:
    """Whether TensorBoard can be shown here."""
    return find_spec("tensorboard") is not None and find_spec("a2wsgi") is not None


def log_folder(project_id: int) -> Path:
    """Where the logs of a project's runs lie, one folder a run, by its id."""
    return get_storage().root / FOLDER / str(project_id)


def has_log(project_id: int, run_id: int) -> bool:
    """Whether a run has logs, and TensorBoard to show them is installed."""
    return is_installed() and (log_folder(project_id) / str(run_id)).is_dir()


class ProjectBoard:
    """TensorBoard of one project as an ASGI application that answers under `prefix`."""

    def __init__(self, project_id: int, prefix: str) -> None:
        _load_without_tensorflow()
        from a2wsgi import WSGIMiddleware
        from tensorboard import program
        from tensorboard.backend import application
        from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer

        board = program.TensorBoard(plugins=_plugins())
        board.configure(logdir=f"runs of project {project_id}", path_prefix=prefix)
        self._folder = log_folder(project_id)
        self._events = plugin_event_multiplexer.EventMultiplexer(max_reload_threads=1)
        self._reading = threading.Lock()
        self._read_at = float("-inf")
        provider = data_provider.MultiplexerDataProvider(self._events, board.flags.logdir)
        answer = application.TensorBoardWSGIApp(
            board.flags, board.plugin_loaders, provider, board.assets_zip_provider, self._events
        )

        def answer_after_reading(environ: Any, start_response: Any) -> Any:
            self._read()
            return answer(environ, start_response)

        self.asgi: Any = WSGIMiddleware(answer_after_reading, workers=2)

    def _read(self) -> None:
        """Take up what runs have written since, at most every few seconds."""
        with self._reading:
            if time.monotonic() - self._read_at < _SECONDS_BETWEEN_READS or not self._folder.is_dir():
                return
            self._events.AddRunsFromDirectory(str(self._folder))
            self._events.Reload()
            self._read_at = time.monotonic()


def _load_without_tensorflow() -> None:
    """Import TensorBoard so that it reads files itself: the web process has no TensorFlow, even if it is there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the packages it carries
        from tensorboard import compat

        sys.modules.setdefault(f"{compat.__name__}.notf", ModuleType("notf"))
        from tensorboard.backend import application  # noqa: F401 - loads what warns
    logging.getLogger("tensorboard").setLevel(logging.WARNING)


def _plugins() -> list[Any]:
    from tensorboard.plugins.core import core_plugin
    from tensorboard.plugins.distribution import distributions_plugin
    from tensorboard.plugins.histogram import histograms_plugin
    from tensorboard.plugins.metrics import metrics_plugin
    from tensorboard.plugins.scalar import scalars_plugin

    return [
        core_plugin.CorePluginLoader,
        metrics_plugin.MetricsPlugin,
        scalars_plugin.ScalarsPlugin,
        histograms_plugin.HistogramsPlugin,
        distributions_plugin.DistributionsPlugin,
    ]


_boards: OrderedDict[tuple[int, str], ProjectBoard] = OrderedDict()
_opening = threading.Lock()


def board_of(project_id: int, prefix: str) -> ProjectBoard:
    """The project's TensorBoard, opened where it is not yet. Raises NotFound where the extra is not installed."""
    if not is_installed():
        raise NotFound("TensorBoard is not installed here: add the extra `tensorboard`.")
    with _opening:
        key = (project_id, prefix)
        if key not in _boards:
            _boards[key] = ProjectBoard(project_id, prefix)
        _boards.move_to_end(key)
        while len(_boards) > _MOST:
            _boards.popitem(last=False)
        return _boards[key]
