"""A camera that goes and comes, again and again: an RTSP server on loopback, watched by a real engine.

Wanted: told as lost within 1 s, a fresh picture within 2 s of its return (its first is an intra picture), and the
memory, descriptors and threads of the engine and of the reader process flat.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import random
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from magno.calibration.footprint import Footprint, footprint, trend
from magno.calibration.moments import moment_of, spread
from magno.calibration.rtsp.server import RtspServer, clip_from_file
from magno.runtime.clock import NS_PER_S, WallClock
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import MagnoError

CAMERA = "front"
LOST_S = 1.0
FRESH_S = 2.0
PATIENCE_S = 20.0
AWAY_S = (0.0, 0.3)
PICTURES = 50  # of the clip


class ReconnectError(MagnoError):
    """The bench cannot go on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    parser.add_argument("--bundle", type=Path, default=Path("bundles/pocket"), metavar="DIR")
    parser.add_argument("--clip", default="tests/clips/car-detection.mp4", help="H.264 in a container")
    parser.add_argument("--times", type=int, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=1)


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, object]:
    """Take the camera away as often as asked. Raises MagnoError."""
    logging.getLogger("magno.camera").setLevel(logging.ERROR)  # what is lost here is lost on purpose
    rng = random.Random(args.seed)
    server = RtspServer(clip_from_file(args.clip, PICTURES))
    lost_s: list[float] = []
    fresh_s: list[float] = []
    held: dict[str, list[Footprint]] = {"engine": [], "reader": []}
    with Engine.open(EngineConfig(bundle=str(args.bundle))) as engine:
        with server:
            engine.watch(CAMERA, server.url)
            _seconds_until_fresh(engine, 0)
        for number in range(args.times):
            lost_s.append(_seconds_until_lost(engine))
            threading.Event().wait(rng.uniform(*AWAY_S))
            before = engine.status()[CAMERA].pictures_received
            with server:
                fresh_s.append(_seconds_until_fresh(engine, before))
                held["engine"].append(footprint(os.getpid()))
                with contextlib.suppress(OSError):  # it is being replaced
                    held["reader"].append(footprint(engine.status()[CAMERA].reader_pid or 0))
            say(f"{number + 1} of {args.times} times")
        status = engine.status()[CAMERA]
    trends = {name: trend(seen) for name, seen in held.items() if seen}
    missed = max(lost_s, default=0.0) > LOST_S or max(fresh_s, default=0.0) > FRESH_S or status.restarts
    return {
        "times": args.times,
        "lost_s": spread(lost_s),
        "fresh_s": spread(fresh_s),
        "reconnects": status.reconnects,
        "restarts": status.restarts,
        "held": {name: asdict(found) for name, found in trends.items()},
        "failed": bool(missed) or not all(found.is_flat for found in trends.values()),
    }


def _seconds_until_lost(engine: Engine) -> float:
    return _seconds_until(engine, lambda: engine.status()[CAMERA].state == "lost")


def _seconds_until_fresh(engine: Engine, received: int) -> float:
    return _seconds_until(engine, lambda: engine.status()[CAMERA].pictures_received > received)


def _seconds_until(engine: Engine, condition: Callable[[], bool]) -> float:
    began_ns = WallClock().now_ns()
    moment_ns = moment_of(condition, PATIENCE_S)
    if moment_ns is None:
        status = engine.status()[CAMERA]
        raise ReconnectError(
            f"Wanted a camera to go or to come back within {PATIENCE_S:.0f} s, found it {status.state} "
            f"({status.error or 'without an error'})."
        )
    return (moment_ns - began_ns) / NS_PER_S


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    lost, fresh = figures["lost_s"], figures["fresh_s"]
    table = Table(
        title=f"A camera went and came {figures['times']} times",
        caption=(
            f"Told as lost: {lost['p50']:.3f} s (median), {lost['worst']:.3f} s (worst). A picture after its return: "
            f"{fresh['p50']:.3f} s, {fresh['worst']:.3f} s. {figures['reconnects']} reconnects, "
            f"{figures['restarts']} restarts. {'MISSED' if figures['failed'] else 'All within bounds.'}"
        ),
    )
    for column in ("process", "memory first", "last", "slope, 1000 times", "descriptors", "threads"):
        table.add_column(column, justify="right")
    for name, held in figures["held"].items():
        pairs = ["{} to {}".format(*held[what]) for what in ("descriptors", "threads")]
        memory = [f"{held[end] / 1024:.1f} MiB" for end in ("first_kib", "last_kib")]
        table.add_row(name, *memory, f"{held['slope_kib'] * 1000 / 1024:+.2f} MiB", *pairs)
    return table
