"""Many mixed questions on a live stream, at the rate at which the engine answers them back to back: each gets one
outcome, and gets it by its deadline.

Deadlines of 50 ms to 5 s, answers of 1 to 32 tokens at most, one in twenty cancelled, one in twenty malformed. The
engine promises a first token by the deadline, and foretells how much of an answer will come: a PARTIAL one that it had
called whole is a broken word.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

from rich.table import Table

from magno.calibration.loads.concurrency import unending
from magno.calibration.loads.load import Ask, Load, LoadError, Settlements, rate_of, watching
from magno.calibration.loads.mix import mixed, sound
from magno.calibration.loads.outcomes import GRACE_MS, Bar, Kind, Outcomes, bars_as_json, bars_table
from magno.calibration.loads.slowness import Slowness
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import Outcome

SAY_EVERY = 50
BROKEN_WORDS = 0.001  # of all questions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    add_load_arguments(parser)
    parser.add_argument("--questions", type=int, default=500, metavar="N")
    parser.add_argument("--load", type=float, default=1.0, metavar="TIMES", help="the back-to-back rate")


def add_load_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what every bench of a load reads."""
    parser.add_argument("--bundle", type=Path, default=Path("bundles/pocket"), metavar="DIR")
    parser.add_argument("--clip", default="tests/clips/car-detection.mp4")
    parser.add_argument("--threads", type=int, default=2, help="of the language model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--rate-seconds", type=float, default=3.0, metavar="S", help="in which the rate called 1x is measured"
    )
    parser.add_argument(
        "--long", action="store_true", help="answers go on to their max_tokens, whatever the model says"
    )


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, object]:
    """Ask them all. Raises MagnoError."""
    return offered(args, say, mixed, bars)


def offered(
    args: argparse.Namespace,
    say: Callable[[str], None],
    draw: Callable[[random.Random], Iterator[Ask]],
    judge: Callable[[Outcomes], list[Bar]],
) -> dict[str, object]:
    """So many questions at so many times the back-to-back rate, judged. Raises MagnoError."""
    if args.questions < 1 or not args.load > 0:
        raise LoadError(
            f"A load wants a question or more at a rate above 0, found {args.questions} at {args.load:g}x."
        )
    config = EngineConfig(str(args.bundle), threads=args.threads, max_cameras=1)
    outcomes, rng = Outcomes(), random.Random(args.seed)
    with (
        watching(config, args.clip, say) as engine,
        unending(engine) if args.long else nullcontext(),
        Settlements() as settlements,
        Slowness(engine) as slowness,
    ):
        rate = back_to_back(engine, args, say)

        def take(asked: Any) -> None:
            outcomes.take(asked)
            if outcomes.asked % SAY_EVERY == 0:
                say(f"{outcomes.asked} of {args.questions} questions, {outcomes.late} late")

        say(f"asking {args.load * rate:.0f} questions a second")
        load = Load(engine, settlements, take, rng)
        load.offer(islice(draw(rng), args.questions), args.load * rate)
        load.drain()
    found = judge(outcomes)
    return {
        "questions": args.questions,
        "load": args.load,
        "rate_1x": rate,
        "threads": args.threads,
        "long": args.long,
        **outcomes.figures(),
        "settled_again": settlements.again,
        "core_share": slowness.core_share,
        "bars": bars_as_json(found),
        "failed": not all(bar.met for bar in found),
    }


def back_to_back(engine: Engine, args: argparse.Namespace, say: Callable[[str], None]) -> float:
    """The rate that is called 1x, in questions a second."""
    say("asking back to back")
    return rate_of(engine, sound(random.Random(args.seed)), args.rate_seconds)


def bars(outcomes: Outcomes) -> list[Bar]:
    """What a mixed load wants."""
    taken_for_sound = sum(
        count
        for name, count in outcomes.counts.items()
        if name.startswith(Kind.MALFORMED.value) and not name.endswith(Outcome.FAILED.value)
    )
    failed = outcomes.of(Kind.SOUND, Outcome.FAILED)
    latest_ms = outcomes.figures()["latest_ms"]
    return [
        Bar("without an outcome", "0", str(outcomes.unanswered), outcomes.unanswered == 0),
        Bar(
            f"later than deadline + {GRACE_MS:.0f} ms",
            "0",
            f"{outcomes.late}, latest {latest_ms:+.1f} ms",
            outcomes.late == 0,
        ),
        Bar(
            "PARTIAL, and foretold to be whole",
            f"{BROKEN_WORDS:.1%} at most",
            f"{outcomes.broken_words} of {outcomes.asked}",
            outcomes.broken_words <= BROKEN_WORDS * outcomes.asked,
        ),
        Bar("sound ones FAILED", "0", str(failed), failed == 0),
        Bar("malformed ones not FAILED", "0", str(taken_for_sound), taken_for_sound == 0),
    ]


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    outcomes = figures["outcomes"]
    counts = ", ".join(f"{count} {name}" for name, count in outcomes.items())
    partial = outcomes.get("sound partial", 0)
    caption = (
        f"{counts}. {figures['refused_at_once']} refused at once, {figures['refused_late']} after they were admitted; "
        f"{figures['past_deadline']} settled past their deadline at all. {partial} PARTIAL "
        f"({partial / max(1, figures['asked']):.1%} of all). {load_machine(figures)}"
    )
    return bars_table(load_title(figures), figures["bars"], caption)


def load_title(figures: dict[str, Any]) -> str:
    return (
        f"{figures['questions']} questions at {figures['load']:g}x, 1x being {figures['rate_1x']:.1f} a second back to "
        f"back, {figures['threads']} threads"
    )


def load_machine(figures: dict[str, Any]) -> str:
    """What was not the engine's doing."""
    lag = figures["asker_lag_ms"]
    return (
        f"The asking side itself was {lag['p99']:.1f} ms behind (p99), {lag['worst']:.1f} at worst; native steps had a "
        f"core for {figures['core_share']:.0%} of their time."
    )
