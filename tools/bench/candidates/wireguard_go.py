"""wireguard-go, told what to do over its own socket (https://www.wireguard.com/xplatform/), without `wg`."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

import x25519
from candidates.base import APPEAR_SECONDS, Candidate, Stage, Tunnel, first_line
from ground import Side
from programs import Failure, Process, wait_until

_SOCKETS = Path("/var/run/wireguard")

_PORT = 51820

# Outer IPv6 and UDP headers, WireGuard's header and tag: what `wg-quick` takes off as well.
_OVERHEAD = 80

_ADDRESSES = {"left": "fd77:6762::1", "right": "fd77:6762::2"}

# Answers come at once.
_ANSWER_SECONDS = 5.0


class WireGuardGo(Candidate):
    """Two daemons with static keys."""

    def version(self) -> str:
        return first_line(self.argv, "--version")

    def start(self, stage: Stage) -> Tunnel:
        left, right = stage.ground.sides
        keys = {side.name: secrets.token_bytes(32) for side in stage.ground.sides}
        daemons = []
        for side, other in ((left, right), (right, left)):
            daemons.append(self._up(stage, side))
            _tell(_socket(side), _configuration(keys[side.name], keys[other.name], other))
            address = f"{_ADDRESSES[side.name]}/64"
            stage.configure(side, _interface(side), address, stage.ground.mtu - _OVERHEAD)
        return Tunnel(_ADDRESSES["left"], _ADDRESSES["right"], daemons)

    def _up(self, stage: Stage, side: Side) -> Process:
        words = [*self.argv, "-f", _interface(side)]
        daemon = stage.programs.start(words, side.namespace, {"LOG_LEVEL": "error"})

        def listens() -> bool:
            daemon.must_run()
            return _socket(side).is_socket()

        wait_until("wireguard-go's socket", APPEAR_SECONDS, listens)
        return daemon


def _interface(side: Side) -> str:
    # The sockets' directory is the whole machine's, so names have to be unique on it.
    return f"wgb{os.getpid()}{side.name[0]}"


def _socket(side: Side) -> Path:
    return _SOCKETS / f"{_interface(side)}.sock"


def _configuration(own: bytes, others: bytes, other: Side) -> list[str]:
    return [
        "set=1",
        f"private_key={own.hex()}",
        f"listen_port={_PORT}",
        f"public_key={x25519.public_key(others).hex()}",
        f"endpoint={other.address}:{_PORT}",
        f"allowed_ip={_ADDRESSES[other.name]}/128",
    ]


def _tell(path: Path, lines: list[str]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        connection.connect(str(path))
        connection.sendall(("\n".join(lines) + "\n\n").encode())
        answer = connection.recv(4096).decode().strip()
    if answer != "errno=0":
        raise Failure(f"wireguard-go refused its configuration: {answer}")
