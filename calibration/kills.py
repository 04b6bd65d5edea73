"""A camera's reader process killed and stopped, again and again, while questions are asked.

kill -9 and SIGSTOP by turns (a stopped process is what a hang in native code looks like). Wanted: noticed within
0.5 s, decoding again within 1 s of that or of the kill, every question answered, nothing held for ever.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from magno.calibration.footprint import Footprint, footprint, trend
from magno.calibration.loads.questioner import Questioner
from magno.calibration.moments import moment_of, spread
from magno.runtime.clock import NS_PER_S, WallClock
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import MagnoError

CAMERA = "front"
SIGNALS = (signal.SIGKILL, signal.SIGSTOP)
NOTICED_S = 0.5
DECODING_S = 1.0
PATIENCE_S = 20.0
LIFE_S = (0.8, 1.2)  # of a reader, from its first picture to its end


class KillsError(MagnoError):
    """The bench cannot go on."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One end of a reader process, and how long it was without effect."""

    by: str
    noticed_s: float
    decoding_s: float  # from the signal to the first picture of the next process


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    parser.add_argument("--bundle", type=Path, default=Path("bundles/pocket"), metavar="DIR")
    parser.add_argument("--clip", default="tests/clips/car-detection.mp4")
    parser.add_argument("--kills", type=int, default=500, metavar="N")
    parser.add_argument("--seed", type=int, default=1)


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, object]:
    """End the reader as often as asked. Raises MagnoError."""
    logging.getLogger("magno.camera").setLevel(logging.ERROR)  # what is lost here is lost on purpose
    rng = random.Random(args.seed)
    kills: list[Kill] = []
    held: list[Footprint] = []
    with Engine.open(EngineConfig(bundle=str(args.bundle))) as engine:
        engine.watch(CAMERA, args.clip, loop=True)
        _wait_for_picture(engine, 0)
        with Questioner(engine, CAMERA) as questioner:
            for number in range(args.kills):
                threading.Event().wait(rng.uniform(*LIFE_S))
                kills.append(_kill(engine, SIGNALS[number % len(SIGNALS)]))
                held.append(footprint(os.getpid()))
                say(f"{number + 1} of {args.kills} readers ended")
    return _figures(kills, held, questioner)


def _kill(engine: Engine, by: signal.Signals) -> Kill:
    before = engine.status()[CAMERA]
    if before.reader_pid is None:
        raise KillsError("A kill wants a reader process, found none. Is the clip one that plays?")
    began_ns = WallClock().now_ns()
    os.kill(before.reader_pid, by)

    def noticed() -> bool:
        now = engine.status()[CAMERA]
        return now.state == "lost" or now.restarts > before.restarts

    noticed_ns = moment_of(noticed, PATIENCE_S)
    decoding_ns = _wait_for_picture(engine, before.restarts + 1)
    if noticed_ns is None:
        raise KillsError(f"A reader ended by {by.name} was to be noticed, found that it was not.")
    return Kill(by.name, (noticed_ns - began_ns) / NS_PER_S, (decoding_ns - began_ns) / NS_PER_S)


def _wait_for_picture(engine: Engine, restarts: int) -> int:
    """When the process that follows so many others gave its first picture. Raises KillsError."""
    received: list[int] = []

    def decoding() -> bool:
        now = engine.status()[CAMERA]
        if now.restarts < restarts or now.state != "streaming":
            return False
        received.append(now.pictures_received)
        return received[-1] > received[0] or now.pictures_per_second > 0

    moment_ns = moment_of(decoding, PATIENCE_S)
    if moment_ns is None:
        raise KillsError(f"A camera was to be decoded again, found {engine.status()[CAMERA]}.")
    return moment_ns


def _figures(kills: list[Kill], held: list[Footprint], questioner: Questioner) -> dict[str, object]:
    ends = {}
    failed = bool(questioner.hung or questioner.late or questioner.outcomes["failed"])
    for by in SIGNALS:
        these = [kill for kill in kills if kill.by == by.name]
        noticed, decoding = (
            spread([kill.noticed_s for kill in these]),
            spread([kill.decoding_s for kill in these]),
        )
        allowed_s = DECODING_S if by is signal.SIGKILL else NOTICED_S + DECODING_S
        failed = failed or noticed["worst"] > NOTICED_S or decoding["worst"] > allowed_s
        ends[by.name] = {"kills": len(these), "noticed_s": noticed, "decoding_s": decoding}
    engine = trend(held)
    return {
        "kills": len(kills),
        "ends": ends,
        "questions": questioner.figures(),
        "engine": asdict(engine),
        "failed": failed or not engine.is_flat,
    }


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    questions, engine = figures["questions"], figures["engine"]
    table = Table(
        title=f"{figures['kills']} reader processes ended",
        caption=(
            f"{questions['asked']} questions meanwhile: {questions['outcomes']}, {questions['late']} late, "
            f"{questions['hung']} without an outcome. The engine's memory grew {engine['growth_kib']:.0f} KiB, its "
            f"descriptors went from {engine['descriptors'][0]} to {engine['descriptors'][1]}. "
            f"{'MISSED' if figures['failed'] else 'All within bounds.'}"
        ),
    )
    for column in ("by", "times", "noticed", "at worst", "decoding again", "at worst"):
        table.add_column(column, justify="right")
    for by, end in figures["ends"].items():
        times = [f"{end[what][of]:.3f} s" for what in ("noticed_s", "decoding_s") for of in ("p50", "worst")]
        table.add_row(by, str(end["kills"]), *times)
    return table
