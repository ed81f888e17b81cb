"""What processes cost and what the machine was doing meanwhile, read from the kernel."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

# One look at how busy the machine is.
_LOOK_SECONDS = 0.3

# Others may use this share of the machine while it still counts as quiet.
QUIET_SHARE = 0.05

_BYTES_PER_KIB = 1024


def cpu_seconds(pid: int) -> float:
    """CPU time of a process with all its threads, ended ones too.

    The same as utime + stime of /proc/PID/stat, but in nanoseconds instead of hundredths of a second: that field's
    clock id is made from the pid (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def rss_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return _status_field(Path(f"/proc/{pid}/status"), "VmRSS") * _BYTES_PER_KIB


def wakeups(pid: int) -> int:
    """How often threads of a process have gone to sleep, and so been woken."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(_status_field(thread / "status", "voluntary_ctxt_switches") for thread in threads)


def _status_field(path: Path, field: str) -> int:
    for line in path.read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.split()[0])
    return 0


@dataclass(frozen=True)
class Cost:
    """What one measurement cost."""

    tunnel_seconds: float
    """CPU of the daemons of both ends."""
    others_share: float
    """Share of the whole machine that went to anybody but the daemons and the test programs, 0 to 1."""


class Meter:
    """Takes the cost of what happens inside its `with` block; `cost` is there afterwards."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = list(pids)
        self.cost = Cost(0.0, 0.0)

    def __enter__(self) -> Meter:
        self._tunnel, self._ours, self._machine = self._tunnel_seconds(), _our_seconds(), _Machine.now()
        return self

    def __exit__(self, *_: object) -> None:
        tunnel = self._tunnel_seconds() - self._tunnel
        ours = _our_seconds() - self._ours
        machine = _Machine.now()
        total = machine.total - self._machine.total
        busy = machine.busy - self._machine.busy
        others = max(0.0, busy - tunnel - ours)
        self.cost = Cost(tunnel, others / total if total > 0 else 0.0)

    def _tunnel_seconds(self) -> float:
        return sum(cpu_seconds(pid) for pid in self._pids)


def wait_for_quiet(patience_seconds: float) -> float:
    """Waits until others leave the machine alone, no longer than patience lasts; returns the share they still use."""
    deadline = time.monotonic() + patience_seconds
    while True:
        with Meter([]) as meter:
            time.sleep(_LOOK_SECONDS)
        share = meter.cost.others_share
        if share < QUIET_SHARE or time.monotonic() > deadline:
            return share


def _our_seconds() -> float:
    """CPU of this script and of the test programs that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime + time.process_time()


@dataclass(frozen=True)
class _Machine:
    """The first line of /proc/stat, in seconds. Time stolen by the hypervisor counts as busy: it is not ours."""

    busy: float
    total: float

    @staticmethod
    def now() -> _Machine:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
        user, nice, system, idle, iowait, irq, softirq, steal = (int(f) / os.sysconf("SC_CLK_TCK") for f in fields)
        busy = user + nice + system + irq + softirq + steal
        return _Machine(busy, busy + idle + iowait)
