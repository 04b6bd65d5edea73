"""Eight questions at once against the same eight one after another, on a live stream: the total time, the first
tokens, and whether the stream keeps up.

Both ways in turns on one engine, the fastest of each: work beside it on the machine slows whichever it hits. A prompt's
tokens cost nearly the same in one step as in many, an answer's do not, so what is gained hangs on how long answers
are: they are asked as the model ends them, and made to go on for as many tokens as told.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from magno.calibration.loads.freshness import Freshness
from magno.calibration.loads.load import CAMERA, FAR_MS, PATIENCE_S, watching
from magno.calibration.loads.mix import WORDS
from magno.calibration.moments import moment_of
from magno.runtime.clock import NS_PER_MS, WallClock
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import Answer, MagnoError, Outcome, Query

OWN_END = 0  # answers end as the model ends them
MAX_TOKENS = 32  # and then have so many at most
QUIET_S = 3.0  # of watching with no question, to know how old the newest picture then gets


class ConcurrencyError(MagnoError):
    """What cannot be measured."""


@dataclass(frozen=True, slots=True)
class Round:
    """The same questions, asked one way; the stream goes on, so their answers may differ from round to round."""

    total_ms: float
    first_ms: float  # median time to first token, from each question's own asking
    last_ms: float  # the longest latency
    incomplete: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    parser.add_argument("--bundle", type=Path, default=Path("bundles/pocket"), metavar="DIR")
    parser.add_argument("--clip", default="tests/clips/car-detection.mp4")
    parser.add_argument("--questions", type=int, default=len(WORDS), metavar="N")
    parser.add_argument(
        "--answer-tokens",
        type=int,
        nargs="+",
        default=[OWN_END, 8, 24],
        metavar="N",
        help="that answers are made to go on for; 0: as the model ends them",
    )
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2, help="of the language model")


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, object]:
    """Both ways, in turns. Raises MagnoError."""
    if args.questions < 1 or args.repeats < 1:
        raise ConcurrencyError(
            f"A bench wants a question and a repeat or more, found {args.questions} and {args.repeats}."
        )
    config = EngineConfig(str(args.bundle), threads=args.threads, max_cameras=1, max_queries=args.questions)
    with watching(config, args.clip, say) as engine:
        say("watching, with no question")
        with Freshness(engine, CAMERA) as quiet:
            moment_of(lambda: False, QUIET_S)
        with Freshness(engine, CAMERA) as busy:
            rows = [_row(engine, tokens, args, say) for tokens in args.answer_tokens]
        told = {name: getattr(args, name) for name in ("questions", "repeats", "threads")}
        return {**told, "rows": rows, "stream": _stream(engine, quiet, busy), "failed": _incomplete(rows) > 0}


def _row(
    engine: Engine, answer_tokens: int, args: argparse.Namespace, say: Callable[[str], None]
) -> dict[str, object]:
    """Both ways, with answers of one length."""
    queries = [
        Query(WORDS[at % len(WORDS)], CAMERA, FAR_MS, answer_tokens or MAX_TOKENS)
        for at in range(args.questions)
    ]
    say(f"asking, answers of {answer_tokens or 'their own number of'} tokens")
    with unending(engine) if answer_tokens else nullcontext():
        rounds = _rounds(engine, queries, args.repeats)
    sequence, at_once = (min(way, key=lambda one: one.total_ms) for way in zip(*rounds, strict=True))
    return {
        "answer_tokens": answer_tokens,
        "in_sequence": asdict(sequence),
        "at_once": asdict(at_once),
        "ratio": at_once.total_ms / sequence.total_ms,
        "ratio_median": median(pair[1].total_ms / pair[0].total_ms for pair in rounds),
        "incomplete": sum(one.incomplete for pair in rounds for one in pair),
    }


@contextmanager
def unending(engine: Engine) -> Iterator[None]:
    """No token ends an answer: only so do answers of a wanted length cost what such answers cost."""
    language = engine._language
    language.is_end = lambda token: False  # type: ignore[method-assign]
    try:
        yield
    finally:
        del language.is_end


def _rounds(engine: Engine, queries: list[Query], repeats: int) -> list[tuple[Round, Round]]:
    """In sequence and at once, by turns, each first as often as the other; cold caches left out."""
    found = []
    for turn in range(repeats + 1):
        if turn % 2:
            found.append((_in_sequence(engine, queries), _at_once(engine, queries)))
        else:
            at_once = _at_once(engine, queries)
            found.append((_in_sequence(engine, queries), at_once))
    return found[1:]


def _in_sequence(engine: Engine, queries: list[Query]) -> Round:
    clock = WallClock()
    began_ns = clock.now_ns()
    answers = [engine.ask(query) for query in queries]
    return _round((clock.now_ns() - began_ns) / NS_PER_MS, answers)


def _at_once(engine: Engine, queries: list[Query]) -> Round:
    clock = WallClock()
    began_ns = clock.now_ns()
    tickets = [engine.submit(query) for query in queries]
    answers = [ticket.result(PATIENCE_S) for ticket in tickets]
    return _round((clock.now_ns() - began_ns) / NS_PER_MS, answers)


def _round(total_ms: float, answers: list[Answer]) -> Round:
    return Round(
        total_ms,
        median(answer.ttft_ms or FAR_MS for answer in answers),
        max(answer.latency_ms for answer in answers),
        sum(answer.outcome is not Outcome.COMPLETE for answer in answers),
    )


def _incomplete(rows: list[dict[str, Any]]) -> int:
    return sum(row["incomplete"] for row in rows)


def _stream(engine: Engine, quiet: Freshness, busy: Freshness) -> dict[str, object]:
    """How far behind the stream fell while questions were answered."""
    status, pictures = engine.status()[CAMERA], engine.spec.codec.window_pictures
    return {
        "window_ms": 1000.0 * pictures / status.pictures_per_second if status.pictures_per_second else 0.0,
        "quiet_age_ms": quiet.worst_ms,
        "busy_age_ms": busy.worst_ms,
        "lag_ms": max(0.0, busy.worst_ms - quiet.worst_ms),
        "dropped": busy.dropped,
    }


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    stream = figures["stream"]
    table = Table(
        title=f"{figures['questions']} questions, fastest of {figures['repeats']}, {figures['threads']} threads",
        caption=(
            f"Meanwhile the newest picture was {stream['lag_ms']:.0f} ms older at worst than with no question; a "
            f"window takes {stream['window_ms']:.0f} ms; {stream['dropped']} pictures dropped."
        ),
    )
    for column in ("answers", "in sequence", "at once", "ratio", "median ratio", "first token", "at once "):
        table.add_column(column, justify="right")
    for row in figures["rows"]:
        sequence, at_once = row["in_sequence"], row["at_once"]
        table.add_row(
            f"{row['answer_tokens']} tokens" if row["answer_tokens"] else "their own",
            f"{sequence['total_ms']:.0f} ms",
            f"{at_once['total_ms']:.0f} ms",
            f"{row['ratio']:.2f}",
            f"{row['ratio_median']:.2f}",
            f"{sequence['first_ms']:.1f} ms",
            f"{at_once['first_ms']:.1f} ms",
        )
    return table
