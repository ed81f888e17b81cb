#!/usr/bin/env python3
"""Writes node/tests/data/places.mmdb, a database of a few documentation addresses (RFC 5737, RFC 3849), as the test
of node/src/daemon/atlas.rs knows them. Needs `pip install mmdb_writer`.

usage: tools/places.py FILE"""

import sys

from mmdb_writer import MMDBWriter
from netaddr import IPSet

PLACES = {
    "198.51.100.0/24": {"location": {"latitude": 50.98, "longitude": 11.03}},
    "2001:db8::/32": {"location": {"latitude": -36.85, "longitude": 174.76}},
    # Known, and nowhere.
    "203.0.113.0/25": {"country": {"iso_code": "DE"}},
    "203.0.113.128/25": {"location": {"latitude": 9000.0, "longitude": 11.03}},
}

writer = MMDBWriter(
    ip_version=6,
    ipv4_compatible=True,
    database_type="Places-Test",
    languages=["en"],
    description="Documentation addresses and made-up places",
    float_type="f64",
)
for network, place in PLACES.items():
    writer.insert_network(IPSet([network]), place)
writer.to_db_file(sys.argv[1])
