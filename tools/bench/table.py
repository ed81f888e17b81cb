"""The report as text: one block for each kind of measurement, one line for each candidate."""

from __future__ import annotations

from typing import Callable, Sequence

import metrics
from metrics import PLAIN, YARDSTICK, Result, Summary, ratio
from run import Record
from verdicts import Verdict

# A cell's text for one candidate.
Cell = Callable[[Record, Result], str]
Column = tuple[str, Cell]

_GAP = "  "
_NOTHING = "-"

# Others may have this share of the machine during a measurement before the report warns.
_NOISY_SHARE = 0.10


def text(record: Record) -> str:
    """The whole report, verdicts apart."""
    parts = [_heading(record)]
    parts += [_block(title, columns, record) for title, columns in _blocks(record)]
    parts += [_notes(record)]
    return "\n".join(part for part in parts if part)


def verdict_text(verdicts: Sequence[Verdict]) -> str:
    """One line for each goal."""
    if all(verdict.measured is None for verdict in verdicts):
        return ""
    rows = [["", "goal", "wanted", "measured"]]
    for verdict in verdicts:
        word = {True: "reached", False: "NOT reached", None: "not measured"}[verdict.reached]
        sign = "≥" if verdict.at_least else "≤"
        rows.append([word, verdict.goal, f"{sign} {verdict.bound:g}", _number(verdict.measured)])
    return "Goals\n" + _align(rows, left=2)


def _heading(record: Record) -> str:
    facts, settings = record.facts, record.settings
    lines = [
        f"{facts['processor']}, {facts['cores']} cores ({' '.join(facts['features'])}), Linux {facts['kernel']}, "
        f"{facts['iperf3']}, {facts['date']}",
        f"veth pair, MTU {settings['mtu']}; rounds: {settings['rounds']}; TCP {settings['tcp_congestion_control']}, "
        f"{settings['tcp_seconds']:g} s; UDP {settings['udp_payload_bytes']} bytes, {settings['udp_seconds']:g} s, "
        f"socket buffers {settings['udp_socket_bytes'] // 1024} KiB",
        "median (lowest-highest); CPU is of both daemons together",
        "",
    ]
    return "\n".join(lines)


def _blocks(record: Record) -> list[tuple[str, list[Column]]]:
    top = record.settings["udp_steps_per_s"][-1] // 1000
    return [
        ("One TCP stream", _tcp(metrics.TCP1, metrics.TCP1_SHARE, metrics.TCP1_CPU)),
        ("Four TCP streams", _tcp(metrics.TCP4, metrics.TCP4_SHARE, metrics.TCP4_CPU)),
        ("One TCP stream each way at once", [
            ("Gbit/s, sum", _range(metrics.BOTH)),
            ("to plain", _times(metrics.BOTH, PLAIN)),
            (f"to {YARDSTICK}", _times(metrics.BOTH, YARDSTICK)),
            ("CPU s/GB", _range(metrics.BOTH_CPU)),
        ]),
        ("200-byte UDP, thousand packets/s", [
            ("< 0.5 % lost", _range(metrics.UDP_CLEAN, 0)),
            (f"to {YARDSTICK}", _times(metrics.UDP_CLEAN, YARDSTICK)),
            (f"{top} offered", _range(metrics.UDP_TOP, 0)),
            ("CPU µs each", _range(metrics.UDP_TOP_CPU)),
            ("flooded", _range(metrics.FLOOD, 0)),
            (f"to {YARDSTICK}", _times(metrics.FLOOD, YARDSTICK)),
            ("CPU µs each", _range(metrics.FLOOD_CPU)),
        ]),
        ("Ping, µs", [
            ("idle, mean", _range(metrics.PING, 0)),
            ("median", _range(metrics.PING_MEDIAN, 0)),
            ("beside one TCP stream, mean", _range(metrics.PING_LOADED, 0)),
            ("99 % of them under", _range(metrics.PING_LOADED_P99, 0)),
        ]),
        ("One daemon, afterwards", [
            ("RSS MiB", _range(metrics.RSS, 1)),
            ("idle CPU %", _range(metrics.IDLE_CPU)),
            ("idle wake-ups/s", _range(metrics.IDLE_WAKEUPS, 1)),
        ]),
    ]


def _tcp(speed: str, share: str, cpu: str) -> list[Column]:
    return [
        ("Gbit/s", _range(speed)),
        ("to plain beside it", _range(share)),
        (f"to {YARDSTICK}", _times(speed, YARDSTICK)),
        ("CPU s/GB", _range(cpu)),
    ]


def _range(key: str, decimals: int = 2) -> Cell:
    def cell(_: Record, result: Result) -> str:
        return _spread(result.summary(key), decimals)

    return cell


def _times(key: str, reference: str) -> Cell:
    def cell(record: Record, result: Result) -> str:
        other = record.result(reference)
        return _number(ratio(result.median(key), other.median(key) if other else None))

    return cell


def _spread(summary: Summary | None, decimals: int) -> str:
    if summary is None:
        return _NOTHING
    middle = f"{summary.median:.{decimals}f}"
    return middle if summary.count == 1 else f"{middle} ({summary.low:.{decimals}f}-{summary.high:.{decimals}f})"


def _number(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.2f}"


def _block(title: str, columns: list[Column], record: Record) -> str:
    rows = [["", *(heading for heading, _ in columns)]]
    for result in record.results:
        cells = [cell(record, result) for _, cell in columns]
        if any(cell != _NOTHING for cell in cells):
            rows.append([result.name, *cells])
    return f"{title}\n{_align(rows)}" if len(rows) > 1 else ""


def _align(rows: list[list[str]], left: int = 1) -> str:
    """Columns of equal width; the first ones flush left, the others flush right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if column < left else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  " + _GAP.join(cells).rstrip())
    return "\n".join(lines) + "\n"


def _notes(record: Record) -> str:
    lines = ["Candidates"]
    for result in record.results:
        settings = "".join(f", {key} {value}" for key, value in result.settings.items())
        lines.append(f"  {result.name}: {result.version or 'says no version'}{settings}")
        lines += [f"    did not finish {failure}" for failure in result.failures]
        for sample in result.samples:
            lines += [f"    {sample.round}: {name} failed: {why}" for name, why in sample.faults.items()]
    noisy, total = _noise(record)
    if noisy:
        lines.append(f"In {noisy} of {total} measurements other programs had more than {_NOISY_SHARE:.0%} of the "
                     "machine: read small differences as noise")
    return "\n".join(lines) + "\n"


def _noise(record: Record) -> tuple[int, int]:
    shares = [share for result in record.results for sample in result.samples for share in sample.others.values()]
    return sum(share > _NOISY_SHARE for share in shares), len(shares)
