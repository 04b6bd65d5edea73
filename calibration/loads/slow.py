"""A machine that is twice and three times as slow from one moment to the next, at the load that it could just bear
before; a wall clock that jumps; and a camera that the device can just bear before it becomes slower (see tiers).

Each time the load goes on while the language model's steps and the encoders become slower (see slowness). Wanted: no
answer is late from 2 s after that on; and none is, when the wall clock jumps, since nothing reads it.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from itertools import takewhile
from typing import Any

from rich.table import Table

from magno.calibration.loads.concurrency import unending
from magno.calibration.loads.deadline import add_load_arguments, back_to_back
from magno.calibration.loads.load import Ask, Load, LoadError, Settlements, watching
from magno.calibration.loads.mix import sound
from magno.calibration.loads.outcomes import GRACE_MS, Asked, Bar, Outcomes, bars_as_json, bars_table
from magno.calibration.loads.slowness import Slowness, jumping_wall_clock, since_s
from magno.calibration.loads.tiers import follow
from magno.runtime.clock import NS_PER_S, WallClock
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine

FACTORS = (2.0, 3.0)
RECOVERED_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    add_load_arguments(parser)
    parser.add_argument(
        "--seconds",
        type=float,
        default=8.0,
        metavar="S",
        help="before and after each step to a slower machine",
    )
    parser.add_argument("--load", type=float, default=1.0, metavar="TIMES", help="the back-to-back rate")


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, object]:
    """Step by step. Raises MagnoError."""
    if not args.seconds > 0 or not args.load > 0:
        raise LoadError(
            f"A load wants seconds and a rate above 0, found {args.seconds:g} s at {args.load:g}x."
        )
    config = EngineConfig(str(args.bundle), threads=args.threads, max_cameras=1)
    with (
        watching(config, args.clip, say) as engine,
        unending(engine) if args.long else nullcontext(),
        Settlements() as settlements,
        Slowness(engine) as slowness,
    ):
        run = Run(engine, settlements, args, args.load * back_to_back(engine, args, say))
        phases = []
        for factor in FACTORS:
            say(f"{factor:g} times slower")
            phases.append(run.slower(slowness, factor))
        say("the wall clock jumps")
        phases.append(run.jumping())
    tiers = follow(args, FACTORS, say)
    bars = [bar for phase in phases for bar in phase["bars"]] + tiers["bars"]
    return {
        "seconds": args.seconds,
        "load": args.load,
        "rate_1x": run.rate / args.load,
        "threads": args.threads,
        "long": args.long,
        "core_share": slowness.core_share,
        "phases": phases,
        "tiers": tiers,
        "failed": not all(bar["met"] for bar in bars),
    }


class Run:
    """One load on one engine, phase after phase."""

    def __init__(
        self, engine: Engine, settlements: Settlements, args: argparse.Namespace, rate: float
    ) -> None:
        self._engine, self._settlements, self._args = engine, settlements, args
        self.rate = rate
        self._rng, self._clock = random.Random(args.seed), WallClock()

    def slower(self, slowness: Slowness, factor: float) -> dict[str, Any]:
        """As fast as it is, then slower, and fast again."""
        before, after = Outcomes(), Outcomes()
        stepped_ns: list[int] = []

        def take(asked: Asked) -> None:  # what is settled after the step counts, whenever it was asked
            stepped = stepped_ns and asked.settled_ns >= stepped_ns[0]
            (after if stepped else before).take(asked)

        load = Load(self._engine, self._settlements, take, self._rng)
        load.offer(self._asks(), self.rate)
        slowness.factor = factor
        stepped_ns.append(self._clock.now_ns())
        try:
            load.offer(self._asks(), self.rate)
            load.drain()
        finally:
            slowness.factor = 1.0
        recovered_s = since_s(stepped_ns[0], after.last_late_ns)
        found = slower_bars(before, after, recovered_s)
        return {
            "name": f"{factor:g} times slower",
            "before": before.figures(),
            "after": after.figures(),
            "last_late_s": recovered_s,
            "bars": bars_as_json(found),
        }

    def jumping(self) -> dict[str, Any]:
        """While the wall clock jumps."""
        outcomes = Outcomes()
        load = Load(self._engine, self._settlements, outcomes.take, self._rng)
        with ExitStack() as held:
            reads = held.enter_context(jumping_wall_clock())
            load.offer(self._asks(), self.rate)
            load.drain()
        return {
            "name": "wall clock jumps",
            "after": outcomes.figures(),
            "wall_clock_reads": reads[0],
            "bars": bars_as_json(jumping_bars(outcomes)),
        }

    def _asks(self) -> Iterator[Ask]:
        """For so many seconds from the first."""
        until_ns = self._clock.now_ns() + int(self._args.seconds * NS_PER_S)
        return takewhile(lambda _: self._clock.now_ns() < until_ns, sound(self._rng))


def slower_bars(before: Outcomes, after: Outcomes, last_late_s: float | None) -> list[Bar]:
    """What a step to a slower machine wants; `last_late_s` after it was the last late answer."""
    unanswered = before.unanswered + after.unanswered
    last = "none was late" if last_late_s is None else f"{last_late_s:.2f} s after, of {after.late}"
    return [
        Bar("without an outcome", "0", str(unanswered), unanswered == 0),
        Bar(
            f"last later than deadline + {GRACE_MS:.0f} ms",
            f"{RECOVERED_S:.0f} s after",
            last,
            last_late_s is None or last_late_s <= RECOVERED_S,
        ),
    ]


def jumping_bars(outcomes: Outcomes) -> list[Bar]:
    """What a jumping wall clock wants: nothing to be seen of it."""
    return [
        Bar("without an outcome", "0", str(outcomes.unanswered), outcomes.unanswered == 0),
        Bar(f"later than deadline + {GRACE_MS:.0f} ms", "0", str(outcomes.late), outcomes.late == 0),
    ]


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    title = (
        f"{figures['load']:g}x load, 1x being {figures['rate_1x']:.1f} questions a second back to back, "
        f"{figures['threads']} threads"
    )
    told = [_told(phase["name"], phase["after"]) for phase in figures["phases"]]
    bars = [
        {**bar, "name": f"{phase['name']}: {bar['name']}"}
        for phase in figures["phases"]
        for bar in phase["bars"]
    ]
    bars += [{**bar, "name": f"Camera, {bar['name']}"} for bar in figures["tiers"]["bars"]]
    caption = (
        f"{' '.join(told)} What is slowed sleeps for the extra time; before that, native steps had a core for "
        f"{figures['core_share']:.0%} of theirs."
    )
    return bars_table(title, bars, caption)


def _told(name: str, after: dict[str, Any]) -> str:
    """What became of the questions of a phase, from its step on."""
    return (
        f"{name[0].upper()}{name[1:]}: {after['asked']} asked, {after['refused_at_once']} refused at once, "
        f"{after['in_time']} of {after['admitted']} others in time, {after['past_deadline']} past their deadline, the "
        f"latest {after['latest_ms']:+.1f} ms from it."
    )
