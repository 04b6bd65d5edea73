"""`magno build`: TensorRT engines of a bundle's encoders, for the GPU that is here."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console

from magno.export.engines.build import Options, build_engines
from magno.export.engines.progress import Standing, run_telling
from magno.export.engines.target import parse_batch
from magno.runtime.backends.engine_file import engine_name
from magno.runtime.backends.engine_record import FLAVOURS, EngineRecord
from magno.runtime.spec import to_dict
from magno.runtime.units import MagnoError

USAGE_FAULT = 2
BATCH = "1,1,1"  # a robot's pictures come one at a time, and a graph without a free size is the fastest


class Tell(Protocol):
    def __call__(self, line: str) -> None: ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `magno build` reads."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder that magno export wrote")
    parser.add_argument(
        "--engine",
        required=True,
        choices=FLAVOURS,
        help="tensorrt: for the GPU that is here, Jetson or any other; tensorrt-rtx: for RTX cards, and without a GPU "
        "for all of them",
    )
    parser.add_argument(
        "--profile",
        default=BATCH,
        metavar="MIN,OPT,MAX",
        help=f"batch sizes: the smallest, the one to be fastest at, the largest (default {BATCH})",
    )
    parser.add_argument(
        "--timing-cache", type=Path, metavar="FILE", help="what the builder measured; kept for the next build"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Build, print what was written; 2 and one sentence on stderr when that cannot be done."""
    try:
        options = Options(args.engine, parse_batch(args.profile), args.timing_cache)
        standing = Standing()
        with _telling() as tell:
            folder, record = run_telling(
                lambda: build_engines(args.bundle, options, standing), standing, tell
            )
    except MagnoError as error:
        print(error, file=sys.stderr)
        return USAGE_FAULT
    except OSError as error:
        where, what = error.filename or args.bundle, error.strerror or error
        print(f"{where} wants to be writable, found: {what}. Free it, or copy the bundle.", file=sys.stderr)
        return USAGE_FAULT
    _report(folder, record, args.json)
    return 0


@contextmanager
def _telling() -> Iterator[Tell]:
    """A line that renews itself on a terminal, else one after the other; to stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda line: print(line, file=sys.stderr, flush=True)
        return
    with console.status("starting") as status:
        yield lambda line: status.update(line)


def _report(folder: Path, record: EngineRecord, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"folder": str(folder), **to_dict(record)}))
        return
    capabilities = ", ".join(record.compute_capabilities)
    device = record.gpu or "any GPU"
    print(f"{folder}  ({record.flavour} {record.version}, {device} of compute capability {capabilities})")
    for name, engine in record.engines.items():
        batch = (
            engine.batch[0]
            if engine.batch[0] == engine.batch[2]
            else f"{engine.batch[0]} to {engine.batch[2]}, best at {engine.batch[1]}"
        )
        print(
            f"  {engine_name(name):<14} {engine.bytes / 1e6:8.2f} MB   {engine.build_s:7.1f} s   batch {batch}"
        )
    settings = record.settings
    print(
        f"  strongly typed {_yes(settings.strongly_typed)}, TF32 {_yes(settings.tf32)}, optimization level "
        f"{settings.optimization_level}, timing cache {_yes(settings.timing_cache)}"
    )
    print(
        "  An engine is native code for this library: build it where it runs, and take none from somebody else."
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"
