"""The goals of Holloway's speed, and whether a run shows them."""

from __future__ import annotations

from dataclasses import dataclass

import metrics
from metrics import YARDSTICK, ratio
from run import Record

_HOLLOWAY = "holloway"
_CHACHA20 = "holloway-chacha20"
_NEBULA_MASTER = "nebula-master"


@dataclass(frozen=True)
class Verdict:
    """One goal."""

    goal: str
    bound: float
    at_least: bool
    measured: float | None
    """Nothing where the run cannot say."""

    @property
    def reached(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


def judge(record: Record) -> list[Verdict]:
    """All goals that a run can judge; those about a candidate that was not in it are left out."""

    def median(name: str, key: str) -> float | None:
        result = record.result(name)
        return result.median(key) if result else None

    found: list[Verdict] = []

    def times(name: str, peer: str, key: str, what: str, bound: float) -> None:
        if record.result(name) and record.result(peer):
            value = ratio(median(name, key), median(peer, key))
            found.append(Verdict(f"{name}: {what}, times {peer}", bound, True, value))

    def at_most(name: str, key: str, what: str, bound: float) -> None:
        if record.result(name):
            found.append(Verdict(f"{name}: {what}", bound, False, median(name, key)))

    for key, what in ((metrics.TCP1, "one TCP stream"), (metrics.TCP4, "four TCP streams")):
        times(_HOLLOWAY, YARDSTICK, key, what, 3.0)
        for peer in (r.name for r in record.results if r.name.startswith(_NEBULA_MASTER)):
            times(_HOLLOWAY, peer, key, what, 1.4)
    at_most(_HOLLOWAY, metrics.TCP1_CPU, "CPU s/GB, one TCP stream", 1.1)
    at_most(_HOLLOWAY, metrics.TCP4_CPU, "CPU s/GB, four TCP streams", 1.1)
    times(_CHACHA20, YARDSTICK, metrics.TCP1, "one TCP stream", 1.8)
    times(_CHACHA20, YARDSTICK, metrics.TCP4, "four TCP streams", 1.8)
    at_most(_CHACHA20, metrics.TCP1_CPU, "CPU s/GB, one TCP stream", 2.5)
    times(_HOLLOWAY, YARDSTICK, metrics.FLOOD, "200-byte UDP flooded, delivered", 3.0)
    at_most(_HOLLOWAY, metrics.FLOOD_CPU, "200-byte UDP flooded, CPU µs per packet", 2.5)
    at_most(_HOLLOWAY, metrics.PING, "idle ping, mean µs", 100.0)
    at_most(_HOLLOWAY, metrics.PING_LOADED, "ping beside one TCP stream, mean µs", 1000.0)
    if record.result(_HOLLOWAY):
        loaded = ratio(median(_HOLLOWAY, metrics.PING_LOADED), median(_HOLLOWAY, metrics.PING))
        found.append(Verdict(f"{_HOLLOWAY}: ping beside one TCP stream, times the idle ping", 10.0, False, loaded))
    at_most(_HOLLOWAY, metrics.IDLE_CPU, "idle daemon, CPU %", 0.5)
    return found
