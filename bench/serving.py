"""Latency of the identify API for one client, against bare decoding and the bare engine on the same image.

Product: `POST /api/v1/identify` on a running web process, over a kept connection, authenticated by token, answer
logged and image kept, from the first byte sent to the last one read. Baseline: decoding with resizing, the exported
trunk and its head, in this process. EfficientNet-Lite0 in FP32, one photo, blocks of requests in turns.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import onnxruntime
from filling import make_project
from measuring import Figure, Goal, Options, Outcome, in_turns, installation, ratio, run_benchmark, say
from networks import Exported, deploy, export, open_bare_engines, register
from photos import bare_pixels, load_photos
from web_process import HOST, free_port, web_process

from app.accounts.service import create_user
from app.accounts.tokens import create_token
from app.core.database import write
from app.inference.engine import INPUT_NAME
from app.inference.head import load_head

ABOUT: Final = "Median and 99th percentile of the identify API against bare decode and engine on the same image."
TRUNK: Final = "efficientnet_lite0"
WARM_UP: Final = 20


def measure(options: Options) -> Outcome:
    """Blocks of bare answers and of requests in turns."""
    requests, rounds = (100, 5) if options.quick else (400, 10)
    rounds = options.rounds or rounds
    image = load_photos(options)[0].content
    port = free_port()
    with TemporaryDirectory(prefix="winnow-bench-") as folder, installation(host=HOST, port=port) as data:
        say(f"exporting {TRUNK}")
        exported = export(TRUNK, Path(folder))
        user_id, _ = create_user(name="bench", by=None)
        project_id = make_project(user_id)
        deploy(project_id, register(project_id, exported))
        with (
            web_process(port, data / "web.log"),
            closing(http.client.HTTPConnection(HOST, port, timeout=60)) as connection,
        ):
            acts = _bare_acts(exported, image)
            acts["product"] = partial(_send, connection, _token(user_id, project_id), image)
            for act in acts.values():
                _block(act, WARM_UP, [])
            times: dict[str, list[float]] = {name: [] for name in acts}
            blocks = {name: partial(_block, acts[name], requests, times[name]) for name in acts}
            medians = in_turns(rounds, blocks | {"product": partial(_after_closing, connection, blocks["product"])})
    bare = min((name for name in acts if name != "product"), key=lambda name: float(np.median(times[name])))
    figures: dict[str, Figure] = {}
    for figure, name in (("bare", bare), ("product", "product")):
        figures[f"{figure}_median_ms"] = float(np.median(times[name]))
        figures[f"{figure}_p99_ms"] = float(np.percentile(times[name], 99))
    figures["median_over_bare"] = ratio(medians["product"], medians[bare])
    parameters = {"trunk": TRUNK, "clients": 1, "requests": requests * rounds, "image_bytes": len(image), "bare": bare}
    return Outcome(parameters, figures, [Goal("median_over_bare", figures["median_over_bare"], "at most", 1.3)])


def _block(act: Callable[[], object], count: int, times: list[float]) -> float:
    """Do it `count` times after a first one, add the milliseconds of each to `times`; returns their median."""
    act()
    block = []
    for _ in range(count):
        began = time.perf_counter()
        act()
        block.append(1000 * (time.perf_counter() - began))
    times += block
    return float(np.median(block))


def _after_closing(connection: http.client.HTTPConnection, block: Callable[[], float]) -> float:
    """A block on a new connection: the server closes one that has been idle for some seconds."""
    connection.close()
    return block()


def _bare_acts(exported: Exported, image: bytes) -> dict[str, Callable[[], object]]:
    """From the photo's bytes to confidences, with nothing around it."""
    head = load_head(exported.head)

    def answer(engine: onnxruntime.InferenceSession) -> object:
        pixels = bare_pixels(image, exported.input_size)[np.newaxis].astype(np.float32)
        return head.scores(engine.run(None, {INPUT_NAME: pixels})[0])

    return {name: partial(answer, engine) for name, engine in open_bare_engines(exported).items()}


def _send(connection: http.client.HTTPConnection, token: str, image: bytes) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "image/jpeg"}
    connection.request("POST", "/api/v1/identify", body=image, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != http.HTTPStatus.OK or "decision" not in json.loads(body):
        raise RuntimeError(f"the identify API answered {answer.status}: {body[:300]!r}")


def _token(user_id: int, project_id: int) -> str:
    with write() as session:
        return create_token(
            session, user_id=user_id, project_id=project_id, name="bench", role="viewer", own_role="administrator"
        )


if __name__ == "__main__":
    run_benchmark("serving", measure, about=ABOUT)
