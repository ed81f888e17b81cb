"""What is measured of a candidate: the names of the figures, and how samples become medians."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any

# Keys of the figures of one sample. A figure that could not be taken is absent.
TCP1, TCP1_PLAIN, TCP1_SHARE, TCP1_CPU = "tcp1_gbps", "tcp1_plain_beside_gbps", "tcp1_to_plain", "tcp1_cpu_s_per_gb"
TCP4, TCP4_PLAIN, TCP4_SHARE, TCP4_CPU = "tcp4_gbps", "tcp4_plain_beside_gbps", "tcp4_to_plain", "tcp4_cpu_s_per_gb"
BOTH, BOTH_CPU = "both_ways_gbps", "both_ways_cpu_s_per_gb"
UDP_CLEAN = "udp_clean_kpps"
UDP_TOP, UDP_TOP_LOSS, UDP_TOP_CPU = "udp_top_kpps", "udp_top_loss_percent", "udp_top_cpu_us"
FLOOD, FLOOD_SENT, FLOOD_CPU = "flood_kpps", "flood_sent_kpps", "flood_cpu_us"
PING, PING_MEDIAN, PING_LOST = "ping_idle_us", "ping_idle_median_us", "ping_idle_lost"
PING_LOADED, PING_LOADED_MEDIAN = "ping_loaded_us", "ping_loaded_median_us"
PING_LOADED_P99 = "ping_loaded_p99_us"
RSS, IDLE_CPU, IDLE_WAKEUPS = "rss_mib", "idle_cpu_percent", "idle_wakeups_per_s"

# The candidates that others are compared with.
PLAIN = "plain"
YARDSTICK = "wireguard-go"


@dataclass
class Sample:
    """One candidate, measured once."""

    round: str
    figures: dict[str, float] = field(default_factory=dict)
    udp_steps: list[dict[str, float]] = field(default_factory=list)
    others: dict[str, float] = field(default_factory=dict)
    """Share of the machine that others used during each measurement."""
    faults: dict[str, str] = field(default_factory=dict)
    """Measurements that failed, and why."""


@dataclass(frozen=True)
class Summary:
    """Median and range over the samples."""

    median: float
    low: float
    high: float
    count: int


@dataclass
class Result:
    """One candidate over the whole run."""

    name: str
    version: str
    path: str | None
    settings: dict[str, str]
    samples: list[Sample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Why it did not start, once for each time."""
    description: dict[str, Any] = field(default_factory=dict)

    def summary(self, key: str) -> Summary | None:
        """Median and range of one figure."""
        return summarize([sample.figures[key] for sample in self.samples if key in sample.figures])

    def median(self, key: str) -> float | None:
        """The median of one figure."""
        summary = self.summary(key)
        return summary.median if summary else None

    def keys(self) -> list[str]:
        """All figures that any sample has."""
        return list(dict.fromkeys(key for sample in self.samples for key in sample.figures))


def summarize(values: list[float]) -> Summary | None:
    """Median and range, nothing of nothing."""
    if not values:
        return None
    return Summary(statistics.median(values), min(values), max(values), len(values))


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ranked = sorted(values)
    return ranked[max(0, -(-len(ranked) * round(share * 1000) // 1000) - 1)]


def ratio(value: float | None, reference: float | None) -> float | None:
    """How many times the reference, where there are both."""
    return value / reference if value is not None and reference else None
