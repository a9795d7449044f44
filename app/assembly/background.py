"""What runs beside the pages in the web process, and beside the identify API: entered at start, left at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from app.identification.service import request_standing
from app.serving.running import running as serving_running

Background = tuple[Callable[[], AbstractContextManager[object]], ...]

SERVING: Background = (partial(serving_running, arrived=request_standing),)
BACKGROUND: Background = SERVING
