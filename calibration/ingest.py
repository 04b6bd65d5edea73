"""How many times faster than real time a 720p30 stream is taken in: decoded, windowed, encoded and prefilled.

Beside it, in turn and in the same run, what is not the model's: the same with encoders that give zeros, and the reader
process alone. So one sees how far ingest is from what decoding allows.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table

from magno.calibration.loads.outcomes import Bar, bars_as_json
from magno.calibration.made_clips import MADE, RATE, resized
from magno.runtime.bundle import open_bundle
from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.request import CameraRequest
from magno.runtime.clock import NS_PER_S, WallClock
from magno.runtime.commands.ask import DEFAULT_BUNDLE
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import MagnoError

SIZE = (1280, 720)
REAL_TIME_FACTOR = 3.0
CAMERA = "clip"
WHOLE, NO_ENCODERS, READER = "everything", "encoders that give zeros", "the reader process alone"


class IngestError(MagnoError):
    """What cannot be measured."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    parser.add_argument("--bundle", default=DEFAULT_BUNDLE, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--clip", type=Path, default=Path("tests/clips/car-detection.mp4"))
    parser.add_argument("--pictures", type=int, default=600, metavar="N", help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=3, help="of which the fastest counts")
    parser.add_argument("--threads", type=int, default=1, help="of the language model; default: %(default)s")


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, object]:
    """All ways in turn. Raises MagnoError."""
    if args.pictures < RATE or args.repeats < 1:
        raise IngestError(f"A bench wants {RATE} pictures or more, and 1 repeat or more.")
    seconds: dict[str, list[float]] = {WHOLE: [], NO_ENCODERS: [], READER: []}
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "720p.mp4"
        say("encoding the clip in 1280x720")
        pictures = resized(args.clip, clip, SIZE, args.pictures)
        for turn in range(args.repeats):
            say(f"pass {turn + 1} of {args.repeats}")
            for name, backend in ((WHOLE, "ort"), (NO_ENCODERS, "null")):
                config = EngineConfig(args.bundle, backend=backend, threads=args.threads, max_cameras=1)
                seconds[name].append(_watched(config, clip))
            seconds[READER].append(_read(args.bundle, clip))
    factors = {name: pictures / RATE / min(spent) for name, spent in seconds.items()}
    met = factors[WHOLE] >= REAL_TIME_FACTOR
    bar = Bar("real-time factor", f"{REAL_TIME_FACTOR:.0f}", f"{factors[WHOLE]:.2f}", met)
    return {
        "pictures": pictures,
        "made": f"{args.clip.name} at 1280x720, {MADE}",
        "repeats": args.repeats,
        "factors": factors,
        "bars": bars_as_json([bar]),
        "failed": not met,
    }


def _watched(config: EngineConfig, clip: Path) -> float:
    """Seconds from the camera's start until all of it is in the cache; opening the models is not counted."""
    clock = WallClock()
    with Engine.open(config) as engine:
        began_ns = clock.now_ns()
        engine.watch(CAMERA, str(clip), pace="fast")
        engine.wait_ended(CAMERA)
        spent_ns = clock.now_ns() - began_ns
        dropped = engine.status()[CAMERA].pictures_dropped
    if dropped:
        raise IngestError(
            f"A stream taken in as fast as it can be wants no drops, found {dropped} pictures dropped."
        )
    return spent_ns / NS_PER_S


def _read(bundle: str, clip: Path) -> float:
    clock = WallClock()
    began_ns = clock.now_ns()
    request = CameraRequest(str(clip), open_bundle(Path(bundle)).spec.codec.image_px, "fast")
    with CameraReader(request) as reader:
        reader.opened()
        for _ in reader.frames():
            pass
    return (clock.now_ns() - began_ns) / NS_PER_S


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    (bar,) = figures["bars"]
    table = Table(
        title=f"{figures['pictures']} pictures of 720p30, fastest of {figures['repeats']}",
        caption=f"Wanted: {bar['wanted']} or more. {'Met' if bar['met'] else 'MISSED'}.",
    )
    table.add_column("")
    table.add_column("times real time", justify="right")
    for name, factor in figures["factors"].items():
        table.add_row(name, f"{factor:.2f}")
    return table
