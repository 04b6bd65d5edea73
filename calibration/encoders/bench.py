"""What an encoder's step costs: torch eager in float32, ONNX Runtime in float32 and in INT8, in turn in one run.

One keyframe, or one window, at a time, as a camera brings them; the fastest of the repeats. On a busy machine compare
processor time on one thread: engines whose threads wait for each other suffer more from company than others. INT8 is
calibrated on every second of a clip's pictures and compared on the others.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from magno.runtime.units import MagnoError

if TYPE_CHECKING:  # torch is imported when a bench runs
    from magno.calibration.encoders.engines import Settings
    from magno.calibration.encoders.subjects import Subject

CLIP = Path("tests/clips/car-detection.mp4")
KEYFRAMES, WINDOWS = 24, 24  # of the clip: every second one calibrates, the others compare
COMPARED = 6
EXACT_GATE = 0.9999
# What is wanted, at full size; a bench says how far it is, and fails for wrong numbers only.
GOALS = {"onnx_to_torch": 0.55, "int8_to_torch": 0.3, "window_to_keyframe": 0.1}
KINDS = {"vision.onnx": "keyframe", "delta.onnx": "window"}

Arrays = dict[str, NDArray[np.float32]]
Run = Callable[[Arrays], NDArray[np.float32]]


class EncodersBenchError(MagnoError):
    """What cannot be measured."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    parser.add_argument("--checkpoint", type=Path, default=Path("models/pocket"), metavar="DIR")
    parser.add_argument(
        "--size", metavar="NAME", help="random weights instead: siglip-so400m-14-384, siglip-base-16-224, ..."
    )
    parser.add_argument("--delta", choices=("paper-small", "paper-wide"), default="paper-small")
    parser.add_argument("--clip", type=Path, action="append", metavar="CLIP", help=f"default: {CLIP}")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of each engine (one a core)")
    parser.add_argument("--fp16", action="store_true", help="ONNX Runtime in FP16 too: slow on most CPUs")
    parser.add_argument("--repeats", type=int, default=10, metavar="N")


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """Both encoders on each engine. Raises MagnoError."""
    try:
        from magno.calibration.encoders.engines import Settings
        from magno.calibration.encoders.subjects import of_checkpoint, of_size
        from magno.export.verify.shown import show_clips
    except ImportError as error:
        raise EncodersBenchError(
            f"This bench wants the export libraries, found: {error}. Run: pip install 'magno[export]'."
        ) from error
    if args.repeats < 1 or not 0 <= args.threads <= 256:
        raise EncodersBenchError(
            f"A bench wants 1 repeat and 1 thread or more, found {args.repeats}, {args.threads}."
        )
    say("reading weights")
    codec, subjects = of_size(args.size, args.delta) if args.size else of_checkpoint(args.checkpoint)
    say("reading the clip")
    shown = show_clips(codec, args.clip or [CLIP], KEYFRAMES, WINDOWS if len(subjects) > 1 else 0)
    settings = Settings(args.threads or len(os.sched_getaffinity(0)), args.repeats, args.fp16)
    rows: list[dict[str, Any]] = []
    for subject in subjects:
        rows += _rows(subject, shown.inputs(subject.file), settings, say)
    return {
        "model": f"{args.size} and {args.delta}" if args.size else str(args.checkpoint),
        "threads": settings.threads,
        "repeats": settings.repeats,
        "shown": str(shown),
        "rows": rows,
        "ratios": _ratios(rows, "ms"),
        "cpu_ratios": _ratios(rows, "cpu_ms"),
        "goals": GOALS,
        "failed": any(row["engine"] == "onnx fp32" and not row["cosine"] >= EXACT_GATE for row in rows),
    }


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    title = f"{figures['model']}, threads: {figures['threads']}, fastest of {figures['repeats']}"
    table = Table(title=title, box=None, padding=(0, 1, 0, 0))
    table.add_column("step of", no_wrap=True)
    table.add_column("on", no_wrap=True)
    for heading in ("ms", "CPU ms", "ratio", "cosine", "error", "MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    lines = []
    for row in figures["rows"]:
        table.add_row(
            f"{row['encoder']} {row['parameters'] / 1e6:.0f} M",
            row["engine"],
            f"{row['ms']:.1f}",
            f"{row['cpu_ms']:.1f}",
            f"{row['of_torch']:.2f}",
            f"{row['cosine']:.5f}",
            f"{row['max_error']:.1e}",
            f"{row['megabytes']:.0f}",
        )
    for name, goal in figures["goals"].items():
        if name in figures["ratios"]:
            lines.append(
                f"{name.replace('_', ' ')}: {figures['ratios'][name]:.2f}, of processor time "
                f"{figures['cpu_ratios'][name]:.2f} (wanted at full size: {goal:g})"
            )
    table.caption, table.caption_justify = "\n".join(lines), "left"
    return table


def _rows(
    subject: Subject, batches: Sequence[Arrays], settings: Settings, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """One encoder on each engine, in turn."""
    from magno.calibration.encoders.engines import running
    from magno.export.verify.tolerance import compare

    compared = (batches[1::2] or batches)[:COMPARED]
    with (
        tempfile.TemporaryDirectory() as folder,
        running(subject, batches[::2], Path(folder), settings, say) as engines,
    ):
        say(f"{subject.file}: measuring")
        fastest = _fastest_ms({name: run for name, (run, _) in engines.items()}, compared, settings.repeats)
        tokens = {
            name: np.concatenate([run(batch) for batch in compared]) for name, (run, _) in engines.items()
        }
        rows = []
        for name, (_, size_bytes) in engines.items():
            parity = compare(tokens["torch fp32"], tokens[name])
            rows.append(
                {
                    "encoder": KINDS[subject.file],
                    "engine": name,
                    "ms": fastest[name][0],
                    "cpu_ms": fastest[name][1],
                    "of_torch": fastest[name][0] / fastest["torch fp32"][0],
                    "cosine": parity.min_cosine,
                    "max_error": parity.max_error,
                    "megabytes": size_bytes / 1e6,
                    "parameters": subject.parameters,
                }
            )
    return rows


def _fastest_ms(
    runs: dict[str, Run], batches: Sequence[Arrays], repeats: int
) -> dict[str, tuple[float, float]]:
    """Of each over the repeats: on the wall's clock, and of the processor. All run on a batch before any on the next.

    The first time warms up.
    """
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        batch = batches[repeat % len(batches)]
        for name, run in runs.items():
            began, worked = time.perf_counter(), time.process_time()
            run(batch)
            took[name].append(((time.perf_counter() - began) * 1e3, (time.process_time() - worked) * 1e3))
    return {
        name: (min(t[0] for t in times[1:]), min(t[1] for t in times[1:])) for name, times in took.items()
    }


def _ratios(rows: list[dict[str, Any]], clock: str) -> dict[str, float]:
    """What GOALS are about, by "ms" or by "cpu_ms"."""
    ms = {(row["encoder"], row["engine"]): row[clock] for row in rows}
    torch_ms = ms["keyframe", "torch fp32"]
    ratios = {
        "onnx_to_torch": ms["keyframe", "onnx fp32"] / torch_ms,
        "int8_to_torch": ms["keyframe", "onnx int8"] / torch_ms,
    }
    if ("window", "onnx fp32") in ms:
        ratios["window_to_keyframe"] = ms["window", "onnx fp32"] / ms["keyframe", "onnx fp32"]
    return ratios
