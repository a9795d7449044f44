"""A trunk's engine with nothing of ours around it: what the machine could do at most."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from app.inference.backends import INPUT_NAME, load_openvino
from app.inference.plans import EngineName, EnginePlan, Precision, cores


def bare_engine(path: Path, input_size: int, plan: EnginePlan) -> Callable[[NDArray[np.float32], int], None]:
    """The exported trunk by the plan's engine without anything of ours around it: runs a batch so many times.

    As many calls at once as the plan has streams.
    """
    requests: SimpleQueue[Callable[[NDArray[np.float32]], object]] = SimpleQueue()
    if plan.engine == EngineName.OPENVINO:
        for request in _openvino_requests(path, input_size, plan):
            requests.put(lambda batch, request=request: request.infer({0: batch}, share_inputs=True))
    else:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = plan.threads
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for _ in range(plan.streams):
            requests.put(lambda batch: session.run(None, {INPUT_NAME: batch}))

    def run_batch(batch: NDArray[np.float32]) -> None:
        run = requests.get()
        try:
            run(batch)
        finally:
            requests.put(run)

    def run_all(batch: NDArray[np.float32], times: int) -> None:
        with ThreadPoolExecutor(plan.streams) as threads:
            list(threads.map(run_batch, [batch] * times))

    return run_all


def _openvino_requests(path: Path, input_size: int, plan: EnginePlan) -> list[Any]:
    core = load_openvino().Core()
    network = core.read_model(str(path))
    network.reshape([plan.batch, input_size, input_size, 3])
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if plan.precision == Precision.BFLOAT16 else "f32",
        "INFERENCE_NUM_THREADS": plan.streams * (plan.threads or cores()),
        "NUM_STREAMS": plan.streams,
    }
    compiled = core.compile_model(network, "CPU", options)
    return [compiled.create_infer_request() for _ in range(plan.streams)]
