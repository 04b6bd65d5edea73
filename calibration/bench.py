"""`magno bench NAME`: a table for people, then one JSON line. Ratios against the alternative, in one run."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from magno.calibration.ttft import compare
from magno.runtime.units import MagnoError

TOOLS = ("magno", "onnxruntime", "llama-cpp-python", "av", "numpy")
QUESTION = "Which way is the car moving?"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    benches = parser.add_subparsers(dest="bench", metavar="NAME", required=True)
    ttft = benches.add_parser("ttft", help="time to first token: prefilled while watching, or when asked")
    ttft.add_argument("--bundle", type=Path, default=Path("bundles/pocket"), metavar="DIR")
    ttft.add_argument("--clip", default="tests/clips/car-detection.mp4")
    ttft.add_argument("--question", default=QUESTION)
    ttft.add_argument("--at", type=float, nargs="+", default=[4.0, 8.0, 16.0, 30.0], metavar="SECONDS")
    ttft.add_argument("--repeats", type=int, default=7)
    ttft.add_argument("--json", action="store_true", help="the JSON line alone")


def device() -> dict[str, object]:
    """What a figure was measured on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "power_mode": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "unknown",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in TOOLS},
    }


def run(args: argparse.Namespace) -> int:
    """Run one bench; 2 and one sentence on stderr when it cannot run."""
    console = Console(stderr=True)
    rows = []
    try:
        with console.status("measuring") as status:
            for at_s in args.at:
                status.update(f"asking after {at_s:g} s of video")
                rows.append(compare(args.bundle, args.clip, at_s, args.question, args.repeats))
    except MagnoError as error:
        print(error, file=sys.stderr)
        return 2
    if not args.json:
        table = Table(
            title=f"Time to first token, fastest of {args.repeats}", caption="cached, prefilled: tokens"
        )
        for column in ("after", "while watching", "when asked", "ratio", "cached", "prefilled", "answers"):
            table.add_column(column, justify="right")
        for row in rows:
            table.add_row(
                f"{row.at_s:g} s",
                f"{row.streaming_ms:.1f} ms",
                f"{row.at_query_ms:.1f} ms",
                f"{row.ratio:.1f}x",
                str(row.streaming_tokens),
                str(row.at_query_tokens),
                f"{row.streaming_text} / {row.at_query_text}",
            )
        Console().print(table)
    print(json.dumps({"bench": "ttft", "device": device(), "rows": [asdict(row) for row in rows]}))
    return 0


def _processor() -> str:
    lines = _read("/proc/cpuinfo").splitlines()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
