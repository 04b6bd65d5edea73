"""Malformed files through the loaders: what must never happen, counted.

Each file is a sound one with one thing wrong, exact by its number, and goes through the loader that production has for
it, in processes that a file may end. What must hold: refused within a second with one sentence and no traceback, in
bounded memory, and by no crash of native code; and what cannot be sound is never taken for it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from magno.calibration.malformed.judge import judge
from magno.calibration.malformed.runs import MalformedError, Order, run_all

COUNT = 5000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    parser.add_argument("--count", type=int, default=COUNT, help="malformed files (default %(default)s)")
    parser.add_argument("--only", type=int, metavar="N", help="file N alone, and what came of it")
    parser.add_argument("--seed", type=int, default=0, help="other files under the same numbers")
    parser.add_argument("--processes", type=int, default=2, help="readers at work at once (default 2)")
    parser.add_argument("--checkpoint", type=Path, default=Path("models/pocket"), metavar="DIR")
    parser.add_argument("--bundle", type=Path, default=Path("bundles/pocket"), metavar="DIR")


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, object]:
    """Files 0 to count - 1, or one. Raises MagnoError."""
    if args.count < 1 or args.processes < 1 or args.seed < 0 or (args.only is not None and args.only < 0):
        raise MalformedError(
            "Malformed files want a count and processes of 1 or more, and no negative number or seed."
        )
    for folder, name in ((args.checkpoint, "config.json"), (args.bundle, "manifest.json")):
        if not (folder / name).is_file():
            raise MalformedError(f"Malformed files want sound ones to be made of, found no {folder / name}.")
    say("loading the sound files")
    first, count = (0, args.count) if args.only is None else (args.only, args.only + 1)
    order = Order(str(args.checkpoint), str(args.bundle), args.seed, first, count, 1)
    processes = min(args.processes, count - first)
    seen = run_all(order, processes, lambda done: say(f"{done} of {count - first} malformed files"))
    figures = judge(seen) | {"seed": args.seed}
    if args.only is not None:
        figures["file"] = (
            f"{seen[0].number} ({seen[0].family}, {seen[0].kind}): {seen[0].outcome}. {seen[0].told}"
        )
    return figures


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    table = Table(
        title=f"{figures['files']} malformed files of {figures['kinds']} kinds, seed {figures['seed']}"
    )
    table.add_column("what must not be")
    table.add_column("how often", justify="right")
    table.add_column("which", overflow="fold")
    for name, wrong in figures["wrong"].items():
        table.add_row(name, str(wrong["count"]), escape("\n".join(wrong["which"])))
    table.add_section()
    table.add_row("[bold]and what may be", "", "")
    for family, outcomes in figures["families"].items():
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        table.add_row(family, str(sum(outcomes.values())), told)
    table.add_row("slowest refusal", f"{figures['slowest_cpu_s']:.2f} s", escape(figures["slowest"][:200]))
    table.add_row("most memory", f"{figures['growth_kib'] / 1024:.0f} MiB", escape(figures["largest"][:200]))
    if "file" in figures:
        table.caption = escape(figures["file"])
    return table
