"""`magno export CHECKPOINT --out BUNDLE`. Imports torch only when it runs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from magno.runtime.bundle import Bundle, open_bundle
from magno.runtime.units import MagnoError

USAGE_FAULT = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder with config.json")
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder to write")
    parser.add_argument(
        "--llm-type", choices=("f16", "f32"), default="f16", help="weights of the language model"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Export, print what was written; 2 and one sentence on stderr when that cannot be done."""
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
    _report(bundle, args.json)
    return 0


def _export(args: argparse.Namespace) -> Path:
    columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("start torch")
        try:
            from magno.export.bundle_from_checkpoint import bundle_from_checkpoint
        except ImportError as error:
            raise MagnoError(
                f"magno export wants its libraries, found: {error}. Run: pip install 'magno[export]'."
            ) from error
        return bundle_from_checkpoint(
            args.checkpoint,
            args.out,
            llm_type=args.llm_type,
            progress=lambda step, done, total: bar.update(
                task, description=step, completed=done, total=total
            ),
        )


def _report(bundle: Bundle, as_json: bool) -> None:
    files = {name: record.bytes for name, record in bundle.manifest.files.items()}
    if as_json:
        values = {
            "bundle": str(bundle.folder),
            "model": bundle.spec.name,
            "manifest_sha256": bundle.manifest_sha256,
            "bytes": files,
        }
        print(json.dumps(values))
        return
    print(f"{bundle.folder}  ({bundle.spec.name})")
    for name, size_bytes in files.items():
        print(f"  {name:<12} {size_bytes / 1e6:8.2f} MB")
