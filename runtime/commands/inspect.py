"""`magno inspect SOURCE`: what a video source sends, as the runtime's own front end sees it. Needs no bundle."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.request import B_FRAMES, CameraError, CameraRequest
from magno.runtime.camera.sources import SHORT_SCHEMES, SOURCES, kind_of
from magno.runtime.clock import NS_PER_MS
from magno.runtime.commands.topic_flag import add_topic
from magno.runtime.inspection.dump import DumpError, VectorDump, written_aside
from magno.runtime.inspection.findings import Tally, picture_facts
from magno.runtime.inspection.overlay import VIDEO_STRETCH, draw_motion, png_from_rgb
from magno.runtime.inspection.report import Inspected, as_json, as_lines
from magno.runtime.units import CodecFrame, MagnoError

PICTURE_PX = 128  # as small models take them, so that the cost is what a robot pays
OVERLAY_PICTURE_PX = 960  # enough to see what moves
STATUS_PICTURES = 25
ENDLESS_S = 10.0  # of a source without an end, when nobody says how much
BAD_INPUT = 2
VIDEO = ".mp4"

Taker = Callable[[CodecFrame], None]  # what wants every picture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="video file or bag; raw H.264 as *.h264, or - for standard input; a camera's url, such as rtsp:// or v4l2://",
    )
    add_topic(parser)
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="only the first N seconds of it; of a camera: 10"
    )
    parser.add_argument(
        "--rate", type=float, metavar="N", help="pictures a second of a raw stream; default: as it says"
    )
    parser.add_argument(
        "--b-frames", choices=B_FRAMES, default="use", help="refuse: end with an error when there are any"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--dump", type=Path, metavar="FILE.npz", help="write every picture's vectors")
    parser.add_argument(
        "--overlay",
        type=Path,
        metavar="FILE.png|FILE.mp4",
        help="draw the motion over the picture that has the most (PNG), or over every picture (MP4)",
    )
    parser.add_argument(
        "--conformance",
        action="store_true",
        help="do its vectors mean what they should? SOURCE is one that decodes or encodes (ffmpeg, ...), tested on "
        "pictures of known motion; or any other, tested on what it shows",
    )
    parser.add_argument("--full", action="store_true", help="with --conformance: every encoder setting")
    parser.epilog = (
        "Exit code: 0 inspected, 2 bad input. With --conformance: 0 all passed, 1 a test failed, 2 bad input, "
        "3 cannot tell: too little moved."
    )


def run(args: argparse.Namespace) -> int:
    """Inspect one source; what is wrong with it is told in one sentence."""
    if args.conformance and (args.dump or args.overlay):
        print(
            "Wanted --conformance alone, found it with --dump or --overlay. Run them one by one.",
            file=sys.stderr,
        )
        return BAD_INPUT
    if args.conformance:
        code: int = importlib.import_module("magno.runtime.conformance.cli").run(args)
        return code
    try:
        found = _inspect(args)
        stretch = _write_overlay(args.overlay, found) if _wants_png(args) else VIDEO_STRETCH
    except MagnoError as error:
        print(error, file=sys.stderr)
        if args.json:
            print(json.dumps({"source": args.source, "error": str(error)}))
        return BAD_INPUT
    if args.json:
        drawn = {"overlay_stretch": stretch} if args.overlay else {}
        print(json.dumps({"source": args.source, **as_json(found), **drawn, "error": ""}))
        return 0
    for name, value in as_lines(found):
        print(f"{name:<14}{value}")
    if args.overlay:
        print(f"{'overlay':<14}{args.overlay}: arrows {stretch:.1f} times as long as the motion")
    return 0


def request_of(args: argparse.Namespace, picture_px: int, *, keyframes_only: bool) -> CameraRequest:
    """The reader's order. A camera is read for ENDLESS_S unless told otherwise. Raises CameraError."""
    kind = kind_of(args.source)
    endless = kind in SHORT_SCHEMES or (kind in SOURCES and SOURCES[kind].is_live)
    until_s = ENDLESS_S if args.seconds is None and endless else args.seconds
    return CameraRequest(
        args.source,
        picture_px,
        "fast",
        until_s=until_s,
        keyframes_only=keyframes_only,
        rate=args.rate,
        b_frames=args.b_frames,
        topic=args.topic,
    )


def _inspect(args: argparse.Namespace) -> Inspected:
    picture_px = OVERLAY_PICTURE_PX if args.overlay else PICTURE_PX
    # Keyframes only: what exports no vectors is described, too.
    request = request_of(args, picture_px, keyframes_only=True)
    tally, b_references = Tally(), 0
    liveliest, most_px = None, 0.0
    with contextlib.ExitStack() as stack:
        dump = stack.enter_context(VectorDump(args.dump)) if args.dump else None
        reader = stack.enter_context(CameraReader(request))
        status = stack.enter_context(Console(stderr=True).status("inspecting"))
        opened = reader.opened()
        takers: list[Taker] = [] if dump is None else [dump.add]
        if args.overlay and not _wants_png(args):
            takers.append(_video(args.overlay, opened.rate, stack))
        for frame in reader.frames():
            facts = picture_facts(frame)
            tally.add(facts)
            b_references += frame.pict_type == "B" and frame.is_reference
            for take in takers:
                take(frame)
            if _wants_png(args) and facts.all_motion_px > most_px:
                liveliest, most_px = frame, facts.all_motion_px
            if tally.pictures % STATUS_PICTURES == 0:
                status.update(f"inspecting: {tally.pictures} pictures")
        if not tally.pictures:
            raise CameraError(
                f"Wanted pictures in {args.source}, found none that decodes. Name an intact source, or more --seconds."
            )
        if dump is not None:
            dump.finish()
    cost_ms = reader.decode_ns / NS_PER_MS / tally.pictures
    return Inspected(opened, tally.summary(), b_references, cost_ms, picture_px, liveliest)


def _wants_png(args: argparse.Namespace) -> bool:
    return args.overlay is not None and args.overlay.suffix.lower() != VIDEO


def _video(path: Path, rate: float, stack: contextlib.ExitStack) -> Taker:
    """What draws every picture into a file, which is in its place once `stack` is left without an error."""
    from magno.runtime.inspection.video import OverlayVideo  # PyAV takes a while to load

    file = stack.enter_context(written_aside(path))
    return stack.enter_context(OverlayVideo(file, rate)).add


def _write_overlay(path: Path, found: Inspected) -> float:
    """Draw the liveliest picture; how much longer than the motion its arrows are."""
    from magno.runtime.inspection.video import enlarged

    if found.liveliest is None:
        raise DumpError(
            f"An overlay wants something that moves, found no vector in this {found.opened.codec} stream. "
            "Draw more of it, or one of H.264."
        )
    picture = enlarged(found.liveliest)
    stretch = draw_motion(found.liveliest, picture)
    with written_aside(path) as file:
        file.write(png_from_rgb(picture))
    return stretch
