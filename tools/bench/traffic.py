"""The test traffic: iperf3 and ping between the two sides, and what they saw."""

from __future__ import annotations

import json
import math
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ground import Side
from programs import Failure, Process, Programs, wait_until

_PORT = 5201

# Every run names it: namespaces inherit the machine's default, which differs between machines.
CONGESTION_CONTROL = "cubic"

# Payload of the small packets.
UDP_BYTES = 200

# Sockets of the UDP test programs: holds some 5,000 small packets, so that the tunnel loses them and not the test.
_UDP_SOCKET_BYTES = 4 * 1024 * 1024

# What iperf3 may need beyond the test's own time to connect, end and exchange results through a crammed tunnel.
_IPERF_EXTRA_SECONDS = 20.0

_SERVER_START_SECONDS = 10.0

PING_INTERVAL_SECONDS = 0.005

# A stream is at its speed after this, and goes on as long after the last ping.
_RAMP_SECONDS = 0.5

# Replies are awaited this long after the last request.
_PING_LINGER_SECONDS = 2


@dataclass(frozen=True)
class Ends:
    """Between which addresses traffic flows: `client` on the left side, `server` on the right one."""

    left: Side
    right: Side
    client: str
    server: str


@dataclass(frozen=True)
class Stream:
    """What TCP delivered."""

    bytes: int
    bits_per_second: float
    retransmits: int


@dataclass(frozen=True)
class Datagrams:
    """What became of small packets."""

    sent: int
    delivered: int
    lost_share: float
    seconds: float


class Traffic:
    """Test programs between two addresses."""

    def __init__(self, programs: Programs, ends: Ends) -> None:
        self._programs = programs
        self._ends = ends

    def tcp(self, streams: int, seconds: int, both_ways: bool = False) -> Stream:
        """Fills the way with TCP; both ways at once are summed."""
        words = ["-C", CONGESTION_CONTROL, "-P", str(streams), *(["--bidir"] if both_ways else [])]
        return _stream(self._iperf(words, seconds))

    def udp(self, packets_per_second: int | None, seconds: int) -> Datagrams:
        """Sends small packets at a fixed rate, or as fast as the sender can."""
        bits = (packets_per_second or 0) * UDP_BYTES * 8
        words = ["-u", "-b", str(bits), "-l", str(UDP_BYTES), "-w", str(udp_socket_bytes())]
        return _datagrams(self._iperf(words, seconds))

    def ping(self, count: int) -> list[float]:
        """Round-trip times in milliseconds; lost ones are left out."""
        words = ["ping", "-n", "-c", str(count), "-i", str(PING_INTERVAL_SECONDS), "-W", str(_PING_LINGER_SECONDS),
                 self._ends.server]
        process = self._programs.start(words, self._ends.left.namespace)
        process.wait(count * PING_INTERVAL_SECONDS + _IPERF_EXTRA_SECONDS)
        return ping_times(process.said())

    def ping_loaded(self, seconds: int) -> list[float]:
        """Round-trip times while one TCP stream fills the way."""
        server = self._start_server()
        total = seconds + math.ceil(2 * _RAMP_SECONDS)
        client = self._programs.start(self._client(["-C", CONGESTION_CONTROL, "-J"], total), self._ends.left.namespace)
        try:
            # Not a wait for a condition: the stream has to reach its speed, and no one can say when it has.
            time.sleep(_RAMP_SECONDS)
            times = self.ping(round(seconds / PING_INTERVAL_SECONDS))
            client.wait(total + _IPERF_EXTRA_SECONDS)
            iperf_document(client.said())
            return times
        finally:
            client.end()
            server.end()

    def reaches(self) -> bool:
        """Whether one ping comes back."""
        try:
            self._programs.run(["ping", "-n", "-c", "1", "-W", "1", self._ends.server], self._ends.left.namespace)
        except Failure:
            return False
        return True

    def _iperf(self, words: list[str], seconds: int) -> dict[str, Any]:
        server = self._start_server()
        client = self._programs.start(self._client([*words, "-J"], seconds), self._ends.left.namespace)
        try:
            client.wait(seconds + _IPERF_EXTRA_SECONDS)
            return iperf_document(client.said())
        finally:
            client.end()
            server.end()

    def _start_server(self) -> Process:
        words = ["iperf3", "-s", "-1", "-B", self._ends.server, "-p", str(_PORT), "--forceflush"]
        server = self._programs.start(words, self._ends.right.namespace)

        def listens() -> bool:
            server.must_run()
            return "listening" in server.said()

        wait_until("iperf3's server", _SERVER_START_SECONDS, listens)
        return server

    def _client(self, words: list[str], seconds: int) -> list[str]:
        ends = self._ends
        return ["iperf3", "-c", ends.server, "-B", ends.client, "-p", str(_PORT), "-t", str(seconds), *words]


def udp_socket_bytes() -> int:
    """How large the sockets of the UDP test programs are: as wanted, within what the machine grants."""
    granted = [int(Path(f"/proc/sys/net/core/{name}").read_text()) for name in ("rmem_max", "wmem_max")]
    return min([_UDP_SOCKET_BYTES, *granted])


def iperf_document(text: str) -> dict[str, Any]:
    """The results in iperf3's output, or why there are none."""
    start = text.find("{")
    if start < 0:
        raise Failure(f"iperf3 said: {text.strip() or 'nothing'}")
    try:
        document: dict[str, Any] = json.loads(text[start:])
    except json.JSONDecodeError:
        raise Failure("iperf3's document is broken") from None
    if "error" in document:
        raise Failure(f"iperf3: {document['error']}")
    return document


def ping_times(text: str) -> list[float]:
    """The times of all replies in ping's output."""
    return [float(value) for value in re.findall(r"\btime=([\d.]+) ms", text)]


def _stream(document: dict[str, Any]) -> Stream:
    end = document["end"]
    received = [end[key] for key in ("sum_received", "sum_received_bidir_reverse") if key in end]
    sent = [end[key] for key in ("sum_sent", "sum_sent_bidir_reverse") if key in end]
    return Stream(
        bytes=sum(way["bytes"] for way in received),
        bits_per_second=sum(way["bits_per_second"] for way in received),
        retransmits=sum(way.get("retransmits", 0) for way in sent),
    )


def _datagrams(document: dict[str, Any]) -> Datagrams:
    # The receiver knows what is missing from the sequence numbers; what was still in its socket when the test ended
    # is neither delivered nor lost.
    received = document["end"]["sum_received"]
    delivered = received["packets"] - received["lost_packets"]
    seconds = received["seconds"]
    sent = document["end"]["sum_sent"]["packets"]
    if delivered <= 0 or seconds <= 0:
        return Datagrams(sent, 0, 1.0, max(seconds, 0.0))
    return Datagrams(sent, delivered, received["lost_packets"] / received["packets"], seconds)
