"""The report as one drawing, SVG by hand: four panels, readable on light and dark ground."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import metrics
from metrics import PLAIN, Result, Summary
from run import Record

_WIDTH = 1120
_MARGIN = 32
_GUTTER = 40
_PANEL_WIDTH = (_WIDTH - 2 * _MARGIN - _GUTTER) / 2
_HEAD_HEIGHT = 92
_PANEL_HEAD = 58
_PANEL_FOOT = 30
_FOOT_HEIGHT = 40

# A panel's rows: the names, the bars and room for the value beyond the longest one.
_LABEL_WIDTH = 142
_VALUE_WIDTH = 66
_BAR_WIDTH = _PANEL_WIDTH - _LABEL_WIDTH - _VALUE_WIDTH
_BAR = 11
_BAR_GAP = 3
_ROW_GAP = 13
_ROW = 2 * _BAR + _BAR_GAP + _ROW_GAP

# Where a bar that is too long is cut.
_BREAK_INSET = 34

# The cable is left out of the scale where it would make everything else this many times smaller.
_CABLE_FACTOR = 1.6

# Classes only, so that one rule turns the drawing dark. The palette keeps a contrast of 4.5 for text on both grounds.
_STYLE = """
text { font-family: ui-sans-serif, system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; }
.ground { fill: #ffffff; } .title { fill: #14181d; font-size: 22px; font-weight: 650; }
.sub { fill: #5b6673; font-size: 12.5px; } .head { fill: #14181d; font-size: 15px; font-weight: 650; }
.name { fill: #39424d; font-size: 12px; } .name.ours { fill: #0b6e5f; font-weight: 650; }
.value { fill: #39424d; font-size: 11.5px; font-variant-numeric: tabular-nums; }
.tick { fill: #5b6673; font-size: 10.5px; }
.grid { stroke: #e4e8ed; stroke-width: 1; } .base { stroke: #aeb7c2; stroke-width: 1; }
.cut { stroke: #ffffff; stroke-width: 2.5; }
.range { stroke: #14181d; stroke-opacity: .55; stroke-width: 1.2; }
.ours.a { fill: #0f8f7c; } .ours.b { fill: #7fcabd; } .peer.a { fill: #6b7a8f; } .peer.b { fill: #b9c3d0; }
.plain.a { fill: #c7a04a; } .plain.b { fill: #e6d3a3; }
.link { stroke-width: 3; stroke-opacity: .35; } .link.ours { stroke: #0f8f7c; } .link.peer { stroke: #6b7a8f; }
.link.plain { stroke: #c7a04a; }
@media (prefers-color-scheme: dark) {
.ground { fill: #0f141a; } .title, .head { fill: #e8edf2; } .sub, .tick { fill: #93a0ae; }
.name, .value { fill: #c3ccd6; } .name.ours { fill: #4fd1bd; } .grid { stroke: #232b35; } .base { stroke: #4a5665; }
.range { stroke: #ffffff; } .cut { stroke: #0f141a; }
.ours.a { fill: #2fb8a3; } .ours.b { fill: #1d6e63; } .peer.a { fill: #8494a8; } .peer.b { fill: #47535f; }
.plain.a { fill: #c7a04a; } .plain.b { fill: #6b5a31; }
.link.ours { stroke: #2fb8a3; } .link.peer { stroke: #8494a8; }
}
"""


@dataclass(frozen=True)
class _Series:
    """One of the two bars of a row."""

    key: str
    label: str


@dataclass(frozen=True)
class _Panel:
    title: str
    first: _Series
    second: _Series
    decimals: int
    logarithmic: bool = False


def svg(record: Record) -> str:
    """The whole drawing."""
    rows = [result for result in record.results if result.samples]
    panel_height = _PANEL_HEAD + max(1, len(rows)) * _ROW + _PANEL_FOOT
    height = _HEAD_HEIGHT + 2 * panel_height + _FOOT_HEIGHT
    parts = [_opening(height), _heading(record)]
    for number, panel in enumerate(_panels(record)):
        x = _MARGIN + (number % 2) * (_PANEL_WIDTH + _GUTTER)
        y = _HEAD_HEIGHT + (number // 2) * panel_height
        parts.append(f'<g transform="translate({x:.1f} {y:.1f})">{_draw(panel, rows)}</g>')
    parts += [_footing(record, height), "</svg>\n"]
    return "\n".join(parts)


def _panels(record: Record) -> list[_Panel]:
    top = f"{record.settings['udp_steps_per_s'][-1] // 1000}k/s offered"
    return [
        _Panel("TCP throughput, Gbit/s · more is better", _Series(metrics.TCP1, "one stream"),
               _Series(metrics.TCP4, "four streams"), 1),
        _Panel("Tunnel CPU, seconds per GB · less is better", _Series(metrics.TCP1_CPU, "one stream"),
               _Series(metrics.TCP4_CPU, "four streams"), 1),
        _Panel("200-byte UDP delivered, thousand packets/s · more is better", _Series(metrics.FLOOD, "flooded"),
               _Series(metrics.UDP_TOP, top), 0),
        _Panel("Ping, µs, logarithmic · less is better", _Series(metrics.PING, "idle"),
               _Series(metrics.PING_LOADED, "beside one TCP stream"), 0, logarithmic=True),
    ]


def _opening(height: float) -> str:
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height:.0f}" '
            f'viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="Holloway measured beside other tunnels">'
            f"<style>{_STYLE}</style>"
            f'<rect class="ground" width="{_WIDTH}" height="{height:.0f}" rx="10"/>')


def _heading(record: Record) -> str:
    facts, settings = record.facts, record.settings
    line = (f"Both ends and the test programs share {facts['cores']} cores · one veth pair, MTU {settings['mtu']} · "
            f"TCP {settings['tcp_congestion_control'].upper()}, {settings['tcp_seconds']:g} s a run · "
            f"median of {settings['rounds']}, thin lines from lowest to highest")
    return (_text(_MARGIN, 44, "title", "Holloway beside other tunnels") + _text(_MARGIN, 68, "sub", line))


def _footing(record: Record, height: float) -> str:
    facts = record.facts
    line = f"{facts['processor']} ({', '.join(facts['features'])}), Linux {facts['kernel']}, {facts['date'][:10]}"
    return _text(_MARGIN, height - 18, "tick", line)


def _draw(panel: _Panel, rows: list[Result]) -> str:
    shown = [row for row in rows if row.summary(panel.first.key) or row.summary(panel.second.key)]
    parts = [_text(0, 18, "head", panel.title), _legend(panel)]
    if not shown:
        return "".join([*parts, _text(0, _PANEL_HEAD + 14, "sub", "not measured")])
    axis = _LogAxis(_values(shown, panel)) if panel.logarithmic else _Axis(_scale(shown, panel))
    bottom = _PANEL_HEAD + len(shown) * _ROW - _ROW_GAP + 6
    parts += [_tick(axis.x(value), bottom, label) for value, label in axis.ticks()]
    parts.append(f'<line class="base" x1="{_LABEL_WIDTH}" x2="{_LABEL_WIDTH}" y1="{_PANEL_HEAD - 6}" y2="{bottom}"/>')
    draw_row = _draw_dumbbell if panel.logarithmic else _draw_bars
    for number, row in enumerate(shown):
        y = _PANEL_HEAD + number * _ROW
        parts.append(_text(_LABEL_WIDTH - 10, y + _BAR + 6, f"name {_class(row)}", row.name, anchor="end"))
        parts.append(draw_row(panel, row, axis, y))
    return "".join(parts)


def _values(rows: list[Result], panel: _Panel) -> list[float]:
    """Both ends of every range."""
    summaries = [s for row in rows for key in (panel.first.key, panel.second.key) if (s := row.summary(key))]
    return [value for summary in summaries for value in (summary.low, summary.high)]


def _scale(rows: list[Result], panel: _Panel) -> float:
    """The highest value that the axis has to show."""
    everything = max(_values(rows, panel))
    tunnels = max(_values([row for row in rows if row.name != PLAIN], panel), default=0.0)
    return tunnels if 0 < tunnels * _CABLE_FACTOR < everything else everything


def _legend(panel: _Panel) -> str:
    parts, x = [], 0.0
    for tone, series in (("a", panel.first), ("b", panel.second)):
        parts.append(f'<rect class="peer {tone}" x="{x:.0f}" y="29" width="11" height="11" rx="2"/>')
        parts.append(_text(x + 16, 38.5, "sub", series.label))
        x += 16 + 6.6 * len(series.label) + 22
    return "".join(parts)


class _Axis:
    """A linear axis from zero."""

    def __init__(self, highest: float) -> None:
        self._step = _round_step(highest / 5)
        self._end = max(highest, self._step)

    def x(self, value: float) -> float:
        """Where a value is drawn; what is beyond the axis is drawn at its end."""
        return _LABEL_WIDTH + min(value / self._end, 1.0) * _BAR_WIDTH

    def holds(self, value: float) -> bool:
        """Whether the axis is long enough."""
        return value <= self._end

    def ticks(self) -> list[tuple[float, str]]:
        count = math.floor(self._end / self._step + 1e-9)
        return [(number * self._step, f"{number * self._step:g}") for number in range(count + 1)]


class _LogAxis(_Axis):
    """A logarithmic axis between powers of ten."""

    def __init__(self, values: list[float]) -> None:
        self._low = math.floor(math.log10(min((value for value in values if value > 0), default=1.0)))
        self._high = max(self._low + 1, math.ceil(math.log10(max(*values, 1.0))))

    def x(self, value: float) -> float:
        power = max(math.log10(value), self._low) if value > 0 else self._low
        return _LABEL_WIDTH + (power - self._low) / (self._high - self._low) * _BAR_WIDTH

    def ticks(self) -> list[tuple[float, str]]:
        return [(10.0**power, f"{10**power:,}" if power >= 0 else f"{10.0**power:g}")
                for power in range(self._low, self._high + 1)]


def _draw_bars(panel: _Panel, row: Result, axis: _Axis, y: float) -> str:
    parts = []
    for number, (tone, series) in enumerate((("a", panel.first), ("b", panel.second))):
        summary = row.summary(series.key)
        if summary is None:
            continue
        top = y + number * (_BAR + _BAR_GAP)
        end = axis.x(summary.median)
        parts.append(f'<rect class="{_class(row)} {tone}" x="{_LABEL_WIDTH}" y="{top}" '
                     f'width="{max(1.5, end - _LABEL_WIDTH):.1f}" height="{_BAR}" rx="2"/>')
        whole = axis.holds(summary.high)
        parts.append(_range(summary, axis, top + _BAR / 2) if whole else _break(end - _BREAK_INSET, top))
        beyond = axis.x(summary.high) if summary.count > 1 else end
        parts.append(_text(beyond + 7, top + _BAR - 1.5, "value", f"{summary.median:,.{panel.decimals}f}"))
    return "".join(parts)


def _draw_dumbbell(panel: _Panel, row: Result, axis: _Axis, y: float) -> str:
    middle = y + _BAR + _BAR_GAP / 2
    ends = [(tone, s) for tone, series in (("a", panel.first), ("b", panel.second)) if (s := row.summary(series.key))]
    points = [axis.x(summary.median) for _, summary in ends]
    parts = [f'<line class="link {_class(row)}" x1="{min(points):.1f}" x2="{max(points):.1f}" '
             f'y1="{middle}" y2="{middle}"/>']
    for tone, summary in ends:
        parts.append(_range(summary, axis, middle))
        parts.append(f'<circle class="{_class(row)} {tone}" cx="{axis.x(summary.median):.1f}" cy="{middle}" r="6"/>')
    label = " → ".join(f"{summary.median:,.0f}" for _, summary in ends)
    place = max(max(points) + 12, max(axis.x(summary.high) for _, summary in ends) + 7)
    parts.append(_text(place, middle + 4, "value", label))
    return "".join(parts)


def _break(x: float, top: float) -> str:
    """Two slanted cuts: this bar is longer than it is drawn."""
    return "".join(f'<path class="cut" d="M{x + shift:.1f} {top + _BAR + 2} l5 {-_BAR - 4}"/>' for shift in (0, 6))


def _range(summary: Summary, axis: _Axis, y: float) -> str:
    """A thin line from the lowest to the highest sample."""
    if summary.count < 2:
        return ""
    low, high = axis.x(summary.low), axis.x(summary.high)
    caps = "".join(f'<line class="range" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 3}" y2="{y + 3}"/>' for x in (low, high))
    return f'<line class="range" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>{caps}'


def _tick(x: float, bottom: float, label: str) -> str:
    return (f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_PANEL_HEAD - 6}" y2="{bottom}"/>'
            + _text(x, bottom + 14, "tick", label, anchor="middle"))


def _text(x: float, y: float, kind: str, text: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _class(row: Result) -> str:
    if row.name == PLAIN:
        return "plain"
    return "ours" if row.name.startswith("holloway") else "peer"


def _round_step(rough: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    if rough <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * 0.999)
