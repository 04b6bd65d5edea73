"""`magno ask CLIP... QUESTION`: play clips up to a moment as fast as they can, then ask all of them. No ROS."""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from magno.runtime.cadence import WINDOWS
from magno.runtime.camera.request import B_FRAMES, DECODERS
from magno.runtime.clock import NS_PER_MS, NS_PER_S
from magno.runtime.commands.topic_flag import add_topic
from magno.runtime.config import OPEN, EngineConfig
from magno.runtime.deadline import ON_DEADLINE, PARTIAL
from magno.runtime.engine import Engine
from magno.runtime.units import Answer, MagnoError, Outcome, Query

DEFAULT_BUNDLE = "bundles/pocket"
POLL_S = 0.2
CAMERA = "clip"
ENGINE_LOG = "magno.engine"
EXIT_CODES = {Outcome.COMPLETE: 0, Outcome.PARTIAL: 0, Outcome.FAILED: 2, Outcome.REFUSED: 3}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    parser.add_argument(
        "clips",
        metavar="CLIP",
        nargs="+",
        help="video file (H.264 or MPEG-4 Part 2) or bag (*.mcap); several are asked at once, each a line of its own",
    )
    parser.add_argument("question", metavar="QUESTION")
    add_topic(parser, several=True)
    parser.add_argument("--at", type=float, metavar="SECONDS", help="when to ask; default: a clip's end")
    parser.add_argument(
        "--ago",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="ask about so long before; words such as 'ten seconds ago' in the question do the same",
    )
    parser.add_argument(
        "--recall",
        action="store_true",
        help="ask about the moment that showed what the question names, however long ago that was",
    )
    parser.add_argument("--deadline-ms", type=float, default=5000.0, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--on-deadline",
        choices=ON_DEADLINE,
        default=PARTIAL,
        help="what to do with an answer that is not whole by then; default: %(default)s",
    )
    parser.add_argument("--bundle", default=DEFAULT_BUNDLE, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--keyframes-only", action="store_true", help="for codecs without motion vectors")
    parser.add_argument(
        "--windows", choices=WINDOWS, default="fixed", help="their length; default: %(default)s"
    )
    parser.add_argument("--b-frames", choices=B_FRAMES, default="skip", help="default: %(default)s")
    parser.add_argument("--decoder", choices=DECODERS, default="ffmpeg", help="default: %(default)s")
    parser.add_argument(
        "--budget-tokens",
        type=int,
        default=OPEN,
        metavar="N",
        help="of the stream: its first keyframe and its newest GOPs; default: three and a half of the model's GOPs",
    )
    add_past(parser)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, of several clips one a line"
    )
    parser.epilog = (
        "Exit code: 0 answered (complete or partial), 2 bad input or failed, 3 refused; of several clips the first "
        "that is not 0. Name several clips and the question together, with the flags before or after."
    )


def add_past(parser: argparse.ArgumentParser) -> None:
    """Declare EngineConfig's past_dir and past_mb."""
    parser.add_argument(
        "--past",
        dest="past_dir",
        default="",
        metavar="DIR",
        help="keep what is seen there, for questions about it, now and after a restart",
    )
    parser.add_argument("--past-mb", type=int, default=1000, metavar="N", help="of it; default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Answer one question about one clip; whatever happens, one outcome is printed."""
    # The engine's remarks on the bundle are for whoever runs a robot.
    logging.getLogger(ENGINE_LOG).setLevel(logging.ERROR)
    several = len(args.clips) * max(1, len(args.topic)) > 1
    try:
        answers = _ask(args)
    except MagnoError as error:
        answers = {"": Answer("", Outcome.FAILED, str(error))}
    for name, answer in answers.items():
        if args.json:
            print(json.dumps({**({"camera": name} if several else {}), **_as_json(answer)}))
        elif answer.text or several:
            print(f"{name}: {answer.text}" if several else answer.text)
        if not args.json or answer.outcome is Outcome.FAILED:
            _explain(answer, f"{name}: " if several and name else "")
    return next(filter(None, (EXIT_CODES[answer.outcome] for answer in answers.values())), 0)


def _ask(args: argparse.Namespace) -> dict[str, Answer]:
    """The answer of each camera, by its name."""
    cameras = named_cameras(args.clips, args.topic)
    config = EngineConfig(
        bundle=args.bundle,
        windows=args.windows,
        b_frames=args.b_frames,
        decoder=args.decoder,
        budget_tokens=args.budget_tokens,
        max_cameras=len(cameras),
        past_dir=args.past_dir,
        past_mb=args.past_mb,
    )
    with Engine.open(config) as engine:
        for name, (clip, topic) in cameras.items():
            engine.watch(
                name, clip, pace="fast", until_s=args.at, keyframes_only=args.keyframes_only, topic=topic
            )
        console = Console(stderr=True)
        with console.status("watching") as status:
            for name in cameras:
                while not engine.wait_ended(name, POLL_S):
                    pictures = sum(camera.pictures_received for camera in engine.status().values())
                    status.update(f"watching: {pictures} pictures")
        query = Query(
            args.question,
            deadline_ms=args.deadline_ms,
            ago_s=args.ago,
            recall=args.recall,
            on_deadline=args.on_deadline,
        )
        return engine.ask_each(query, cameras)


def named_cameras(clips: Sequence[str], topics: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Name -> clip and topic of each camera, every topic of every clip; no topics: "", a clip's only camera.

    A single one has always the same name, else it is called as its topic is, or its file and its topic where there are
    several files, numbered where that is taken.
    """
    cameras = list(itertools.product(clips, topics or [""]))
    if len(cameras) == 1:
        return {CAMERA: cameras[0]}
    names: dict[str, tuple[str, str]] = {}
    for clip, topic in cameras:
        called = topic if len(clips) == 1 else (Path(clip).stem or CAMERA) + topic
        numbered = (f"{called}-{number}" for number in itertools.count(2))
        names[next(each for each in itertools.chain([called], numbered) if each not in names)] = clip, topic
    return names


def _explain(answer: Answer, of: str) -> None:
    if answer.error:
        print(of + answer.error, file=sys.stderr)
    if answer.frame_pts_ns is None:
        return
    first = "no token" if answer.ttft_ms is None else f"first token after {answer.ttft_ms:.0f} ms"
    recalled = f", {answer.recalled_tokens} of them recalled" if answer.recalled_tokens else ""
    print(
        f"{of}{answer.outcome.value}, {first}, {answer.latency_ms:.0f} ms in all; saw the clip up to "
        f"{answer.frame_pts_ns / NS_PER_S:.2f} s in {answer.visual_tokens} visual tokens{recalled}",
        file=sys.stderr,
    )


def _as_json(answer: Answer) -> dict[str, object]:
    return {
        "text": answer.text,
        "outcome": answer.outcome.value,
        "ttft_ms": answer.ttft_ms,
        "latency_ms": answer.latency_ms,
        "frame_pts_ms": None if answer.frame_pts_ns is None else answer.frame_pts_ns / NS_PER_MS,
        "visual_tokens": answer.visual_tokens,
        "recalled_tokens": answer.recalled_tokens,
        "foretold_tokens": answer.foretold_tokens,
        "error": answer.error,
    }
