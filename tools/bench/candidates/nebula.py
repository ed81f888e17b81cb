"""Nebula: a fresh authority, two certificates, the left side as lighthouse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from candidates.base import Candidate, Stage, Tunnel, first_line, with_libraries
from ground import Side
from programs import Failure, Process

_PORT = 4242
_INTERFACE = "nebula1"

# Outer IPv4 and UDP headers, Nebula's header and tag.
_OVERHEAD = 60

_ADDRESSES = {"left": "fd6e:6562::1", "right": "fd6e:6562::2"}

# Certificates before version 2 hold IPv4 addresses only.
_OLD_ADDRESSES = {"left": "10.222.0.1", "right": "10.222.0.2"}


class Nebula(Candidate):
    """Two daemons. `buffers` (bytes of its sockets' buffers) and `cipher` (aes, chachapoly) may be set."""

    SETTINGS = frozenset({"buffers", "cipher"})

    def version(self) -> str:
        return first_line(self.argv, "-version")

    def start(self, stage: Stage) -> Tunnel:
        addresses = self._certify(stage)
        daemons = [self._up(stage, side, addresses) for side in stage.ground.sides]
        for side, daemon in zip(stage.ground.sides, daemons):
            stage.wait_for_interface(side, _INTERFACE, daemon)
        return Tunnel(addresses["left"], addresses["right"], daemons)

    def _certify(self, stage: Stage) -> dict[str, str]:
        directory = stage.directory
        authority = ["-name", "bench", "-out-crt", str(directory / "ca.crt"), "-out-key", str(directory / "ca.key")]
        try:
            stage.programs.run([*self._certifier(), "ca", "-version", "2", *authority])
            addresses, option, length = _ADDRESSES, "-networks", 64
        except Failure:
            stage.programs.run([*self._certifier(), "ca", *authority])
            addresses, option, length = _OLD_ADDRESSES, "-ip", 24
        for side in stage.ground.sides:
            stem = directory / side.name
            stage.programs.run([
                *self._certifier(), "sign", "-name", side.name, option, f"{addresses[side.name]}/{length}",
                "-ca-crt", str(directory / "ca.crt"), "-ca-key", str(directory / "ca.key"),
                "-out-crt", f"{stem}.crt", "-out-key", f"{stem}.key",
            ])
        return addresses

    def _certifier(self) -> list[str]:
        beside = self.program.with_name("nebula-cert")
        found = str(beside) if beside.exists() else shutil.which("nebula-cert")
        if found is None:
            raise Failure("nebula-cert lies neither beside nebula nor in PATH")
        return with_libraries(Path(found))

    def _up(self, stage: Stage, side: Side, addresses: dict[str, str]) -> Process:
        path = stage.directory / f"{side.name}.yml"
        # JSON is YAML.
        path.write_text(json.dumps(self._configuration(stage, side, addresses)))
        return stage.programs.start([*self.argv, "-config", str(path)], side.namespace)

    def _configuration(self, stage: Stage, side: Side, addresses: dict[str, str]) -> dict[str, Any]:
        stem = stage.directory / side.name
        left, right = stage.ground.sides
        listen: dict[str, Any] = {"host": "0.0.0.0", "port": _PORT}
        if "buffers" in self.settings:
            listen |= {"read_buffer": int(self.settings["buffers"]), "write_buffer": int(self.settings["buffers"])}
        anyone = [{"port": "any", "proto": "any", "host": "any"}]
        return {
            "pki": {"ca": str(stage.directory / "ca.crt"), "cert": f"{stem}.crt", "key": f"{stem}.key"},
            "static_host_map": {addresses[s.name]: [f"{s.address}:{_PORT}"] for s in (left, right) if s != side},
            "lighthouse": {"am_lighthouse": side == left, "hosts": [] if side == left else [addresses[left.name]]},
            "listen": listen,
            "cipher": self.settings.get("cipher", "aes"),
            "tun": {"dev": _INTERFACE, "mtu": stage.ground.mtu - _OVERHEAD},
            "logging": {"level": "error", "format": "text"},
            "firewall": {"outbound": anyone, "inbound": anyone},
        }
