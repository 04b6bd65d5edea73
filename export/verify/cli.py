"""`magno verify BUNDLE`: is it still the model it was made of? Imports torch only when it runs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from magno.export.source_cli import add_part_arguments, check_chosen, names_model, source_of
from magno.runtime.bundle import Bundle, open_bundle
from magno.runtime.commands.tables import stdout_console
from magno.runtime.parity_record import ParityRecord, Rung, RungOutcome
from magno.runtime.spec import to_dict
from magno.runtime.units import MagnoError

USAGE_FAULT, BELOW_GATE = 2, 3
CLIP = Path("tests/clips/car-detection.mp4")
SHOWN_LIMIT = 1024
STYLES = {RungOutcome.PASSED: "", RungOutcome.FAILED: "bold red", RungOutcome.SKIPPED: "dim"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder that magno export wrote")
    parser.add_argument("--checkpoint", type=Path, metavar="DIR", help="what it was made of")
    parser.add_argument(
        "--clip", type=Path, action="append", metavar="CLIP", help=f"to be shown; may be repeated ({CLIP})"
    )
    parser.add_argument("--keyframes", type=int, default=8, metavar="N", help="shown (default %(default)s)")
    parser.add_argument("--windows", type=int, default=16, metavar="N", help="shown (default %(default)s)")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="default: one a core")
    add_part_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = "Exit code: 0 all rungs that could be climbed hold, 2 bad input, 3 one is below its gate."


def run(args: argparse.Namespace) -> int:
    """Climb the ladder, print it, keep its figures in the manifest."""
    try:
        with Console(stderr=True).status("opening the bundle") as status:
            bundle, record = _verify(args, lambda text: status.update(text))
        _report(bundle, record, args.json)
        _keep(bundle, record)
    except MagnoError as error:
        print(error, file=sys.stderr)
        return USAGE_FAULT
    return BELOW_GATE if record.failed else 0


def _verify(args: argparse.Namespace, say: Callable[[str], None]) -> tuple[Bundle, ParityRecord]:
    for name in ("keyframes", "windows"):
        if not 1 <= getattr(args, name) <= SHOWN_LIMIT:
            raise MagnoError(f"--{name} wants 1 to {SHOWN_LIMIT}, found {getattr(args, name)}.")
    bundle = open_bundle(args.bundle)
    say("starting torch")
    try:
        from magno.export.verify.ladder import VerifyOptions, open_origin, verify_bundle
    except ImportError as error:
        raise MagnoError(
            f"magno verify wants its libraries, found: {error}. Run: pip install 'magno[export]'."
        ) from error
    source = None
    if names_model(args):
        check_chosen(args, "verify", "--checkpoint")
        source = open_origin(bundle, partial(source_of, args))
    options = VerifyOptions(
        clips=tuple(args.clip or [CLIP]),
        keyframes=args.keyframes,
        windows=args.windows,
        threads=args.threads or len(os.sched_getaffinity(0)),
    )
    return bundle, verify_bundle(bundle, source, options, say)


def _keep(bundle: Bundle, record: ParityRecord) -> None:
    from magno.export.verify.ladder import merged, record_parity

    record_parity(bundle, merged(bundle.manifest.parity, record))


def _report(bundle: Bundle, record: ParityRecord, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"bundle": str(bundle.folder), "passed": not record.failed} | to_dict(record)))
        return
    table = Table(
        title=f"{bundle.folder}: {record.inputs}", title_justify="left", box=None, padding=(0, 2, 0, 0)
    )
    for column in ("file", "rung", "", "figures"):
        table.add_column(column, no_wrap=True)
    for rung in record.rungs:
        table.add_row(rung.file, rung.step, rung.outcome.value, _figures(rung), style=STYLES[rung.outcome])
    stdout_console().print(table)
    for note in dict.fromkeys(rung.note for rung in record.rungs if rung.note):
        files = dict.fromkeys(rung.file for rung in record.rungs if rung.note == note)
        print(f"{', '.join(files)}: {note}")


def _figures(rung: Rung) -> str:
    """The most telling ones; --json has all."""
    told = rung.figures.get
    if "texts" in rung.figures:
        return f"{told('differing', 0):.0f} of {told('texts', 0):.0f} texts differ"
    if "top1" in rung.figures:
        return f"top-1 {told('top1', 0) + told('ties', 0):.2%}, KL {told('mean_kl', 0):.1e}"
    if "cosine" in rung.figures:
        return f"cosine {told('cosine', 0):.6f}, error {told('max_error', 0):.1e}"
    return ""
