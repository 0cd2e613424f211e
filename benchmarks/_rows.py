"""The results of a benchmark: rows, and the machine they were measured on."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

__all__ = ["Row", "machine", "side_by_side", "timed"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure beside the one it is compared to.

    Attributes:
        name: Of the benchmark, then what of it.
        value: Ours.
        unit: Of both.
        baseline: What it is compared to; None if it says something by itself.
    """

    name: str
    value: float
    unit: str
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        """Value / baseline, None where that says nothing."""
        return self.value / self.baseline if self.baseline else None

    def to_dict(self, machine: str) -> dict[str, Any]:
        """Plain values by name, as JSON gives them back."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "baseline": self.baseline,
            "ratio": self.ratio,
            "machine": machine,
        }


def machine() -> str:
    """Describe the machine: processor, cores, memory, GPU if there is one, torch."""
    affinity = getattr(os, "sched_getaffinity", None)  # what this process may use of the machine
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    parts = [_processor(), f"{cores} core{'s' * (cores != 1)}"]
    if hasattr(os, "sysconf"):  # not on Windows
        memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        parts.append(f"{memory_bytes / 2**30:.0f} GiB")
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    elif torch.backends.mps.is_available():
        parts.append("Apple GPU")
    return ", ".join([*parts, f"torch {torch.__version__}"])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def timed(work: Callable[[], object]) -> float:
    """Seconds that something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def side_by_side(
    ours: Callable[[], float], baseline: Callable[[], float], *, repeats: int
) -> tuple[float, float]:
    """Measure two things in turn, so that what else the machine does falls on both; their medians."""
    pairs = [(ours(), baseline()) for _ in range(repeats)]
    return statistics.median(mine for mine, _ in pairs), statistics.median(theirs for _, theirs in pairs)
