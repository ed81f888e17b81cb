"""Puts this script and all that it starts before other programs, for machines that cannot be made quiet."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Iterator

# Linux schedules sessions against each other, and their processes only among themselves, where this file exists
# (sched(7), "The autogroup feature"): a process's own niceness would count for nothing against other sessions.
_AUTOGROUP = Path("/proc/self/autogroup")


@contextlib.contextmanager
def niceness(nice: int) -> Iterator[None]:
    """Runs the `with` block at this niceness, from -20 (first) to 19."""
    before = _autogroup()
    own = os.getpriority(os.PRIO_PROCESS, 0)
    _set(nice, nice if before is not None else None)
    try:
        yield
    finally:
        _set(own, before)


def _autogroup() -> int | None:
    # "/autogroup-79 nice 0"
    return int(_AUTOGROUP.read_text().split()[-1]) if _AUTOGROUP.exists() else None


def _set(own: int, autogroup: int | None) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, own)
    if autogroup is not None:
        _AUTOGROUP.write_text(str(autogroup))
