"""Figures become medians, ratios, verdicts, a table and a drawing."""

import unittest
import xml.etree.ElementTree as xml

import metrics
import plot
import report
import table
import verdicts
from metrics import Result, Sample, percentile, summarize
from run import Record

_FACTS = {"processor": "<fast & new>", "cores": 2, "features": ["vaes"], "kernel": "6", "iperf3": "iperf 3",
          "date": "2020-01-01T00:00:00+00:00"}
_SETTINGS = {"mtu": 1500, "rounds": 3, "tcp_congestion_control": "cubic", "tcp_seconds": 3.0, "udp_payload_bytes": 200,
             "udp_seconds": 2.0, "udp_socket_bytes": 4096, "udp_steps_per_s": [100_000, 300_000]}


def _result(name: str, *samples: dict[str, float]) -> Result:
    return Result(name, "1", None, {}, [Sample(str(n), dict(figures)) for n, figures in enumerate(samples)])


def _record(*results: Result) -> Record:
    return Record(_FACTS, _SETTINGS, list(results))


def _verdict(record: Record, ending: str) -> verdicts.Verdict:
    return next(verdict for verdict in verdicts.judge(record) if verdict.goal.endswith(ending))


class Figures(unittest.TestCase):
    def test_the_median_stands_between_the_extremes(self) -> None:
        summary = summarize([5.0, 1.0, 2.0])
        assert summary is not None
        self.assertEqual((summary.median, summary.low, summary.high, summary.count), (2.0, 1.0, 5.0, 3))
        self.assertIsNone(summarize([]))

    def test_99_of_100_lie_within_the_99th_percentile(self) -> None:
        values = [float(value) for value in range(100, 0, -1)]
        self.assertEqual(percentile(values, 0.99), 99.0)
        self.assertEqual(percentile([7.0], 0.99), 7.0)


class Verdicts(unittest.TestCase):
    def test_three_times_the_yardstick_is_reached_and_less_is_not(self) -> None:
        yardstick = _result("wireguard-go", {metrics.TCP1: 2.0})
        for speed, reached in ((6.0, True), (5.9, False)):
            record = _record(_result("holloway", {metrics.TCP1: speed}), yardstick)
            self.assertIs(_verdict(record, "one TCP stream, times wireguard-go").reached, reached)

    def test_a_slow_ping_is_not_reached(self) -> None:
        record = _record(_result("holloway", {metrics.PING: 100.1}))
        self.assertIs(_verdict(record, "idle ping, mean µs").reached, False)

    def test_what_was_not_measured_is_not_judged(self) -> None:
        record = _record(_result("holloway"), _result("wireguard-go", {metrics.TCP1: 2.0}))
        self.assertIsNone(_verdict(record, "one TCP stream, times wireguard-go").reached)

    def test_a_peer_that_is_not_there_is_not_mentioned(self) -> None:
        goals = [verdict.goal for verdict in verdicts.judge(_record(_result("holloway")))]
        self.assertFalse([goal for goal in goals if "wireguard-go" in goal or "nebula" in goal])


class Report(unittest.TestCase):
    def setUp(self) -> None:
        figures = {metrics.TCP1: 7.5, metrics.TCP1_CPU: 1.0, metrics.PING: 90.0, metrics.PING_LOADED: 900.0}
        failed = _result("tinc")
        failed.failures.append("round 1: it <would> not")
        self.record = _record(_result("plain", {metrics.TCP1: 20.0, metrics.PING: 0.0}),
                              _result("holloway", figures, {metrics.TCP1: 8.5}),
                              _result("wireguard-go", {metrics.TCP1: 2.0}), failed)

    def test_the_table_has_ratios_and_reasons(self) -> None:
        text = table.text(self.record)
        self.assertIn("8.00 (7.50-8.50)", text)
        self.assertIn("4.00", text)
        self.assertIn("tinc: 1", text)
        self.assertIn("it <would> not", text)

    def test_the_drawing_is_well_formed(self) -> None:
        root = xml.fromstring(plot.svg(self.record))
        names = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        self.assertIn("holloway", names)
        self.assertNotIn("tinc", names)

    def test_a_run_without_any_sample_still_makes_a_report(self) -> None:
        record = _record(_result("holloway"))
        xml.fromstring(plot.svg(record))
        self.assertEqual(table.verdict_text(verdicts.judge(record)), "")
        self.assertEqual(report.document(record, [])["candidates"][0]["samples"], [])
