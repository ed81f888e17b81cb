"""What is measured: one module for each kind of tunnel, and how a kind is found by its name."""

from __future__ import annotations

from candidates.base import Candidate, Named
from candidates.holloway import Holloway
from candidates.nebula import Nebula
from candidates.plain import Plain
from candidates.tinc import Tinc
from candidates.wireguard_go import WireGuardGo
from candidates.yggdrasil import Yggdrasil
from programs import Failure

__all__ = ["Candidate", "Named", "PEERS", "create"]

# Program of each peer that is looked for, in the order of the report.
PEERS: dict[str, str] = {
    "wireguard-go": "wireguard-go",
    "nebula": "nebula",
    "tinc": "tincd",
    "yggdrasil": "yggdrasil",
}

_KINDS: dict[str, type[Candidate]] = {
    "plain": Plain,
    "holloway": Holloway,
    "wireguard-go": WireGuardGo,
    "nebula": Nebula,
    "tinc": Tinc,
    "yggdrasil": Yggdrasil,
}


def create(named: Named) -> Candidate:
    """The candidate of this name: its kind is the one that the name begins with, `nebula` for `nebula-master`."""
    for kind, candidate in _KINDS.items():
        if named.name == kind or named.name.startswith(f"{kind}-"):
            return candidate(named)
    raise Failure(f"{named.name}: a candidate's name begins with one of {', '.join(_KINDS)}")
