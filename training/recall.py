"""One long stream of many clips; at its end, questions about each of them, long after it left the cache: with what is
recalled by its time or by what the question names, and without.

A bench, `magno bench recall`. It lives here because it reads and scores questions as `magno eval` does. Of any set of
questions, some have the right answer in what is seen last too, and some name things that many clips show: the made
world has none of either (see recall_world).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import av
from av.video.frame import VideoFrame
from rich.table import Table

from magno.calibration.moments import moment_of, spread
from magno.runtime.camera.encode import PictureEncoder
from magno.runtime.camera.process.unit_queue import UnitQueue
from magno.runtime.clock import NS_PER_S, WallClock
from magno.runtime.commands.ask import DEFAULT_BUNDLE
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import Answer, MagnoError, Outcome, Query
from magno.training.examine import DEADLINE_MS, MAX_TOKENS
from magno.training.questions_file import EXAMPLE, Question, read_questions
from magno.training.recall_world import AFTER_FILE, QUESTIONS_FILE, write_world
from magno.training.score import is_right, shares

CAMERA = "robot"
PATIENCE_S = 20.0  # for one picture
POINTS_OVER = 30.0  # that recall must bring
THEN, BY_TIME, BY_MEANING, WITHOUT = WAYS = (
    "asked then",
    "asked later, recalled by time",
    "asked later, recalled by meaning",
    "asked later, not recalled",
)


class RecallError(MagnoError):
    """The stream did not go on."""


@dataclass(slots=True)
class _Told:
    """What was answered, question by question."""

    answers: dict[str, list[Answer]] = field(default_factory=lambda: {way: [] for way in WAYS})
    moments_ns: list[int] = field(default_factory=list)
    clips_ns: list[int] = field(default_factory=list)  # when each clip began, and the last ended


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    parser.add_argument("--bundle", default=DEFAULT_BUNDLE, metavar="DIR", help="default: %(default)s")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--questions", type=Path, metavar="FILE", help=f"JSON lines such as {EXAMPLE}")
    asked.add_argument(
        "--world", type=Path, metavar="DIR", help="a made world; made there first where there is none"
    )
    parser.add_argument(
        "--clips-folder",
        type=Path,
        default=Path("tests/clips"),
        metavar="DIR",
        help="real clips, for a made world's backgrounds; default: %(default)s",
    )
    parser.add_argument("--count", type=int, default=200, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--later", type=float, default=30.0, metavar="SECONDS", help="of other pictures; default: %(default)s"
    )
    parser.add_argument("--archive-mb", type=int, default=256, metavar="N", help="default: %(default)s")


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, object]:
    """Watch everything, then ask about it. Raises MagnoError."""
    path = args.questions or args.world / QUESTIONS_FILE
    if args.world and not path.is_file():
        say("making the world")
        write_world(args.world, args.clips_folder)
    questions = sorted(read_questions(path), key=lambda question: question.moment)[: args.count]
    clips = list(dict.fromkeys(question.clip for question in questions))
    told = _Told()
    config = EngineConfig(bundle=args.bundle, archive_mb=args.archive_mb, max_cameras=1)
    with Engine.open(config) as engine:
        stream = _Stream(engine)
        for clip, about in groupby(questions, key=lambda question: question.clip):
            pictures = _pictures(clip)
            told.clips_ns.append(stream.newest_ns)
            for at_s, asked in groupby(about, key=lambda question: question.at_s):
                stream.show(pictures, at_s)
                for question in asked:
                    told.moments_ns.append(stream.newest_ns)
                    told.answers[THEN].append(_ask(engine, question))
                say(f"watched {stream.newest_ns / NS_PER_S:.0f} s, asked {len(told.moments_ns)} questions")
        told.clips_ns.append(stream.newest_ns)
        stream.fill([args.world / AFTER_FILE] if args.world else clips, args.later)
        for question, moment_ns in zip(questions, told.moments_ns, strict=True):
            told.answers[BY_TIME].append(_ask(engine, question, ago_s=stream.ago_s(moment_ns)))
            told.answers[BY_MEANING].append(_ask(engine, question, recall=True))
            told.answers[WITHOUT].append(_ask(engine, question))
            say(f"asked {len(told.answers[WITHOUT])} of {len(questions)} questions about the past")
        status = engine.status()[CAMERA]
    return _figures(questions, told, stream.newest_ns, status.remembered_s)


class _Stream:
    """One camera that is shown pictures as fast as they are taken."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._encoder, self._clock = engine, PictureEncoder(), WallClock()
        self._units: UnitQueue = engine.watch_units(CAMERA)
        self._shown = 0
        self.newest_ns = 0

    def show(self, pictures: Iterator[tuple[float, float, VideoFrame]], until_s: float | None) -> None:
        """All that are left of a clip, or those up to one of its moments."""
        for at_s, lasts_s, picture in pictures:
            self.newest_ns += int(lasts_s * NS_PER_S)
            self._put(picture)
            if until_s is not None and at_s + lasts_s > until_s:
                break
        self._engine.wait_taken(CAMERA)

    def fill(self, clips: Sequence[Path], seconds: float) -> None:
        """Go on with these, again and again."""
        until_ns = self.newest_ns + int(seconds * NS_PER_S)
        while self.newest_ns < until_ns:
            before_ns = self.newest_ns
            for clip in clips:
                if self.newest_ns < until_ns:
                    self.show(_pictures(clip), None)
            if self.newest_ns == before_ns:
                raise RecallError("A long stream wants clips with pictures, found none in any.")

    def ago_s(self, moment_ns: int) -> float:
        """How long ago that is for whoever asks now: by the engine's clock the stream's time goes on, though no more is
        shown."""
        newest_ns = self._engine.ask(Query(".", CAMERA, DEADLINE_MS, 1)).frame_pts_ns
        captured_ns = self._engine.status()[CAMERA].newest_capture_ns
        if newest_ns is None or captured_ns is None:
            raise RecallError("A long stream wants a picture in the cache at its end, found none.")
        return (newest_ns - moment_ns + self._clock.now_ns() - captured_ns) / NS_PER_S

    def _put(self, picture: VideoFrame) -> None:
        unit = self._encoder.encode(picture, self.newest_ns, self._clock.now_ns())
        self._shown += 1
        self._units.put(unit)
        if (
            moment_of(lambda: self._engine.status()[CAMERA].pictures_received >= self._shown, PATIENCE_S)
            is None
        ):
            raise RecallError(
                f"A picture wants to be decoded within {PATIENCE_S:.0f} s, found it was not: try again."
            )


