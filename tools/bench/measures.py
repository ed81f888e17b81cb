"""All measurements of one candidate, once. Knows the traffic and the cost, not what makes the tunnel."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, Sequence

import metrics
from accounting import Meter, rss_bytes, wait_for_quiet, wakeups
from metrics import Sample, percentile
from programs import Failure, Process
from traffic import Datagrams, Traffic

# A rate counts as carried while less than this is lost.
CLEAN_LOSS_SHARE = 0.005

# After so many rates in a row that were too much, only the highest is tried.
_HOPELESS_STEPS = 2

_IDLE_PINGS = 200

# What a start or the last measurement left to do (announcements, garbage collection) is over by then.
_SETTLE_SECONDS = 1.0

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Extent:
    """How long and how much."""

    seconds: int
    udp_seconds: int
    udp_steps: tuple[int, ...]
    """Offered packets per second, ascending."""
    idle_seconds: float
    patience_seconds: float


class Measures:
    """Measures one tunnel; plain TCP is taken beside each TCP run, where there is a way beside it."""

    def __init__(self, traffic: Traffic, beside: Traffic | None, daemons: Sequence[Process], extent: Extent) -> None:
        self._traffic = traffic
        self._beside = beside
        self._daemons = daemons
        self._pids = [daemon.pid for daemon in daemons]
        self._extent = extent
        self._sample = Sample("")

    def take(self, round_name: str, tell: Callable[[str], None]) -> Sample:
        """Takes everything. What fails is noted and the rest goes on, unless a daemon has ended."""
        self._sample = Sample(round_name)
        # Daemons that have just met still have things to tell each other.
        time.sleep(_SETTLE_SECONDS if self._daemons else 0)
        steps: list[tuple[str, Callable[[], None]]] = [
            ("ping", self._ping),
            ("tcp1", lambda: self._tcp(1)),
            ("tcp4", lambda: self._tcp(4)),
            ("both", self._both_ways),
            ("loaded ping", self._ping_loaded),
            ("udp", self._udp),
            ("flood", self._flood),
            ("idle", self._idle),
        ]
        for name, step in steps:
            tell(name)
            wait_for_quiet(self._extent.patience_seconds)
            try:
                step()
            # A daemon that ends during a measurement has no CPU time any more.
            except (Failure, OSError) as failure:
                self._sample.faults[name] = str(failure)
            if not all(daemon.runs() for daemon in self._daemons):
                break
        return self._sample

    def _ping(self) -> None:
        with self._meter("ping"):
            times = self._traffic.ping(_IDLE_PINGS)
        self._put_ping(times, metrics.PING, metrics.PING_MEDIAN)
        self._sample.figures[metrics.PING_LOST] = _IDLE_PINGS - len(times)

    def _tcp(self, streams: int) -> None:
        one = streams == 1
        speed, beside, share, cpu = (
            (metrics.TCP1, metrics.TCP1_PLAIN, metrics.TCP1_SHARE, metrics.TCP1_CPU) if one else
            (metrics.TCP4, metrics.TCP4_PLAIN, metrics.TCP4_SHARE, metrics.TCP4_CPU))
        figures = self._sample.figures
        with self._meter(f"tcp{streams}") as meter:
            stream = self._traffic.tcp(streams, self._extent.seconds)
        figures[speed] = stream.bits_per_second / 1e9
        figures[f"tcp{streams}_retransmits"] = stream.retransmits
        self._put_cost(cpu, meter, stream.bytes / 1e9)
        if self._beside:
            plain = self._beside.tcp(streams, self._extent.seconds)
            figures[beside] = plain.bits_per_second / 1e9
            figures[share] = stream.bits_per_second / plain.bits_per_second

    def _both_ways(self) -> None:
        with self._meter("both") as meter:
            stream = self._traffic.tcp(1, self._extent.seconds, both_ways=True)
        self._sample.figures[metrics.BOTH] = stream.bits_per_second / 1e9
        self._put_cost(metrics.BOTH_CPU, meter, stream.bytes / 1e9)

    def _ping_loaded(self) -> None:
        with self._meter("loaded ping"):
            times = self._traffic.ping_loaded(self._extent.seconds)
        figures = self._sample.figures
        self._put_ping(times, metrics.PING_LOADED, metrics.PING_LOADED_MEDIAN)
        figures[metrics.PING_LOADED_P99] = percentile(times, 0.99) * 1000

    def _udp(self) -> None:
        steps, clean, hopeless = self._extent.udp_steps, 0.0, 0
        for offered in steps:
            if hopeless >= _HOPELESS_STEPS and offered != steps[-1]:
                continue
            with self._meter(f"udp {offered}") as meter:
                datagrams = self._traffic.udp(offered, self._extent.udp_seconds)
            delivered = datagrams.delivered / datagrams.seconds / 1e3 if datagrams.seconds else 0.0
            carried = datagrams.lost_share < CLEAN_LOSS_SHARE
            hopeless = 0 if carried else hopeless + 1
            clean = max(clean, delivered) if carried else clean
            self._note_step(offered, datagrams, meter)
        figures = self._sample.figures
        figures[metrics.UDP_CLEAN] = clean
        figures[metrics.UDP_TOP] = delivered
        figures[metrics.UDP_TOP_LOSS] = datagrams.lost_share * 100
        self._put_cost(metrics.UDP_TOP_CPU, meter, datagrams.delivered / 1e6)

    def _flood(self) -> None:
        with self._meter("flood") as meter:
            datagrams = self._traffic.udp(None, self._extent.udp_seconds)
        if not datagrams.delivered:
            raise Failure("nothing was delivered")
        figures = self._sample.figures
        figures[metrics.FLOOD] = datagrams.delivered / datagrams.seconds / 1e3
        figures[metrics.FLOOD_SENT] = datagrams.sent / datagrams.seconds / 1e3
        self._put_cost(metrics.FLOOD_CPU, meter, datagrams.delivered / 1e6)

    def _idle(self) -> None:
        if not self._pids:
            return
        figures, seconds = self._sample.figures, self._extent.idle_seconds
        time.sleep(_SETTLE_SECONDS)
        figures[metrics.RSS] = max(rss_bytes(pid) for pid in self._pids) / _MIB
        if seconds <= 0:
            return
        before = sum(wakeups(pid) for pid in self._pids)
        with self._meter("idle") as meter:
            time.sleep(seconds)
        daemons = len(self._pids)
        figures[metrics.IDLE_CPU] = meter.cost.tunnel_seconds / seconds / daemons * 100
        figures[metrics.IDLE_WAKEUPS] = (sum(wakeups(pid) for pid in self._pids) - before) / seconds / daemons

    def _meter(self, name: str) -> Meter:
        return _NotingMeter(self._pids, self._sample, name)

    def _put_ping(self, times: list[float], mean: str, median: str) -> None:
        if not times:
            raise Failure("no ping came back")
        self._sample.figures[mean] = sum(times) / len(times) * 1000
        self._sample.figures[median] = percentile(times, 0.5) * 1000

    def _put_cost(self, key: str, meter: Meter, amount: float) -> None:
        """Notes the tunnel's CPU for each unit of what was delivered."""
        if self._pids and amount > 0:
            self._sample.figures[key] = meter.cost.tunnel_seconds / amount

    def _note_step(self, offered: int, datagrams: Datagrams, meter: Meter) -> None:
        self._sample.udp_steps.append({
            "offered_per_s": offered,
            "sent": datagrams.sent,
            "delivered": datagrams.delivered,
            "lost_share": datagrams.lost_share,
            "seconds": datagrams.seconds,
            "tunnel_cpu_s": meter.cost.tunnel_seconds,
        })


class _NotingMeter(Meter):
    """Notes in the sample what others used meanwhile."""

    def __init__(self, pids: Sequence[int], sample: Sample, name: str) -> None:
        super().__init__(pids)
        self._sample = sample
        self._name = name

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        self._sample.others[self._name] = self.cost.others_share
