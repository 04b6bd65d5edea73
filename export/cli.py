"""`magno export CHECKPOINT --out BUNDLE`, or from parts. Imports torch only when it runs."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from magno.export.language.llm_types import LLM_TYPES
from magno.export.source_cli import add_part_arguments, check_chosen, source_of
from magno.runtime.bundle import Bundle, open_bundle
from magno.runtime.units import MagnoError

USAGE_FAULT = 2
PRECISIONS = ("fp32", "fp16", "bf16")  # as magno.export.graphs.precision has them


@dataclass(frozen=True, slots=True)
class Cost:
    """What an export took."""

    seconds: float
    peak_memory_bytes: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    parser.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        nargs="?",
        help="folder of a whole model, with config.json",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder to write")
    parser.add_argument(
        "--llm-type",
        choices=LLM_TYPES,
        default="f16",
        metavar="TYPE",
        help=f"weights of the language model: {', '.join(LLM_TYPES)} (f16)",
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="of the two encoders (fp32)")
    parser.add_argument(
        "--image-size", type=int, metavar="PX", help="side of the pictures, if not as trained"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_part_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Export, print what was written; 2 and one sentence on stderr when that cannot be done."""
    began_s = time.monotonic()
    try:
        bundle = open_bundle(_export(args))
    except MagnoError as error:
        print(error, file=sys.stderr)
        return USAGE_FAULT
    except OSError as error:
        where, what = error.filename or args.out, error.strerror or error
        print(
            f"{where} wants to be writable, found: {what}. Free it, or name another --out.", file=sys.stderr
        )
        return USAGE_FAULT
    _report(bundle, Cost(time.monotonic() - began_s, peak_bytes()), args.json)
    return 0


def _export(args: argparse.Namespace) -> Path:
    check_chosen(args, "export", "CHECKPOINT")
    columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("start torch")
        try:
            from magno.export.bundle_from_checkpoint import ExportOptions, bundle_from_source
        except ImportError as error:
            raise MagnoError(
                f"magno export wants its libraries, found: {error}. Run: pip install 'magno[export]'."
            ) from error
        bar.update(task, description="read the checkpoint")
        return bundle_from_source(
            source_of(args, args.image_size),
            args.out,
            ExportOptions(args.llm_type, args.precision),
            lambda step, done, total: bar.update(task, description=step, completed=done, total=total),
        )


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB


def _report(bundle: Bundle, cost: Cost, as_json: bool) -> None:
    files = {name: record.bytes for name, record in bundle.manifest.files.items()}
    if as_json:
        values = {
            "bundle": str(bundle.folder),
            "model": bundle.spec.name,
            "windows": bundle.delta is not None,
            "manifest_sha256": bundle.manifest_sha256,
            "bytes": files,
            "seconds": round(cost.seconds, 1),
            "peak_memory_bytes": cost.peak_memory_bytes,
        }
        print(json.dumps(values))
        return
    layout = bundle.spec.layout
    windows = f"{layout.window_tokens} a window" if bundle.delta else "keyframes only"
    print(f"{bundle.folder}  ({bundle.spec.name}: {layout.keyframe_tokens} tokens a keyframe, {windows})")
    for name, size_bytes in files.items():
        print(f"  {name:<12} {size_bytes / 1e6:8.2f} MB")
    print(f"  took {cost.seconds:.0f} s and at most {cost.peak_memory_bytes / 1e9:.2f} GB of memory")
