"""The command line: what was typed, and what it means."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path

from candidates import PEERS, Named
from measures import Extent
from metrics import PLAIN
from programs import Failure

_CHACHA20 = {"cipher": "chacha20-poly1305"}

# Where `fetch-peers` puts peers if nothing else is said, below cargo's folder.
_PEERS_FOLDER = Path("target/peers")

_UDP_STEPS = "50000,75000,100000,150000,200000,250000,300000"


@dataclass(frozen=True)
class Options:
    """What is to be done."""

    named: list[Named]
    """Candidates, the plain cable apart."""
    rounds: int
    extent: Extent
    mtu: int
    nice: int
    out: Path
    fetch: Path | None = None
    """Fetch peers into this folder, and nothing else."""


def read_options(words: list[str]) -> Options:
    """Reads the command line; what cannot be meant ends the program with exit status 2."""
    if words[:1] == ["fetch-peers"]:
        return _read_fetch(words[1:])
    parser = _parser()
    typed = parser.parse_args(words)
    try:
        return _mean(typed)
    except (Failure, ValueError) as failure:
        parser.error(str(failure))


def _read_fetch(words: list[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="tools/bench fetch-peers",
        description="Unpacks the peers of Debian sid into a folder, without installing them.")
    parser.add_argument("folder", type=Path, nargs="?", default=_PEERS_FOLDER, help="default: %(default)s")
    return Options([], 0, Extent(0, 0, (), 0, 0), 0, 0, Path(), fetch=parser.parse_args(words).folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/bench",
        description="Measures Holloway beside the plain cable and whatever other tunnels there are, on one veth pair "
                    "between two fresh network namespaces. Needs root. `tools/bench fetch-peers [FOLDER]` unpacks "
                    "peers from Debian sid.")
    add = parser.add_argument
    add("--holloway", type=Path, default=Path("target/dist/holloway"), metavar="PATH", help="default: %(default)s")
    add("--peer", action="append", default=[], metavar="NAME=PATH[,KEY=VALUE]...",
        help="one more candidate, or another program for one; the name begins with its kind: holloway, "
             f"{', '.join(PEERS)}. Holloway knows cipher and config, nebula knows buffers and cipher")
    add("--peers", type=Path, default=_PEERS_FOLDER, metavar="FOLDER",
        help="what fetch-peers made; default: %(default)s")
    add("--only", metavar="NAMES", help="only these candidates, separated by commas; the plain cable is always there")
    add("--rounds", type=int, default=5, help="default: %(default)s")
    add("--seconds", type=int, default=3, help="of each TCP run; default: %(default)s")
    add("--udp-seconds", type=int, default=2, help="of each UDP run; default: %(default)s")
    add("--udp-steps", default=_UDP_STEPS, metavar="RATES", help="200-byte packets per second; default: %(default)s")
    add("--idle-seconds", type=float, default=5.0, help="of watching idle daemons, 0: none; default: %(default)s")
    add("--patience", type=float, default=20.0, metavar="SECONDS",
        help="how long each measurement waits for other programs to leave the machine alone; default: %(default)s")
    add("--nice", type=int, default=0, metavar="N",
        help="niceness of everything that is measured, -20 first: for a machine that others use; default: %(default)s")
    add("--mtu", type=int, default=1500, help="of the cable; default: %(default)s")
    add("--out", type=Path, default=Path("target/bench"), metavar="FOLDER", help="default: %(default)s")
    add("--quick", action="store_true", help="one round of one-second runs, without patience: to see that it works")
    return parser


def _mean(typed: argparse.Namespace) -> Options:
    if typed.rounds < 1 or typed.seconds <= 0 or typed.udp_seconds <= 0:
        raise Failure("rounds and seconds must be positive")
    steps = tuple(sorted(int(step) for step in typed.udp_steps.split(",")))
    extent = Extent(typed.seconds, typed.udp_seconds, steps, typed.idle_seconds, typed.patience)
    rounds = typed.rounds
    if typed.quick:
        rounds, extent = 1, Extent(1, 1, steps, min(typed.idle_seconds, 1.0), 0.0)
    return Options(_candidates(typed), rounds, extent, typed.mtu, typed.nice, typed.out)


def _candidates(typed: argparse.Namespace) -> list[Named]:
    """Holloway with each cipher, then peers that were found, then what was named; a later one replaces a namesake."""
    found = {
        "holloway": Named("holloway", typed.holloway),
        "holloway-chacha20": Named("holloway-chacha20", typed.holloway, _CHACHA20),
    }
    for name, program in PEERS.items():
        path = _find(program, typed.peers)
        if path:
            found[name] = Named(name, path)
    for text in typed.peer:
        named = _parse_peer(text)
        found[named.name] = named
    if typed.only is None:
        return list(found.values())
    wanted = [name for name in typed.only.split(",") if name != PLAIN]
    unknown = [name for name in wanted if name not in found]
    if unknown:
        raise Failure(f"there is no {', '.join(unknown)} here; there are {', '.join([PLAIN, *found])}")
    return [found[name] for name in wanted]


def _find(program: str, peers: Path) -> Path | None:
    for folder in ("usr/bin", "usr/sbin"):
        if (peers / folder / program).is_file():
            return (peers / folder / program).absolute()
    installed = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    return Path(installed) if installed else None


def _parse_peer(text: str) -> Named:
    name, equals, rest = text.partition("=")
    path, *settings = rest.split(",")
    pairs = [setting.partition("=") for setting in settings]
    if not name or not equals or not path or any(not value for _, _, value in pairs):
        raise Failure(f"--peer {text}: NAME=PATH[,KEY=VALUE]... is wanted")
    if not Path(path).is_file():
        raise Failure(f"--peer {text}: there is no {path}")
    return Named(name, Path(path).absolute(), {key: value for key, _, value in pairs})
