"""What every candidate has in common: a program that makes a tunnel between the two sides."""

from __future__ import annotations

import os
import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from ground import Ground, Side
from programs import Failure, Process, Programs, wait_until

# Until a daemon's interface or socket is there.
APPEAR_SECONDS = 10.0


@dataclass(frozen=True)
class Named:
    """What the command line says of a candidate."""

    name: str
    path: Path | None = None
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """Where a tunnel is started: the ground, and a fresh directory for its files."""

    programs: Programs
    ground: Ground
    directory: Path

    def side_directory(self, side: Side) -> Path:
        """A private directory for one side's files."""
        directory = self.directory / side.name
        directory.mkdir(mode=0o700, exist_ok=True)
        return directory

    def wait_for_interface(self, side: Side, name: str, daemon: Process) -> None:
        """Waits until a daemon has made its interface."""

        def there() -> bool:
            daemon.must_run()
            devices = self.programs.run(["ip", "-n", side.namespace, "-o", "link"])
            return f" {name}: " in devices

        wait_until(f"{daemon.name}'s interface", APPEAR_SECONDS, there)

    def configure(self, side: Side, name: str, address: str, mtu: int | None = None) -> None:
        """Gives an interface its address, with the prefix's length, and switches it on."""
        lines = f"address add {address} dev {name}\n"
        lines += f"link set {name} mtu {mtu} up\n" if mtu else f"link set {name} up\n"
        self.programs.run(["ip", "-n", side.namespace, "-batch", "-"], text=lines)


@dataclass(frozen=True)
class Tunnel:
    """A tunnel that stands: the addresses inside it, and who makes it."""

    left: str
    right: str
    daemons: list[Process] = field(default_factory=list)
    describe: Callable[[], dict[str, Any]] = dict
    """What the tunnel says of itself once traffic has flowed."""

    def end(self) -> None:
        for daemon in self.daemons:
            daemon.end()


class Candidate(ABC):
    """One line of the report."""

    # Settings that `--peer NAME=PATH,KEY=VALUE` may give this kind.
    SETTINGS: frozenset[str] = frozenset()

    def __init__(self, named: Named) -> None:
        unknown = named.settings.keys() - self.SETTINGS
        if unknown:
            raise Failure(f"{named.name}: unknown setting {', '.join(sorted(unknown))}")
        self.name = named.name
        self.path = named.path
        self.settings = named.settings

    @property
    def program(self) -> Path:
        """The program's path."""
        if self.path is None:
            raise Failure(f"{self.name} has no program")
        return self.path

    @property
    def argv(self) -> list[str]:
        """How the program is started."""
        return with_libraries(self.program)

    @abstractmethod
    def version(self) -> str:
        """What the program says of itself."""

    @abstractmethod
    def start(self, stage: Stage) -> Tunnel:
        """Makes the tunnel. Daemons that were started before a failure are ended by the caller."""


def first_line(argv: list[str], option: str) -> str:
    """The first line that a program prints for an option, empty if it cannot be run."""
    try:
        done = subprocess.run([*argv, option], capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines else ""


def with_libraries(program: Path) -> list[str]:
    """How to start a program that may have been unpacked together with newer libraries than this machine's.

    Where this machine's do not serve it and others lie below the same root, the loader there starts it with those."""
    if not _lacks_libraries(program):
        return [str(program)]
    for root in program.absolute().parents:
        loaders = sorted(root.glob("usr/lib*/**/ld-linux*.so.*"))
        if root != Path("/") and loaders:
            folders = {str(path.parent) for path in root.glob("usr/lib/**/*.so.*")}
            return [str(loaders[0]), "--library-path", os.pathsep.join(sorted(folders)), str(program)]
    return [str(program)]


def _lacks_libraries(program: Path) -> bool:
    try:
        done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError:
        return False
    return "not found" in done.stdout + done.stderr
