"""`magno inspect SOURCE`: what a video source sends, as the runtime's own front end sees it. Needs no bundle."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from magno.runtime.camera.reader import CameraReader
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.camera.wire import Opened
from magno.runtime.clock import NS_PER_MS
from magno.runtime.inspection import PictureFacts, Summary, picture_facts, sparkline, summarize
from magno.runtime.inspection_dump import DumpError, VectorDump, written_aside
from magno.runtime.inspection_overlay import draw_motion, png_from_rgb
from magno.runtime.units import CodecFrame, MagnoError

PICTURE_PX = 128  # as small models take them, so that the cost is what a robot pays
OVERLAY_PICTURE_PX = 960  # enough to see what moves
STATUS_PICTURES = 25
BAD_INPUT = 2


@dataclass(frozen=True, slots=True)
class Inspected:
    """What one pass over a source gave."""

    opened: Opened
    summary: Summary
    cost_ms: float  # of a picture, in the reader process
    picture_px: int
    liveliest: CodecFrame | None  # the picture with the most motion, when it is to be drawn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    parser.add_argument(
        "source", metavar="SOURCE", help="video file; raw H.264 as *.h264, or - for standard input"
    )
    parser.add_argument("--seconds", type=float, metavar="N", help="only the first N seconds of it")
    parser.add_argument(
        "--rate", type=float, metavar="N", help="pictures a second of a raw stream; default: as it says"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--dump", type=Path, metavar="FILE.npz", help="write every picture's vectors")
    parser.add_argument(
        "--overlay", type=Path, metavar="FILE.png", help="draw the motion over the picture that has the most"
    )
    parser.epilog = "Exit code: 0 inspected, 2 bad input."


def run(args: argparse.Namespace) -> int:
    """Inspect one source; what is wrong with it is told in one sentence."""
    try:
        with contextlib.ExitStack() as stack:
            dump = stack.enter_context(VectorDump(args.dump)) if args.dump else None
            found = _inspect(args, dump)
            if dump is not None:
                dump.finish()
        stretch = _write_overlay(args.overlay, found) if args.overlay else None
    except MagnoError as error:
        print(error, file=sys.stderr)
        if args.json:
            print(json.dumps({"source": args.source, "error": str(error)}))
        return BAD_INPUT
    if args.json:
        drawn = {} if stretch is None else {"overlay_stretch": stretch}
        print(json.dumps({"source": args.source, **as_json(found), **drawn, "error": ""}))
        return 0
    for name, value in as_lines(found):
        print(f"{name:<14}{value}")
    if stretch is not None:
        print(f"{'overlay':<14}{args.overlay}: arrows {stretch:.1f} times as long as the motion")
    return 0


def _inspect(args: argparse.Namespace, dump: VectorDump | None) -> Inspected:
    picture_px = OVERLAY_PICTURE_PX if args.overlay else PICTURE_PX
    # Keyframes only: what exports no vectors is described, too.
    request = CameraRequest(
        args.source, picture_px, "fast", until_s=args.seconds, keyframes_only=True, rate=args.rate
    )
    seen: list[PictureFacts] = []
    liveliest, most_px = None, 0.0
    with CameraReader(request) as reader, Console(stderr=True).status("inspecting") as status:
        opened = reader.opened()
        for frame in reader.frames():
            facts = picture_facts(frame)
            seen.append(facts)
            if dump is not None:
                dump.add(frame)
            if args.overlay and facts.all_motion_px > most_px:
                liveliest, most_px = frame, facts.all_motion_px
            if len(seen) % STATUS_PICTURES == 0:
                status.update(f"inspecting: {len(seen)} pictures")
    if not seen:
        raise CameraError(
            f"Wanted pictures in {args.source}, found none that decodes. Name an intact source, or more --seconds."
        )
    cost_ms = reader.decode_ns / NS_PER_MS / len(seen)
    return Inspected(opened, summarize(seen), cost_ms, picture_px, liveliest)


def _write_overlay(path: Path, found: Inspected) -> float:
    """Draw the liveliest picture; how much longer than the motion its arrows are."""
    if found.liveliest is None:
        raise DumpError(
            f"An overlay wants something that moves, found no vector in this {found.opened.codec} stream. "
            "Draw more of it, or one of H.264."
        )
    overlay = draw_motion(found.liveliest)
    with written_aside(path) as file:
        file.write(png_from_rgb(overlay.picture))
    return overlay.stretch


def as_json(found: Inspected) -> dict[str, object]:
    """One flat object; its keys are the runtime's own words, with units."""
    opened = found.opened
    return {
        "container": opened.container,
        "codec": opened.codec,
        "size": list(opened.size),
        "rate_hz": opened.rate,
        **dataclasses.asdict(found.summary),
        "cost_ms": found.cost_ms,
        "cost_picture_px": found.picture_px,
    }


def as_lines(found: Inspected) -> list[tuple[str, str]]:
    """Name and value of each line that a person reads."""
    opened, summary = found.opened, found.summary
    counts = ", ".join(f"{count} {kind}" for kind, count in summary.pict_types.items() if count)
    gop = "one, or none seen whole"
    if summary.gop_pictures is not None:
        least, median, most = summary.gop_pictures
        gop = f"{least} to {most} pictures from one intra picture to the next, median {median:g}"
    vectors, motion = "none: this codec's decoder exports none", "unknown"
    if summary.coverage is not None:
        mean, least_share = summary.coverage
        vectors = f"{mean:.1%} of the blocks of predicted pictures, {least_share:.1%} at least"
    known = [value for value in summary.motion_px if value is not None]
    if known:
        motion = f"{sparkline(summary.motion_px)}  0 to {max(known):.2f} px a picture"
    return [
        ("container", opened.container),
        ("codec", opened.codec),
        ("size", f"{opened.size[0]}x{opened.size[1]}"),
        ("rate", f"{opened.rate:g} pictures a second"),
        ("pictures", f"{summary.pictures} in {summary.duration_s:.2f} s: {counts}"),
        ("pattern", summary.pattern),
        ("GOP", gop),
        ("vectors", vectors),
        ("motion", motion),
        ("link breaks", f"{summary.link_breaks}, {summary.broken_pictures} pictures damaged"),
        ("cost", f"{found.cost_ms:.2f} ms a picture: decode, vectors, {found.picture_px} px picture"),
    ]
