"""What test programs print is read right."""

import json
import unittest

from programs import Failure
from traffic import _datagrams, _stream, iperf_document, ping_times


class Iperf(unittest.TestCase):
    def test_both_ways_are_summed(self) -> None:
        way = {"bytes": 1000, "bits_per_second": 8000.0, "retransmits": 1}
        document = {"end": {"sum_sent": way, "sum_received": way, "sum_received_bidir_reverse": way}}
        stream = _stream(document)
        self.assertEqual((stream.bytes, stream.bits_per_second, stream.retransmits), (2000, 16000.0, 1))

    def test_lost_datagrams_are_not_delivered(self) -> None:
        received = {"packets": 900, "lost_packets": 90, "seconds": 2.0}
        datagrams = _datagrams({"end": {"sum_received": received, "sum_sent": {"packets": 1000}}})
        self.assertEqual((datagrams.sent, datagrams.delivered, datagrams.lost_share), (1000, 810, 0.1))

    def test_nothing_received_is_all_lost(self) -> None:
        received = {"packets": 0, "lost_packets": 0, "seconds": 2.0}
        datagrams = _datagrams({"end": {"sum_received": received, "sum_sent": {"packets": 1000}}})
        self.assertEqual((datagrams.delivered, datagrams.lost_share), (0, 1.0))

    def test_an_error_is_told(self) -> None:
        with self.assertRaisesRegex(Failure, "unable to connect"):
            iperf_document("warning\n" + json.dumps({"error": "unable to connect"}))
        with self.assertRaisesRegex(Failure, "broken"):
            iperf_document('{"start": ')
        with self.assertRaisesRegex(Failure, "nothing"):
            iperf_document("")


class Ping(unittest.TestCase):
    def test_only_replies_count(self) -> None:
        text = ("64 bytes from fd00::1: icmp_seq=1 ttl=64 time=0.123 ms\n"
                "64 bytes from fd00::1: icmp_seq=3 ttl=64 time=12 ms\n"
                "3 packets transmitted, 2 received, 33% packet loss, time 10ms\n")
        self.assertEqual(ping_times(text), [0.123, 12.0])
