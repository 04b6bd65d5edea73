"""`magno profile BUNDLE`: where the time goes, as tables, as JSON, or as one static page."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from magno.calibration.bench import device
from magno.calibration.profiling.page import page
from magno.calibration.profiling.profile import Profile, profile
from magno.calibration.profiling.report import as_json, as_tables
from magno.calibration.profiling.settings import ProfileError, Settings
from magno.runtime.commands.tables import stdout_console
from magno.runtime.encoder import BACKENDS
from magno.runtime.inspection.dump import written_aside
from magno.runtime.units import MagnoError

BAD_INPUT = 2
DEFAULTS = Settings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder that magno export wrote")
    parser.add_argument("--backend", choices=BACKENDS, default=DEFAULTS.backend, help="default: %(default)s")
    parser.add_argument("--clip", default=DEFAULTS.clip, help="real pictures; default: %(default)s")
    parser.add_argument("--question", default=DEFAULTS.question, help="default: %(default)s")
    parser.add_argument(
        "--seconds",
        type=float,
        default=DEFAULTS.seconds,
        metavar="N",
        help="of the clip; default: %(default)s",
    )
    for name, says in (
        ("encoder_threads", "threads of the encoders"),
        ("language_threads", "threads of the language model"),
        ("warm_up", "runs before those that count"),
        ("runs", "runs of each graph, and of each question"),
    ):
        parser.add_argument(
            "--" + name.replace("_", "-"),
            type=int,
            default=getattr(DEFAULTS, name),
            metavar="N",
            help=f"{says}; default: %(default)s",
        )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one static page")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = "Exit code: 0 profiled, 2 bad input."


def run(args: argparse.Namespace) -> int:
    """Profile one bundle; what is wrong is told in one sentence."""
    try:
        found = _profile(args)
        values = as_json(found, device())
        if args.html:
            with written_aside(args.html) as file:
                file.write(page(found, values).encode("utf-8"))
    except MagnoError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    if args.json:
        print(json.dumps(values))
    else:
        stdout_console().print(as_tables(found))
        if args.html:
            print(f"page  {args.html}")
    return 0


def _profile(args: argparse.Namespace) -> Profile:
    if args.html and args.html.is_dir():
        raise ProfileError(f"--html wants a file to write, found the folder {args.html}: name a file in it.")
    settings = Settings(
        backend=args.backend,
        clip=args.clip,
        question=args.question,
        seconds=args.seconds,
        encoder_threads=args.encoder_threads,
        language_threads=args.language_threads,
        warm_up=args.warm_up,
        runs=args.runs,
    )
    with Console(stderr=True).status("profiling") as status:
        return profile(args.bundle, settings, status.update)
