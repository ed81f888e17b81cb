"""Two network namespaces joined by one veth pair: what everything is measured on."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from programs import Programs

_NAMESPACES = Path("/run/netns")

# In both namespaces; the cable's ends cannot clash because each namespace is fresh.
DEVICE = "eth0"

# TCP settings that a fresh namespace copies from the machine, for the record.
_TCP_SETTINGS = ("tcp_congestion_control", "tcp_rmem", "tcp_wmem", "tcp_mtu_probing", "tcp_timestamps")


@dataclass(frozen=True)
class Side:
    """One of the two machines: its namespace and its address on the cable."""

    name: str
    namespace: str
    address: str


class Ground:
    """The two sides. Entering the `with` block builds them, leaving it removes them.

    The cable carries IPv4 only, so that every tunnel has the same underlay."""

    def __init__(self, programs: Programs, mtu: int) -> None:
        self._programs = programs
        self.mtu = mtu
        self.left = Side("left", f"bench-{os.getpid()}-left", "10.98.0.1")
        self.right = Side("right", f"bench-{os.getpid()}-right", "10.98.0.2")

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.left, self.right

    def __enter__(self) -> Ground:
        _remove_leftovers(self._programs)
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # Whatever runs inside holds the namespace, and with it the cable.
        self._programs.end_all()
        self._remove()

    def settings(self) -> dict[str, str]:
        """The TCP settings of the left side (the right side has the same)."""
        script = "; ".join(f"cat /proc/sys/net/ipv4/{name}" for name in _TCP_SETTINGS)
        lines = self._programs.run(["sh", "-c", script], inside=self.left.namespace).splitlines()
        return {name: " ".join(line.split()) for name, line in zip(_TCP_SETTINGS, lines)}

    def _build(self) -> None:
        for side in self.sides:
            self._programs.run(["ip", "netns", "add", side.namespace])
        mtu = str(self.mtu)
        self._programs.run(["ip", "link", "add", DEVICE, "netns", self.left.namespace, "mtu", mtu, "type", "veth",
                            "peer", "name", DEVICE, "netns", self.right.namespace, "mtu", mtu])
        for side in self.sides:
            settle = (f"echo 1 > /proc/sys/net/ipv6/conf/{DEVICE}/disable_ipv6; "
                      # Without it a tunnel's addresses stay unusable for a second.
                      "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad")
            self._programs.run(["sh", "-c", settle], inside=side.namespace)
            lines = f"link set lo up\nlink set {DEVICE} up\naddress add {side.address}/24 dev {DEVICE}\n"
            self._programs.run(["ip", "-n", side.namespace, "-batch", "-"], text=lines)

    def _remove(self) -> None:
        for side in self.sides:
            if (_NAMESPACES / side.namespace).exists():
                self._programs.run(["ip", "netns", "delete", side.namespace])


def _remove_leftovers(programs: Programs) -> None:
    """Removes namespaces of runs that were killed; their programs died with them."""
    if not _NAMESPACES.is_dir():
        return
    for path in _NAMESPACES.iterdir():
        match = re.fullmatch(r"bench-(\d+)-(left|right)", path.name)
        if match and not Path("/proc", match[1]).exists():
            programs.run(["ip", "netns", "delete", path.name])
