"""`magno calibrate latency`: measure this device once, so that the engine predicts well from its first question on."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.table import Table

from magno.calibration.latency import fitted, measured, rows
from magno.runtime.bundle import open_bundle
from magno.runtime.commands.ask import DEFAULT_BUNDLE
from magno.runtime.commands.tables import stdout_console
from magno.runtime.config import EngineConfig
from magno.runtime.language import LanguageModel
from magno.runtime.language_sizes import language_config
from magno.runtime.latency_record import LatencyRecord, engine_version, processor, write_record
from magno.runtime.memory import usual_budget
from magno.runtime.spec import to_dict
from magno.runtime.units import MagnoError

SUBJECTS = ("latency",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    parser.add_argument("subject", choices=SUBJECTS, help="what is measured")
    parser.add_argument("--bundle", default=DEFAULT_BUNDLE, metavar="DIR", help="default: %(default)s")
    parser.add_argument(
        "--threads",
        type=int,
        default=EngineConfig("any").threads,
        metavar="N",
        help="of the language model, as the engine will have them; default: %(default)s",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = (
        "Writes calibration/latency.json into the bundle, which the engine uses on machines like this one, with as "
        "many threads. Run it on an idle machine. Exit code: 0 done, 2 bad input."
    )


def run(args: argparse.Namespace) -> int:
    """Measure, fit, write."""
    try:
        with Console(stderr=True).status("measuring") as status:
            record = _record(Path(args.bundle), args.threads, status.update)
        path = write_record(Path(args.bundle), record)
    except (MagnoError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(to_dict(record)))
    else:
        _print(record)
        print(f"written to {path}", file=sys.stderr)
    return 0


def _record(folder: Path, threads: int, say: Callable[[str], None]) -> LatencyRecord:
    bundle = open_bundle(folder)
    budget = usual_budget(bundle.spec)
    config = EngineConfig(str(folder), threads=threads, max_cameras=1).sized(budget)
    with LanguageModel.open(bundle.llm, language_config(config)) as language:
        cells = measured(language, budget, config.max_step_tokens, say)
    return LatencyRecord(
        processor(),
        threads,
        engine_version(),
        bundle.manifest_sha256,
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
        fitted(cells),
        tuple(replace(cell, ms=round(cell.ms, 4)) for cell in cells),
    )


def _print(record: LatencyRecord) -> None:
    cached = sorted({cell.cached_tokens for cell in record.cells})
    profile = record.profile
    table = Table(
        title=f"Milliseconds of a native step, {record.threads} threads, fastest of several",
        caption=f"Believed of a full cache: a prefill {profile.prefill_fixed_ms:.2f} ms and "
        f"{profile.prefill_token_ms:.3f} a token; a step {profile.step_ms:.2f} ms and {profile.rider_ms:.2f} for each "
        "more question in it.",
    )
    table.add_column("tokens in the cache")
    for count in cached:
        table.add_column(str(count), justify="right")
    for name, by_cached in rows(list(record.cells)):
        table.add_row(name, *(f"{by_cached[count]:.2f}" if count in by_cached else "" for count in cached))
    stdout_console().print(table)
