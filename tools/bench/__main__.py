"""Measures Holloway beside plain cables and other tunnels: `python3 tools/bench --help`, BENCHMARKS.md."""

from __future__ import annotations

import os
import sys

import debian
import report
import run
from options import read_options
from programs import Failure


def main() -> int:
    """Does what the command line says; the exit status says whether there is a report."""
    options = read_options(sys.argv[1:])
    try:
        if options.fetch is not None:
            debian.fetch_peers(options.fetch)
            return 0
        if os.geteuid() != 0:
            raise Failure("namespaces and tunnels need root")
        record = run.measure_all(options)
        report.write(record, options.out)
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped; everything is taken down", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
