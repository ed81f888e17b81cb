"""Fetches peers from Debian sid with the ordinary apt client, and unpacks them into a folder.

Nothing is installed: apt gets a configuration, lists and a cache of its own, and dpkg only unpacks. The mirror is the
one that this machine's apt already uses."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from candidates.base import first_line, with_libraries
from programs import Failure

_SUITE = "sid"

# Peers, and the libraries without which sid's tinc does not run on a stable Debian; the other peers are written in Go
# and need no more than any C library.
_PACKAGES = ("wireguard-go", "nebula", "tinc", "yggdrasil")
_LIBRARIES = ("libc6", "libssl3t64", "liblzo2-2", "zlib1g", "libzstd1")

# Programs that the report looks for, and the option at which they say their version.
_PROGRAMS = {
    "usr/bin/wireguard-go": "--version",
    "usr/bin/nebula": "-version",
    "usr/bin/nebula-cert": "-version",
    "usr/sbin/tincd": "--version",
    "usr/sbin/yggdrasil": "-version",
}

_APT = Path("/etc/apt")

# Versions of the packages that were unpacked, in the folder.
PACKAGES_FILE = "packages.json"


@dataclass(frozen=True)
class Mirror:
    """Where packages come from, and the keys that vouch for them, if they are named."""

    uri: str
    signed_by: str | None


def fetch_peers(folder: Path) -> None:
    """Unpacks the peers into `folder` and says which of them run here."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="holloway-peers-") as work:
        apt = _Apt(Path(work), mirror(_APT))
        apt.run("apt-get", "update", "-qq")
        versions = {}
        for package in (*_PACKAGES, *_LIBRARIES):
            try:
                versions[package] = apt.unpack(package, folder)
            except Failure as failure:
                print(f"{package}: {failure}", file=sys.stderr)
    (folder / PACKAGES_FILE).write_text(json.dumps(versions, indent=1) + "\n")
    for program, option in _PROGRAMS.items():
        print(f"{program}: {_verdict(folder.absolute() / program, option)}")


def mirror(directory: Path) -> Mirror:
    """The first Debian archive with `main` that apt is configured with; security updates are not an archive."""
    for path in sorted([directory / "sources.list", *directory.glob("sources.list.d/*")]):
        if not path.is_file():
            continue
        read = {".sources": _stanzas, ".list": _lines}.get(path.suffix)
        for uri, suite, components, signed_by in read(path.read_text()) if read else []:
            if "main" in components and "security" not in suite and uri.rstrip("/").endswith("/debian"):
                return Mirror(uri, signed_by)
    raise Failure(f"no Debian mirror is configured in {directory}")


def package_version(program: Path) -> str | None:
    """The version of the Debian package that a program was unpacked from."""
    for root in program.parents:
        if (root / PACKAGES_FILE).is_file():
            versions: dict[str, str] = json.loads((root / PACKAGES_FILE).read_text())
            return versions.get(program.name.removesuffix("d") if program.name == "tincd" else program.name)
    return None


class _Apt:
    """apt with everything that it writes in a folder of its own; keys, proxies and the like stay the machine's."""

    def __init__(self, work: Path, source: Mirror) -> None:
        self._work = work
        sources = work / "sid.sources"
        signed = f"Signed-By: {source.signed_by}\n" if source.signed_by else ""
        sources.write_text(f"Types: deb\nURIs: {source.uri}\nSuites: {_SUITE}\nComponents: main\n{signed}")
        for name in ("state/lists/partial", "cache/archives/partial"):
            (work / name).mkdir(parents=True)
        (work / "status").touch()
        # The downloading user of apt may not look into a private directory.
        self._options = [f"{key}={value}" for key, value in {
            "Dir::Etc::sourcelist": sources,
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferencesparts": "-",
            "Dir::State": work / "state",
            "Dir::State::status": work / "status",
            "Dir::Cache": work / "cache",
            "APT::Sandbox::User": "root",
            "APT::Update::Post-Invoke-Success": "",
        }.items()]

    def run(self, *words: str) -> str:
        """Runs one command of apt's."""
        options = [word for option in self._options for word in ("-o", option)]
        done = subprocess.run([words[0], *options, *words[1:]], cwd=self._work, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"{' '.join(words[:2])}: {done.stderr.strip()}")
        return done.stdout

    def unpack(self, package: str, folder: Path) -> str:
        """Downloads a package and unpacks it; returns its version."""
        self.run("apt-get", "download", "-qq", package)
        archive = next(self._work.glob(f"{package}_*.deb"))
        done = subprocess.run(["dpkg-deb", "-x", archive, folder], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"dpkg-deb: {done.stderr.strip()}")
        field = subprocess.run(["dpkg-deb", "-f", archive, "Version"], capture_output=True, text=True)
        return field.stdout.strip()


def _stanzas(text: str) -> list[tuple[str, str, list[str], str | None]]:
    """Archives of a file in deb822 form, one for each URI and suite; see sources.list(5)."""
    found = []
    for stanza in text.split("\n\n"):
        lines = [line for line in stanza.splitlines() if ":" in line and line[:1] not in "# \t"]
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                found.append((uri, suite, fields.get("components", "").split(), fields.get("signed-by") or None))
    return found


def _lines(text: str) -> list[tuple[str, str, list[str], str | None]]:
    """Archives of a file with one of them on each line."""
    found = []
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words[:1] != ["deb"]:
            continue
        signed_by = None
        if words[1:2] and words[1].startswith("["):
            close = next(number for number, word in enumerate(words) if word.endswith("]"))
            options = " ".join(words[1:close + 1]).strip("[]").split()
            signed_by = next((o.removeprefix("signed-by=") for o in options if o.startswith("signed-by=")), None)
            words = words[:1] + words[close + 1:]
        if len(words) >= 3:
            found.append((words[1], words[2], words[3:], signed_by))
    return found


def _verdict(program: Path, option: str) -> str:
    if not program.exists():
        return "missing"
    argv = with_libraries(program)
    said = first_line(argv, option)
    if not said or "not found" in said or "error while loading" in said:
        return f"does not run here: {said or 'it says nothing'}"
    own = ", with the libraries unpacked beside it" if len(argv) > 1 else ""
    package = package_version(program)
    return f"runs here{own}: {said}" + (f" (package {package})" if package else "")
