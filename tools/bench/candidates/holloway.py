"""Holloway, set up as the README says: found, invite, join."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from candidates.base import Candidate, Named, Stage, Tunnel, first_line
from ground import Side
from programs import Failure, Process, wait_until

# A daemon is ready in well under a second; a busy machine may take longer.
_READY_SECONDS = 20.0

# The resolver has no part in the data path and would only look for the machine's files.
_CONFIGURATION = "[dns]\nenabled = false\n"


class Holloway(Candidate):
    """Two daemons. `cipher` and `config` (a file that is appended to the configuration) may be set."""

    SETTINGS = frozenset({"cipher", "config"})

    def __init__(self, named: Named) -> None:
        super().__init__(named)
        self._configuration = _CONFIGURATION
        if "cipher" in named.settings:
            self._configuration += f'[session]\ncipher = "{named.settings["cipher"]}"\n'
        if "config" in named.settings:
            self._configuration += Path(named.settings["config"]).read_text()

    def version(self) -> str:
        return first_line(self.argv, "--version")

    def start(self, stage: Stage) -> Tunnel:
        left, right = stage.ground.sides
        for side in stage.ground.sides:
            (stage.side_directory(side) / "holloway.toml").write_text(self._configuration)
        founded = self._ask(stage, left, ["create", "bench", "--name", left.name])
        daemons = [self._up(stage, side) for side in stage.ground.sides]
        invite = self._ask(stage, left, ["invite", "--name", right.name])
        joined = self._ask(stage, right, ["join", "-"], text=invite["token"])

        def describe() -> dict[str, Any]:
            return {side.name: _data_path(self._ask(stage, side, ["status"])) for side in stage.ground.sides}

        return Tunnel(founded["address"], joined["address"], daemons, describe)

    def _up(self, stage: Stage, side: Side) -> Process:
        words = [*self.argv, "--state-dir", str(stage.side_directory(side)), "up"]
        daemon = stage.programs.start(words, side.namespace, {"HOLLOWAY_LOG": "warn"})

        def ready() -> bool:
            daemon.must_run()
            try:
                self._run(stage, side, ["status", "--check", "ready"])
            except Failure:
                return False
            return True

        wait_until("holloway to be ready", _READY_SECONDS, ready)
        return daemon

    def _ask(self, stage: Stage, side: Side, words: list[str], text: str | None = None) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._run(stage, side, ["--json", *words], text))
        return document

    def _run(self, stage: Stage, side: Side, words: list[str], text: str | None = None) -> str:
        argv = [*self.argv, "--state-dir", str(stage.side_directory(side)), *words]
        return stage.programs.run(argv, side.namespace, text)


def _data_path(status: dict[str, Any]) -> dict[str, Any]:
    """What a status says of the data path: how it was decided, and the path and cipher of the peer."""
    network = status["networks"][0]
    peers = [{"path": peer.get("path"), "session": peer.get("session")} for peer in network.get("peers", [])]
    return {"dataplane": network.get("dataplane", status.get("dataplane")), "peers": peers}