def _pictures(clip: Path) -> Iterator[tuple[float, float, VideoFrame]]:
    """When each is shown, how long, and the picture."""
    try:
        with av.open(str(clip)) as container:
            rate = container.streams.video[0].average_rate
            lasts_s = float(1 / rate) if rate else 1 / 25
            for number, picture in enumerate(container.decode(video=0)):
                yield number * lasts_s, lasts_s, picture
    except (av.FFmpegError, IndexError) as error:
        raise RecallError(
            f"{clip} wants to be a video file, found none that can be read ({error})."
        ) from error


def _ask(engine: Engine, question: Question, *, ago_s: float = 0.0, recall: bool = False) -> Answer:
    return engine.ask(Query(question.text, CAMERA, DEADLINE_MS, MAX_TOKENS, ago_s=ago_s, recall=recall))


def _found(questions: Sequence[Question], told: _Told) -> float:
    """Share of questions for which a moment of their own clip was brought back by what they name."""
    clips = list(dict.fromkeys(question.clip for question in questions))
    spans = dict(zip(clips, pairwise(told.clips_ns), strict=True))
    found = 0
    for question, answer in zip(questions, told.answers[BY_MEANING], strict=True):
        begins_ns, ends_ns = spans[question.clip]
        found += answer.frame_pts_ns is not None and begins_ns < answer.frame_pts_ns <= ends_ns
    return found / len(questions)


def _figures(
    questions: Sequence[Question], told: _Told, watched_ns: int, remembered_s: float
) -> dict[str, object]:
    right = {
        way: [
            answer.outcome is Outcome.COMPLETE and is_right(answer.text, question.answers)
            for answer, question in zip(told.answers[way], questions, strict=True)
        ]
        for way in WAYS
    }
    then, by_time = told.answers[THEN], told.answers[BY_TIME]
    accuracy = {way: sum(right[way]) / len(questions) for way in WAYS}
    gained = {way: 100 * (accuracy[way] - accuracy[WITHOUT]) for way in (BY_TIME, BY_MEANING)}
    families = [question.family for question in questions]
    return {
        "questions": len(questions),
        "watched_s": watched_ns / NS_PER_S,
        "remembered_s": remembered_s,
        "accuracy": accuracy,
        "by_family": {
            way: {
                family: [share.right, share.asked] for family, share in shares(families, right[way]).items()
            }
            for way in WAYS
        },
        "points_over_without": gained,
        "found_by_meaning": _found(questions, told),
        "same_words_as_then": sum(a.text == b.text for a, b in zip(then, by_time, strict=True))
        / len(questions),
        "recalled_tokens_p50": sorted(answer.recalled_tokens for answer in by_time)[len(by_time) // 2],
        "ttft_ms": {way: spread([answer.ttft_ms or 0.0 for answer in told.answers[way]]) for way in WAYS},
        "failed": min(gained.values()) < POINTS_OVER,
    }


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    gained = figures["points_over_without"]
    table = Table(
        title=f"{figures['questions']} questions about {figures['watched_s']:.0f} s of video",
        caption=f"Recall brings {gained[BY_TIME]:.0f} points by time, {gained[BY_MEANING]:.0f} by meaning (wanted: "
        f"{POINTS_OVER:.0f}); by time it says what was said then to {figures['same_words_as_then']:.0%}, by meaning it "
        f"finds the clip of {figures['found_by_meaning']:.0%}. {figures['remembered_s']:.0f} s are remembered.",
    )
    for name in ("", "right", "first token, p50", "p99"):
        table.add_column(name, justify="left" if not name else "right")
    for way in WAYS:
        took = figures["ttft_ms"][way]
        table.add_row(
            way, f"{figures['accuracy'][way]:.1%}", f"{took['p50']:.1f} ms", f"{took['p99']:.1f} ms"
        )
    return table
