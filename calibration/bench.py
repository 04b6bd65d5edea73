"""`magno bench NAME`: a table for people, then one JSON line. Ratios against the alternative, in one run.

A bench is a file of this folder with `add_arguments(parser)`, `measure(args, say)` and `report(figures)`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from pathlib import Path

from rich.console import Console

from magno.runtime.commands.tables import stdout_console
from magno.runtime.latency_record import processor, version_of
from magno.runtime.units import MagnoError

BENCHES = {
    "answers": (
        "magno.calibration.answers",
        "the same words and logits, prefilled while watching or when asked",
    ),
    "codec": ("magno.calibration.codec.bench", "what motion costs, stage by stage, beside another extractor"),
    "concurrency": (
        "magno.calibration.loads.concurrency",
        "questions at once against the same one after another",
    ),
    "deadline": (
        "magno.calibration.loads.deadline",
        "mixed questions on a live stream: one outcome each, none late",
    ),
    "encoder": (
        "magno.calibration.codec.x264_presets",
        "what x264's presets see of known motion, and what that costs",
    ),
    "encoders": (
        "magno.calibration.encoders.bench",
        "an encoder's step: torch, ONNX Runtime, and ONNX Runtime in INT8",
    ),
    "ingest": (
        "magno.calibration.ingest",
        "720p video as fast as it can be taken in: how many times real time",
    ),
    "malformed": (
        "magno.calibration.malformed.bench",
        "malformed files through every loader: refused at once, in one sentence",
    ),
    "memory": ("magno.calibration.memory", "a million pictures of one stream: memory that stays as it is"),
    "mutants": (
        "magno.calibration.mutants.bench",
        "damaged streams: nothing may fail, and no broken chain seem sound",
    ),
    "kills": (
        "magno.calibration.kills",
        "reader processes killed and stopped: noticed, replaced, no question lost",
    ),
    "overload": (
        "magno.calibration.loads.overload",
        "four times what it can answer: refused at once, or answered in time",
    ),
    "slow": (
        "magno.calibration.loads.slow",
        "twice and three times as slow from one moment to the next: questions and a camera; a jumping wall clock",
    ),
    "recall": ("magno.training.recall", "questions about what left the cache long ago, recalled and not"),
    "reconnect": (
        "magno.calibration.rtsp.reconnect",
        "a camera that goes and comes: told, fresh again, nothing leaks",
    ),
    "ros": ("magno.calibration.ros", "what ROS costs: round trips, packets, a storm of goals, a soak"),
    "ttft": ("magno.calibration.ttft", "time to first token: prefilled while watching, or when asked"),
}
TOOLS = ("magno", "torch", "onnxruntime", "llama-cpp-python", "av", "numpy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    benches = parser.add_subparsers(dest="bench", metavar="NAME", required=True)
    for name, (module, summary) in BENCHES.items():
        bench = benches.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        importlib.import_module(module).add_arguments(bench)
        bench.add_argument("--json", action="store_true", help="the JSON line alone")


def device() -> dict[str, object]:
    """What a figure was measured on."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "power_mode": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "unknown",
        "python": platform.python_version(),
        "versions": {name: found for name in TOOLS if (found := version_of(name))},
    }


def run(args: argparse.Namespace) -> int:
    """Run one bench. Exit code 1: it ran and found what must not be; 2 and one sentence on stderr: it cannot run."""
    module = importlib.import_module(BENCHES[args.bench][0])
    try:
        with Console(stderr=True).status("measuring") as status:
            figures = module.measure(args, status.update)
    except MagnoError as error:
        print(error, file=sys.stderr)
        return 2
    if not args.json:
        stdout_console().print(module.report(figures))
    print(json.dumps({"bench": args.bench, "device": device(), **figures}))
    return 1 if figures.get("failed") else 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
