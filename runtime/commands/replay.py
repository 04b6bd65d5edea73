"""`magno replay CLIP`: the production engine on a clip or a bag, its decisions written down and held against others."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from rich.console import Console

from magno.runtime.cadence import WINDOWS
from magno.runtime.camera.request import B_FRAMES
from magno.runtime.commands.ask import DEFAULT_BUNDLE, ENGINE_LOG
from magno.runtime.commands.topic_flag import add_topic
from magno.runtime.config import OPEN, EngineConfig
from magno.runtime.replay import Replayed, parse_asked, replay
from magno.runtime.trace_file import decision, first_difference, read_decisions, write_lines, write_perfetto
from magno.runtime.units import MagnoError

DIVERGED = 3
DEADLINE_MS = 5000.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    parser.add_argument("clip", metavar="CLIP", help="video file (H.264 or MPEG-4 Part 2) or bag (*.mcap)")
    add_topic(parser)
    parser.add_argument("--bundle", default=DEFAULT_BUNDLE, metavar="DIR", help="default: %(default)s")
    parser.add_argument(
        "--ask", action="append", default=[], metavar="QUESTION@SECONDS", help="may be given again"
    )
    parser.add_argument("--until", type=float, metavar="SECONDS", help="replay so much of the clip")
    parser.add_argument("--trace", metavar="OUT.jsonl", help="write the spans, one JSON object a line")
    parser.add_argument("--perfetto", metavar="OUT.json", help="write them for ui.perfetto.dev or Chrome")
    parser.add_argument("--compare", metavar="GOLDEN.jsonl", help="name the first span that differs")
    parser.add_argument("--windows", choices=WINDOWS, default="fixed", help="default: %(default)s")
    parser.add_argument("--b-frames", choices=B_FRAMES, default="skip", help="default: %(default)s")
    parser.add_argument("--budget-tokens", type=int, default=OPEN, metavar="N", help="of the stream")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = "Exit code: 0 done, 2 bad input, 3 the trace differs from the one it was compared with."


def run(args: argparse.Namespace) -> int:
    """Replay, write, compare."""
    logging.getLogger(ENGINE_LOG).setLevel(logging.ERROR)
    try:
        golden = read_decisions(Path(args.compare)) if args.compare else None
        replayed = _replay(args)
        if args.trace:
            write_lines(Path(args.trace), replayed.spans, 0)
        if args.perfetto:
            write_perfetto(Path(args.perfetto), replayed.spans)
    except MagnoError as error:
        print(
            json.dumps({"error": str(error)}) if args.json else error, file=None if args.json else sys.stderr
        )
        return 2
    parted = None
    if golden is not None:
        parted = first_difference(golden, [decision(span) for span in replayed.spans])
    _tell(replayed, parted, compared=golden is not None, as_json=args.json)
    return DIVERGED if parted else 0


def _replay(args: argparse.Namespace) -> Replayed:
    config = EngineConfig(
        bundle=args.bundle,
        windows=args.windows,
        b_frames=args.b_frames,
        budget_tokens=args.budget_tokens,
        threads=1,  # sums of several threads might be added up otherwise on another machine
        max_cameras=1,
    )
    asked = [parse_asked(words, DEADLINE_MS) for words in args.ask]
    with Console(stderr=True).status("replaying") as status:
        return replay(
            config,
            args.clip,
            asked,
            until_s=args.until,
            topic=args.topic,
            progress=lambda pictures: status.update(f"replaying: {pictures} pictures"),
        )


def _tell(replayed: Replayed, parted: str | None, *, compared: bool, as_json: bool) -> None:
    if as_json:
        answers = [{"text": answer.text, "outcome": answer.outcome.value} for answer in replayed.answers]
        told = {"spans": len(replayed.spans), "answers": answers, "difference": parted, "error": ""}
        print(json.dumps(told))
        return
    for answer in replayed.answers:
        print(answer.text or answer.error)
    same = "the same as the one it was compared with" if compared else "not compared with any"
    print(parted or f"{len(replayed.spans)} spans, {same}", file=sys.stderr)
