"""How a trunk is run: by which engine, in which precision, how many calls at once, on how many threads, in what batch.

Two engines read the one exported file: ONNX Runtime (on the CPU, or on an NVIDIA GPU where its CUDA build is installed)
and OpenVINO, which alone computes in bfloat16, at twice the speed where the CPU can.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from importlib import metadata, util
from pathlib import Path
from typing import Final

DEFAULT_BATCH: Final = 16


class EngineName(StrEnum):
    """Who computes."""

    ONNXRUNTIME = "onnxruntime"
    ONNXRUNTIME_CUDA = "onnxruntime-cuda"
    OPENVINO = "openvino"


class Precision(StrEnum):
    """What it computes in. The file itself stays as it was exported."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """`streams` calls run at once, each on `threads` threads (0: all cores) and fastest at `batch` images."""

    engine: EngineName = EngineName.ONNXRUNTIME
    precision: Precision = Precision.FLOAT32
    streams: int = 1
    threads: int = 0
    batch: int = DEFAULT_BATCH

    def for_one_call(self, threads: int) -> EnginePlan:
        """The same engine and precision where one call shall answer soonest, on so many threads (0: all cores)."""
        return replace(self, streams=1, threads=threads)

    def within(self, threads: int) -> EnginePlan:
        """The same with at most so many threads in all (0: as many as it has)."""
        if not threads or self.streams * max(self.threads, 1) <= threads:
            return self
        return replace(self, streams=threads if self.streams > 1 else 1, threads=1 if self.streams > 1 else threads)


Arithmetic = tuple[EngineName, Precision]


def runs_here(engine: EngineName, precision: Precision) -> bool:
    """Whether this machine, with what is installed, can compute so."""
    return (engine, precision) in offered()


@lru_cache(maxsize=1)
def offered() -> tuple[Arithmetic, ...]:
    """Every engine and precision that works here, the plain one first."""
    found: list[Arithmetic] = [(EngineName.ONNXRUNTIME, Precision.FLOAT32)]
    if has_cuda():
        found.append((EngineName.ONNXRUNTIME_CUDA, Precision.FLOAT32))
    if util.find_spec("openvino") is not None:
        found.append((EngineName.OPENVINO, Precision.FLOAT32))
        if has_bf16():
            found.append((EngineName.OPENVINO, Precision.BFLOAT16))
    return tuple(found)


def default_plan(precision: Precision, threads: int) -> EnginePlan:
    """What computes in a precision where nothing has been measured: a call for each of `threads` cores (0: all)."""
    engine = EngineName.ONNXRUNTIME if precision == Precision.FLOAT32 else EngineName.OPENVINO
    return EnginePlan(engine, precision, streams=threads or cores(), threads=1)


def has_cuda() -> bool:
    """Whether ONNX Runtime's CUDA build and a GPU's driver are here."""
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers() and Path("/dev/nvidiactl").exists()


def has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 itself (AVX512-BF16, AMX)."""
    flags = _cpuinfo("flags").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@lru_cache(maxsize=1)
def machine_name() -> str:
    """What a measuring holds for: processor, cores, and what else decides. Machines alike share one name."""
    processor = _cpuinfo("model name") or platform.processor() or platform.machine()
    extras = [word for word, is_here in (("bf16", has_bf16()), ("CUDA", has_cuda())) if is_here]
    return ", ".join([processor[:80], f"{cores()} cores", *extras])


def engine_release(engine: EngineName) -> str:
    """The installed version of an engine's package."""
    name = "openvino" if engine == EngineName.OPENVINO else "onnxruntime"
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # ONNX Runtime's CUDA build goes by another name
        import onnxruntime

        return str(onnxruntime.__version__)


@lru_cache(maxsize=8)
def _cpuinfo(field: str) -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == field), "")
