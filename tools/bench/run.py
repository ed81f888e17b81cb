"""One run: every candidate once in every round, the plain cable before each round and after the last."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import debian
import machine
from candidates import Candidate, Named, create
from candidates.base import Stage, Tunnel
from ground import Ground
from measures import Measures
from metrics import PLAIN, Result
from options import Options
from priority import niceness
from programs import Failure, Programs, wait_until
from traffic import CONGESTION_CONTROL, UDP_BYTES, Ends, Traffic, udp_socket_bytes

# A tunnel carries a ping in well under a second; yggdrasil searches for a while.
_REACH_SECONDS = 30.0

# All of them end a run in order; a shell starts background programs deaf to the first.
_END_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Record:
    """All that a run found out."""

    facts: dict[str, Any]
    settings: dict[str, Any]
    results: list[Result]
    seconds: float = 0.0

    def result(self, name: str) -> Result | None:
        """The candidate of this name."""
        return next((result for result in self.results if result.name == name), None)


def measure_all(options: Options) -> Record:
    """Measures everything and takes everything down again, also on errors and signals."""
    for number in _END_BY:
        signal.signal(number, _interrupt)
    started = time.monotonic()
    candidates = [create(named) for named in [Named(PLAIN), *options.named]]
    with tempfile.TemporaryDirectory(prefix="holloway-bench-") as folder, Programs(Path(folder)) as programs:
        with niceness(options.nice), Ground(programs, options.mtu) as ground:
            run = _Run(options, candidates, ground, Path(folder))
            run.measure()
    run.record.seconds = time.monotonic() - started
    return run.record


class _Run:
    def __init__(self, options: Options, candidates: list[Candidate], ground: Ground, folder: Path) -> None:
        self._options = options
        self._candidates = candidates
        self._ground = ground
        self._folder = folder
        results = [Result(c.name, _version(c), str(c.path) if c.path else None, c.settings) for c in candidates]
        self.record = Record(machine.facts(), _settings(options, ground), results)

    def measure(self) -> None:
        plain, *others = self._candidates
        for number in range(1, self._options.rounds + 1):
            self._measure_one(plain, f"before round {number}")
            for candidate in others:
                self._measure_one(candidate, f"round {number}")
        self._measure_one(plain, "after")

    def _measure_one(self, candidate: Candidate, round_name: str) -> None:
        result = self.record.result(candidate.name)
        assert result is not None, "every candidate has a result"
        _tell(f"{round_name}: {candidate.name}: ")
        with tempfile.TemporaryDirectory(dir=self._folder) as directory:
            # Programs of its own: whatever this candidate started has ended before the next one begins.
            with Programs(Path(directory)) as programs:
                stage = Stage(programs, self._ground, Path(directory))
                try:
                    tunnel = candidate.start(stage)
                    self._measure_tunnel(tunnel, result, round_name, programs)
                except (Failure, OSError, KeyError, ValueError) as failure:
                    result.failures.append(f"{round_name}: {failure}")
                    _tell(f"failed: {failure}")
        _tell("\n")

    def _measure_tunnel(self, tunnel: Tunnel, result: Result, round_name: str, programs: Programs) -> None:
        left, right = self._ground.sides
        traffic = Traffic(programs, Ends(left, right, tunnel.left, tunnel.right))
        beside = Traffic(programs, Ends(left, right, left.address, right.address)) if tunnel.daemons else None

        def reaches() -> bool:
            for daemon in tunnel.daemons:
                daemon.must_run()
            return traffic.reaches()

        wait_until("the first ping through the tunnel", _REACH_SECONDS, reaches)
        measures = Measures(traffic, beside, tunnel.daemons, self._options.extent)
        result.samples.append(measures.take(round_name, lambda name: _tell(f"{name} ")))
        for daemon in tunnel.daemons:
            daemon.must_run()
        result.description = tunnel.describe()
        tunnel.end()


def _version(candidate: Candidate) -> str:
    package = debian.package_version(candidate.path) if candidate.path else None
    return candidate.version() + (f" (package {package})" if package else "")


def _settings(options: Options, ground: Ground) -> dict[str, Any]:
    extent = options.extent
    return {
        "rounds": options.rounds,
        "mtu": options.mtu,
        "tcp_seconds": extent.seconds,
        "tcp_congestion_control": CONGESTION_CONTROL,
        "udp_seconds": extent.udp_seconds,
        "udp_payload_bytes": UDP_BYTES,
        "udp_socket_bytes": udp_socket_bytes(),
        "udp_steps_per_s": list(extent.udp_steps),
        "idle_seconds": extent.idle_seconds,
        "patience_seconds": extent.patience_seconds,
        "namespace": ground.settings(),
        "nice": options.nice,
    }


def _tell(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
