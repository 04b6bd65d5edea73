"""Four times the questions that the engine answers back to back: what it cannot do in time is refused at once, and what
it admits is in time.

Admitted is what was not refused while it was asked. In time is what is answered, whole or in part, by its deadline and
50 ms; what is admitted and refused later on is not.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from rich.table import Table

from magno.calibration.loads.deadline import add_load_arguments, load_machine, load_title, offered
from magno.calibration.loads.mix import sound
from magno.calibration.loads.outcomes import IN_TIME, REFUSED_WITHIN_MS, Bar, Outcomes, bars_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    add_load_arguments(parser)
    parser.add_argument("--questions", type=int, default=1000, metavar="N")
    parser.add_argument("--load", type=float, default=4.0, metavar="TIMES", help="the back-to-back rate")


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, object]:
    """Ask too much. Raises MagnoError."""
    return offered(args, say, sound, bars)


def bars(outcomes: Outcomes) -> list[Bar]:
    """What an overload wants."""
    took_ms, share = outcomes.refusals_ms, outcomes.in_time_share
    return [
        Bar("without an outcome", "0", str(outcomes.unanswered), outcomes.unanswered == 0),
        Bar(
            "refusals at once, p99",
            f"{REFUSED_WITHIN_MS:.0f} ms",
            f"{took_ms['p99']:.1f} ms, at worst {took_ms['worst']:.1f}",
            took_ms["p99"] <= REFUSED_WITHIN_MS,
        ),
        Bar(
            "admitted ones in time",
            f"{IN_TIME:.0%}",
            f"{share:.1%} of {outcomes.admitted}",
            share >= IN_TIME,
        ),
    ]


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    counts = ", ".join(f"{count} {name}" for name, count in figures["outcomes"].items())
    caption = (
        f"{counts}. {figures['refused_at_once']} refused at once, {figures['refused_late']} after they were admitted; "
        f"{figures['late']} late, the latest {figures['latest_ms']:+.1f} ms from its deadline. "
        f"{load_machine(figures)}"
    )
    return bars_table(load_title(figures), figures["bars"], caption)
