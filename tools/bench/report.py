"""Writes what a run found out: the table to stdout and a file, everything as JSON, the plot as SVG."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import plot
import table
import verdicts
from run import Record

_SCHEMA = 1


def write(record: Record, folder: Path) -> None:
    """Prints the report and puts `bench.txt`, `bench.json` and `bench.svg` into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    judged = verdicts.judge(record)
    text = table.text(record) + "\n" + table.verdict_text(judged)
    (folder / "bench.json").write_text(json.dumps(document(record, judged), indent=1) + "\n")
    (folder / "bench.svg").write_text(plot.svg(record))
    (folder / "bench.txt").write_text(text)
    print(text)
    print(f"written: {folder}/bench.txt, bench.json, bench.svg")


def document(record: Record, judged: list[verdicts.Verdict]) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "schema": _SCHEMA,
        "machine": record.facts,
        "settings": record.settings,
        "seconds": round(record.seconds, 1),
        "candidates": [
            {
                "name": result.name,
                "version": result.version,
                "path": result.path,
                "settings": result.settings,
                "failures": result.failures,
                "description": result.description,
                "figures": {key: dataclasses.asdict(summary) for key in result.keys()
                            if (summary := result.summary(key))},
                "samples": [dataclasses.asdict(sample) for sample in result.samples],
            }
            for result in record.results
        ],
        "verdicts": [dataclasses.asdict(verdict) for verdict in judged],
    }
