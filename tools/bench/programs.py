"""Runs programs, inside a network namespace or not, and ends exactly those that it started.

Knows nothing of what they do."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Sequence, TypeVar

# Every program that is run to its end answers in milliseconds; a join may wait 30 s for its answer.
RUN_SECONDS = 60.0

# A daemon that takes longer to end is stuck, and is killed.
END_SECONDS = 5.0

# Between two looks at something that is waited for.
LOOK_SECONDS = 0.02

# How much of a log is shown when its program failed.
TAIL_CHARACTERS = 600

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

T = TypeVar("T")


class Failure(Exception):
    """Something that did not work; the text is for the reader of the report."""


def wait_until(what: str, seconds: float, look: Callable[[], T | None]) -> T:
    """Looks until there is something to see, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds:.0f} s for {what}")
        time.sleep(LOOK_SECONDS)


class Process:
    """A program that runs beside us."""

    def __init__(self, popen: subprocess.Popen[bytes], name: str, log: Path) -> None:
        self._popen = popen
        self._log = log
        self.name = name

    @property
    def pid(self) -> int:
        return self._popen.pid

    def runs(self) -> bool:
        return self._popen.poll() is None

    def said(self) -> str:
        """All that it has written so far."""
        return self._log.read_text(errors="replace")

    def must_run(self) -> None:
        """Raises what it said last, if it has ended."""
        if not self.runs():
            raise Failure(f"{self.name} ended with {self._popen.returncode}: {tail(self.said())}")

    def wait(self, seconds: float) -> int:
        """Waits for its end; one that does not end in time is killed."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()
            raise Failure(f"{self.name} did not end within {seconds:.0f} s: {tail(self.said())}") from None

    def end(self) -> None:
        """Asks it to end, then insists."""
        if self.runs():
            self._popen.terminate()
            try:
                self._popen.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        self._popen.wait()


class Programs:
    """All that one run started. Leaving the `with` block ends what is left."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started: list[Process] = []

    def __enter__(self) -> Programs:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_all()

    def run(self, words: Sequence[str | Path], inside: str | None = None, text: str | None = None,
            seconds: float = RUN_SECONDS) -> str:
        """Runs a program to its end and returns what it printed."""
        argv = _argv(words, inside)
        try:
            done = subprocess.run(argv, input=text, stdin=None if text else subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=seconds, preexec_fn=_settle)
        except subprocess.TimeoutExpired:
            raise Failure(f"{_spoken(words)} did not end within {seconds:.0f} s") from None
        except OSError as error:
            raise Failure(f"{_spoken(words)}: {error}") from None
        if done.returncode != 0:
            raise Failure(f"{_spoken(words)} ended with {done.returncode}: {tail(done.stderr + done.stdout)}")
        return done.stdout

    def start(self, words: Sequence[str | Path], inside: str | None = None, environment: dict[str, str] | None = None,
              ) -> Process:
        """Starts a program that goes on running."""
        name = Path(words[0]).name
        log = self._directory / f"{len(self._started)}-{name}.log"
        with open(log, "wb") as output:
            try:
                popen = subprocess.Popen(_argv(words, inside), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                         env={**os.environ, **(environment or {})}, preexec_fn=_settle)
            except OSError as error:
                raise Failure(f"{_spoken(words)}: {error}") from None
        process = Process(popen, name, log)
        self._started.append(process)
        return process

    def end_all(self) -> None:
        """Ends what still runs, the latest first."""
        for process in reversed(self._started):
            process.end()


def tail(text: str) -> str:
    """The last words of a log, on one line."""
    return " | ".join(line for line in text[-TAIL_CHARACTERS:].splitlines() if line.strip()) or "without a word"


def _argv(words: Sequence[str | Path], inside: str | None) -> list[str]:
    # `ip netns exec` becomes the program that it runs, so the pid is the program's.
    entry = ["ip", "netns", "exec", inside] if inside else []
    return entry + [str(word) for word in words]


def _spoken(words: Sequence[str | Path]) -> str:
    return " ".join([Path(words[0]).name, *(str(word) for word in words[1:3])])


def _settle() -> None:
    # A group of its own, so that ctrl-C reaches this script alone, which then ends everything in order; the same
    # session, so that the scheduler weighs daemons and test programs against each other.
    os.setpgid(0, 0)
    # If this script is killed outright, nobody is left to end what it started.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
