"""Facts of the machine that a figure means nothing without."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path
from typing import Any

from candidates.base import first_line

# Processor features that decide which cipher is fast.
_FLAGS = ("aes", "vaes", "vpclmulqdq", "avx2", "avx512f")


def facts() -> dict[str, Any]:
    """What the machine is, and when this was."""
    processor = _processor()
    flags = processor.get("flags", "").split()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "processor": processor.get("model name", platform.machine()),
        "cores": os.cpu_count(),
        "features": [flag for flag in _FLAGS if flag in flags],
        "kernel": platform.release(),
        "memory_mib": _memory_kib() // 1024,
        "load_average": os.getloadavg()[0],
        "iperf3": first_line(["iperf3"], "--version"),
        "ping": first_line(["ping"], "-V"),
    }


def _processor() -> dict[str, str]:
    """The fields of the first processor."""
    first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _memory_kib() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1])
    return 0
