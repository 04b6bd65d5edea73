"""One stream for a million pictures: what the engine and its reader hold stays as it is, and the cache in its budget.

The stream is a small clip over and over, as fast as it is taken in, with encoders that give zeros: the memory is what
is measured, not the model. The archive of the past fills first, and is full long before the first quarter is over.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from magno.calibration.footprint import Trend, footprint, trend
from magno.calibration.made_clips import RATE, resized
from magno.calibration.moments import moment_of
from magno.runtime.clock import NS_PER_S, WallClock
from magno.runtime.commands.ask import DEFAULT_BUNDLE
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import MagnoError, Outcome, Query

SIZE = (160, 96)
ROUNDS = 200  # of which each is looked at once
MORE = 10_000  # pictures: the last round is looked at while the stream goes on
PATIENCE_S = 120.0  # for one round
CAMERA = "front"


class MemoryBenchError(MagnoError):
    """What cannot be measured."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    parser.add_argument("--bundle", default=DEFAULT_BUNDLE, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--clip", type=Path, default=Path("tests/clips/car-detection.mp4"))
    parser.add_argument("--pictures", type=int, default=1_000_000, metavar="N", help="default: %(default)s")
    parser.add_argument("--backend", default="null", help="of the encoders; default: %(default)s")
    parser.add_argument("--archive-mb", type=int, default=16, metavar="N", help="default: %(default)s")


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, object]:
    """Watch, look and ask once a round. Raises MagnoError."""
    if args.pictures < ROUNDS:
        raise MemoryBenchError(f"A bench wants {ROUNDS} pictures or more, found {args.pictures}.")
    held: dict[str, list[Any]] = {"engine": [], "reader": []}
    clock, most_cached, answered = WallClock(), 0, 0
    config = EngineConfig(args.bundle, backend=args.backend, max_cameras=1, archive_mb=args.archive_mb)
    with tempfile.TemporaryDirectory() as folder, Engine.open(config) as engine:
        small = Path(folder) / "small.mp4"
        resized(args.clip, small, SIZE)
        began_ns = clock.now_ns()
        until_s = (args.pictures + MORE) / RATE
        engine.watch(CAMERA, str(small), pace="fast", loop=True, until_s=until_s)
        for number in range(1, ROUNDS + 1):
            wanted = args.pictures * number // ROUNDS
            if moment_of(lambda: engine.status()[CAMERA].pictures_received >= wanted, PATIENCE_S) is None:  # noqa: B023
                raise MemoryBenchError(f"A stream wants to go on, found it still for {PATIENCE_S:.0f} s.")
            status = engine.status()[CAMERA]
            held["engine"].append(footprint(os.getpid()))
            held["reader"].append(footprint(status.reader_pid or 0))
            most_cached = max(most_cached, status.cached_tokens)
            now = engine.ask(Query("Is anything moving?", CAMERA, 60_000.0, 4))
            then = engine.ask(Query("Is anything moving?", CAMERA, 60_000.0, 4, ago_s=60.0))
            # In its first rounds a stream has no minute of past.
            answered += now.outcome is Outcome.COMPLETE and then.outcome in (
                Outcome.COMPLETE,
                Outcome.REFUSED,
            )
            say(f"{status.pictures_received:,} of {args.pictures:,} pictures")
        seconds = (clock.now_ns() - began_ns) / NS_PER_S
        status, budget = engine.status()[CAMERA], engine.config.budget_tokens
    trends = {name: trend(seen) for name, seen in held.items()}
    flat = all(found.is_flat for found in trends.values())
    return {
        "pictures": status.pictures_received,
        "pictures_a_second": status.pictures_received / seconds,
        "held": {name: asdict(found) for name, found in trends.items()},
        "slope_kib_per_100k": {name: _slope(found, args.pictures) for name, found in trends.items()},
        "most_cached_tokens": most_cached,
        "budget_tokens": budget,
        "remembered_s": status.remembered_s,
        "rounds_answered": answered,
        "failed": not flat or most_cached > budget or answered < ROUNDS,
    }


def _slope(found: Trend, pictures: int) -> float:
    return found.slope_kib * ROUNDS * 100_000 / pictures


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    table = Table(
        title=f"{figures['pictures']:,} pictures of one stream, {figures['pictures_a_second']:.0f} a second",
        caption=f"At most {figures['most_cached_tokens']} tokens in the cache, of a budget of "
        f"{figures['budget_tokens']}; {figures['remembered_s']:.0f} s remembered. "
        f"{'MISSED' if figures['failed'] else 'All within bounds.'}",
    )
    for column in ("process", "memory first", "last", "slope, 100,000 pictures", "descriptors", "threads"):
        table.add_column(column, justify="right")
    for name, held in figures["held"].items():
        pairs = ["{} to {}".format(*held[what]) for what in ("descriptors", "threads")]
        memory = [f"{held[end] / 1024:.1f} MiB" for end in ("first_kib", "last_kib")]
        slope = f"{figures['slope_kib_per_100k'][name]:+.1f} KiB"
        table.add_row(name, *memory, slope, *pairs)
    return table
