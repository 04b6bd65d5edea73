"""What motion costs: the codec front end, stage by stage, beside PyPI's motion-vector-extractor.

Passes over a clip are made in turn, ours and the extractor's, on one core with one thread, and the fastest of each is
taken, in CPU time. The extractor converts every picture to BGR unless it is told to give vectors alone
(`set_decode_frames(False)`), so both are measured. It decodes with an FFmpeg of its own, and cannot leave the loop
filter out; we can where nobody asks for pixels, since it changes no vector.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from magno.calibration.codec.passes import EnginePass, Pass, engine_passes, passes
from magno.calibration.codec.rival import Rival, RivalError
from magno.calibration.made_clips import MADE, RATE, resized
from magno.runtime.bundle import open_bundle
from magno.runtime.clock import NS_PER_MS
from magno.runtime.units import MagnoError

CLIP = Path("tests/clips/bunny_h264.mp4")
OTHER_CLIP = Path("tests/clips/bunny_mpeg4.mp4")
LARGE = (1920, 1080)
MAX_RATIO, MAX_SHARE = 0.8, 0.25
PLAIN, WITH_PIXELS = "extractor, vectors only", "extractor, as it comes (BGR pictures)"
ARRAY, GRID = "vectors only, as an array", "vectors only, on the grid"


class CodecBenchError(MagnoError):
    """What cannot be measured."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What is read, and whether it has to pass."""

    name: str
    path: Path
    made: str  # how, where it was
    max_ratio: float  # of the extractor's time
    max_share: float  # of one core, at RATE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    parser.add_argument(
        "--bundle", type=Path, default=Path("bundles/pocket"), metavar="DIR", help="for its sizes"
    )
    parser.add_argument("--clip", type=Path, default=CLIP, help="H.264, 1280x720")
    parser.add_argument("--pictures", type=int, default=150, help="of each clip (default 150)")
    parser.add_argument(
        "--repeats", type=int, default=5, help="passes, of which the fastest counts (default 5)"
    )
    parser.add_argument("--extractor-python", default=sys.executable, metavar="PYTHON")


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, object]:
    """All stages on all clips. Raises MagnoError."""
    if args.pictures < 2 or args.repeats < 1:
        raise CodecBenchError("A bench wants 2 pictures or more, and 1 repeat or more.")
    spec = open_bundle(args.bundle).spec.codec
    stages: list[Pass | EnginePass] = [*passes(spec.image_px), *engine_passes(spec)]
    with tempfile.TemporaryDirectory() as folder, _one_core():
        say("encoding the 1080p clip")
        clips = _clips(args.clip, Path(folder), args.pictures)
        with contextlib.ExitStack() as stack:
            rival, why = None, ""
            try:
                rival = stack.enter_context(Rival(args.extractor_python))
            except RivalError as error:
                why = str(error)
            rows = [_measured(clip, stages, rival, args, say) for clip in clips]
    return {
        "picture_px": spec.image_px,
        "repeats": args.repeats,
        "extractor": why or "motion-vector-extractor",
        "rows": rows,
        "failed": any(row["failed"] for row in rows),
    }


def _measured(
    clip: Clip,
    stages: list[Pass | EnginePass],
    rival: Rival | None,
    args: argparse.Namespace,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Milliseconds a picture of each stage, the fastest of the repeats."""
    fastest: dict[str, float] = {}

    def note(name: str, counted: tuple[int, int]) -> None:
        pictures, spent_ns = counted
        fastest[name] = min(fastest.get(name, float("inf")), spent_ns / max(pictures, 1) / NS_PER_MS)

    for turn in range(args.repeats):
        say(f"{clip.name}, pass {turn + 1} of {args.repeats}")
        for stage in stages:
            note(stage.name, stage.run(clip.path, args.pictures))
        if rival is not None:
            note(PLAIN, rival.read(clip.path, args.pictures, with_pixels=False))
            note(WITH_PIXELS, rival.read(clip.path, args.pictures, with_pixels=True))
    return judge(clip, fastest, stages[-1].name)


def judge(clip: Clip, fastest_ms: dict[str, float], whole: str) -> dict[str, Any]:
    """A row: the times, the ratios to the extractor's, the share of a core, and whether it is as it must be."""
    share = fastest_ms[whole] * RATE / 1000
    plain = fastest_ms.get(PLAIN)
    ratios = None if plain is None else {name: fastest_ms[name] / plain for name in (ARRAY, GRID)}
    behind = ratios is not None and ratios[ARRAY] > clip.max_ratio
    return {
        "clip": clip.name,
        "made": clip.made,
        "ms_per_picture": fastest_ms,
        "ratio_to_extractor": ratios,
        "share_of_core_at_30": share,
        "failed": behind or share > clip.max_share,
    }


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    rows = figures["rows"]
    table = Table(
        title=f"CPU ms a picture, one core, fastest of {figures['repeats']}; pictures of {figures['picture_px']} px"
    )
    table.add_column("stage")
    for row in rows:
        table.add_column(row["clip"], justify="right")
    for name in rows[0]["ms_per_picture"]:
        table.add_row(name, *(f"{row['ms_per_picture'][name]:.2f}" for row in rows))
    table.add_section()
    if rows[0]["ratio_to_extractor"] is None:
        table.caption = figures["extractor"]
    else:
        for name in (ARRAY, GRID):
            cells = (f"{row['ratio_to_extractor'][name]:.2f}" for row in rows)
            table.add_row(f"{name} / {PLAIN}", *cells)
    table.add_row(
        "of one core at 30 a second", *(f"{100 * row['share_of_core_at_30']:.1f} %" for row in rows)
    )
    return table


def _clips(clip: Path, folder: Path, pictures: int) -> list[Clip]:
    large = folder / "large.mp4"
    resized(clip, large, LARGE, pictures)
    made = f"{clip.name} enlarged (bicubic) and {MADE}"
    return [
        Clip("720p H.264", clip, "", MAX_RATIO, MAX_SHARE),
        Clip("1080p H.264", large, made, MAX_RATIO, float("inf")),
        Clip("720p MPEG-4", OTHER_CLIP, "", float("inf"), MAX_SHARE),
    ]


@contextmanager
def _one_core() -> Iterator[None]:
    """This process, and those it starts, on one of its cores."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
