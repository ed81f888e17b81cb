"""Yggdrasil: the left side listens, the right side peers with it over TCP (it encrypts end to end by itself)."""

from __future__ import annotations

import json
from pathlib import Path

from candidates.base import Candidate, Stage, Tunnel, first_line
from ground import Side

_PORT = 9001
_INTERFACE = "ygg0"


class Yggdrasil(Candidate):
    """Two daemons with fresh keys; the addresses come from the keys."""

    def version(self) -> str:
        return first_line(self.argv, "-version")

    def start(self, stage: Stage) -> Tunnel:
        files = [self._configure(stage, side) for side in stage.ground.sides]
        left, right = (self._address(stage, file) for file in files)
        daemons = []
        for side, file in zip(stage.ground.sides, files):
            words = [*self.argv, "-useconffile", str(file), "-loglevel", "error"]
            daemons.append(stage.programs.start(words, side.namespace))
            stage.wait_for_interface(side, _INTERFACE, daemons[-1])
        return Tunnel(left, right, daemons)

    def _address(self, stage: Stage, file: Path) -> str:
        return stage.programs.run([*self.argv, "-useconffile", str(file), "-address"]).strip()

    def _configure(self, stage: Stage, side: Side) -> Path:
        configuration = json.loads(stage.programs.run([*self.argv, "-genconf", "-json"]))
        meeting = f"tcp://{stage.ground.left.address}:{_PORT}"
        configuration |= {
            "Listen": [meeting] if side == stage.ground.left else [],
            "Peers": [] if side == stage.ground.left else [meeting],
            "AdminListen": "none",
            "MulticastInterfaces": [],
            "IfName": _INTERFACE,
        }
        path = stage.side_directory(side) / "yggdrasil.conf"
        path.write_text(json.dumps(configuration))
        path.chmod(0o600)
        return path
