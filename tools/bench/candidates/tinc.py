"""tinc 1.0, in router mode."""

from __future__ import annotations

from candidates.base import Candidate, Stage, Tunnel, first_line
from ground import Side
from programs import Process

_INTERFACE = "tinc0"

_ADDRESSES = {"left": "fd74:696e::1", "right": "fd74:696e::2"}

# The default, Blowfish with SHA-1, is one that today's OpenSSL no longer has.
_CRYPTOGRAPHY = "Cipher = aes-256-cbc\nDigest = sha256\n"

_KEY_BITS = "2048"


class Tinc(Candidate):
    """Two daemons with fresh RSA keys."""

    def version(self) -> str:
        return first_line(self.argv, "--version")

    def start(self, stage: Stage) -> Tunnel:
        left, right = stage.ground.sides
        for side, other in ((left, right), (right, left)):
            self._write(stage, side, other)
            stage.programs.run([*self.argv, "-c", str(stage.side_directory(side)), "-K", _KEY_BITS])
        _exchange_hosts(stage)
        daemons = [self._up(stage, side) for side in stage.ground.sides]
        for side, daemon in zip(stage.ground.sides, daemons):
            stage.wait_for_interface(side, _INTERFACE, daemon)
            stage.configure(side, _INTERFACE, f"{_ADDRESSES[side.name]}/64")
        return Tunnel(_ADDRESSES["left"], _ADDRESSES["right"], daemons)

    def _write(self, stage: Stage, side: Side, other: Side) -> None:
        directory = stage.side_directory(side)
        (directory / "hosts").mkdir()
        (directory / "tinc.conf").write_text(
            f"Name = {side.name}\nConnectTo = {other.name}\nInterface = {_INTERFACE}\nAddressFamily = ipv4\n")
        (directory / "hosts" / side.name).write_text(
            f"Address = {side.address}\nSubnet = {_ADDRESSES[side.name]}/128\n{_CRYPTOGRAPHY}")

    def _up(self, stage: Stage, side: Side) -> Process:
        directory = stage.side_directory(side)
        words = [*self.argv, "-c", str(directory), "-D", f"--pidfile={directory}/pid"]
        return stage.programs.start(words, side.namespace)


def _exchange_hosts(stage: Stage) -> None:
    left, right = stage.ground.sides
    for side, other in ((left, right), (right, left)):
        theirs = stage.side_directory(other) / "hosts" / other.name
        (stage.side_directory(side) / "hosts" / other.name).write_text(theirs.read_text())
