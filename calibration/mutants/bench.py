"""Damaged streams through the production reader: what must never happen, counted.

Mutants go through real reader processes, many to a process, one behind the other as one camera's stream; every one
ends with an intact anchor. What must hold: this side never fails; no access unit takes over 2 s; from the next anchor
on every picture is sound and pixel for pixel the undamaged one; and where whole packets were lost or repeated, no
picture is called sound that is not. Altered bytes that decode validly cannot be known: such pictures are counted
as silent.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from magno.calibration.mutants.damage import WHOLE_PACKETS, mutate
from magno.calibration.mutants.judge import Seen, Truth
from magno.calibration.mutants.runs import run_mutants, truth_of, undisturbed
from magno.calibration.mutants.streams import Stream, make_streams
from magno.runtime.units import MagnoError

CLIP = Path("tests/clips/car-detection.mp4")
BATCH = 100  # mutants a reader process
SLOW_MS = 2000.0
NAMED = 20  # failures told of by number


class MutantError(MagnoError):
    """What cannot be run."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Mutants of one stream, by number."""

    stream: Stream
    truth: Truth
    numbers: tuple[int, ...]

    def run(self, seed: int) -> list[Seen]:
        mutants = [mutate(self.stream.units, n, self.stream.damageable, seed) for n in self.numbers]
        return run_mutants(self.stream, mutants, self.truth)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    parser.add_argument("--count", type=int, default=30_000, help="mutants (default 30000)")
    parser.add_argument("--only", type=int, metavar="N", help="mutant N alone, and what came out of it")
    parser.add_argument("--seed", type=int, default=0, help="other mutants under the same numbers")
    parser.add_argument("--processes", type=int, default=2, help="readers at work at once (default 2)")
    parser.add_argument("--clip", type=Path, default=CLIP, help="what some of the streams show")


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, object]:
    """Run mutants 0 to count - 1, or one. Raises MagnoError."""
    if args.count < 1 or args.processes < 1 or args.seed < 0 or (args.only is not None and args.only < 0):
        raise MutantError("Mutants want a count and processes of 1 or more, and no negative number or seed.")
    say("encoding the undamaged streams")
    streams = undisturbed(lambda: make_streams(args.clip))
    numbers: Sequence[int] = range(args.count) if args.only is None else [args.only]
    batches = _batches(streams, [truth_of(stream) for stream in streams], numbers)
    seen, faults = _run(batches, args, say)
    figures = judge(seen) | {"seed": args.seed, "engine_faults": faults}
    if args.only is not None and seen:
        figures["mutant"] = _told(seen[0], streams[args.only % len(streams)])
    return figures | {"failed": bool(faults or figures["failed"])}


def judge(seen: Sequence[Seen]) -> dict[str, Any]:
    """What must not be, and how often it was. `failed`: whether any of it was."""
    ended = [one for one in seen if one.error]
    not_again = [one for one in seen if not one.sound_again and not one.error]
    false_sound = [one for one in seen if one.unequal and one.mutant.kind in WHOLE_PACKETS]
    silent = Counter(one.mutant.kind for one in seen if one.unequal and one.mutant.kind not in WHOLE_PACKETS)
    slowest = max(seen, key=lambda one: one.slowest_ms, default=None)
    slowest_ms = slowest.slowest_ms if slowest else 0.0
    return {
        "mutants": len(seen),
        "pictures": sum(len(one.pictures) for one in seen),
        "broken": sum(one.broken for one in seen),
        "sound": sum(len(one.sound) for one in seen),
        "kinds": dict(Counter(one.mutant.kind for one in seen)),
        "silent": dict(silent),
        "silent_pictures": sum(len(one.unequal) for one in seen if one.mutant.kind in silent),
        "readers_ended": {one.mutant.number: one.error for one in ended[:NAMED]},
        "readers_ended_count": len(ended),
        "readers_ended_but_not_alone": sum(bool(one.not_alone) for one in seen),
        "not_sound_again": [one.mutant.number for one in not_again[:NAMED]],
        "not_sound_again_count": len(not_again),
        "false_sound": [one.mutant.number for one in false_sound[:NAMED]],
        "false_sound_count": len(false_sound),
        "slowest_ms": slowest_ms,
        "slowest": slowest.mutant.number if slowest else None,
        "failed": bool(not_again or false_sound or slowest_ms > SLOW_MS),
    }


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    table = Table(title=f"{figures['mutants']} mutants, seed {figures['seed']}")
    table.add_column("what must not be")
    table.add_column("how often", justify="right")
    table.add_column("which")
    for name, key in (
        ("this side failed", "engine_faults"),
        ("not sound at the next anchor", "not_sound_again"),
        ("packets lost or repeated, and a wrong picture called sound", "false_sound"),
    ):
        which = figures[key]
        table.add_row(name, str(figures.get(f"{key}_count", len(which))), ", ".join(map(str, which)))
    slow = figures["slowest_ms"]
    table.add_row("an access unit over 2 s", str(int(slow > SLOW_MS)), f"slowest {slow:.0f} ms")
    table.add_section()
    table.add_row("[bold]and what may be", "", "")
    table.add_row("reader ended and was started again", str(figures["readers_ended_count"]), "")
    disturbed = figures["readers_ended_but_not_alone"]
    table.add_row("the same, but not with the mutant alone", str(disturbed), "a busy machine does that")
    table.add_row("pictures called broken", str(figures["broken"]), f"of {figures['pictures']}")
    for kind, count in figures["silent"].items():
        share = 100 * count / figures["kinds"][kind]
        table.add_row(f"silent: {kind}", str(count), f"{share:.0f} % of those mutants")
    if "mutant" in figures:
        table.caption = figures["mutant"]
    return table


def _batches(streams: Sequence[Stream], truths: Sequence[Truth], numbers: Sequence[int]) -> list[Batch]:
    """Mutant n is of stream n modulo their count."""
    batches = []
    for index, (stream, truth) in enumerate(zip(streams, truths, strict=True)):
        own = [number for number in numbers if number % len(streams) == index]
        batches += [Batch(stream, truth, tuple(own[at : at + BATCH])) for at in range(0, len(own), BATCH)]
    return batches


def _run(
    batches: Sequence[Batch], args: argparse.Namespace, say: Callable[[str], None]
) -> tuple[list[Seen], list[str]]:
    """What was seen of all mutants, and what went wrong on this side, which must be nothing."""
    seen: list[Seen] = []
    faults: list[str] = []
    with ThreadPoolExecutor(args.processes) as pool:
        for future in as_completed([pool.submit(batch.run, args.seed) for batch in batches]):
            try:
                seen += future.result()
            except Exception as error:  # the very thing that is looked for: the run goes on and tells of it
                faults.append(f"{type(error).__name__}: {error}")
            say(f"{len(seen)} of {sum(len(batch.numbers) for batch in batches)} mutants")
    return sorted(seen, key=lambda one: one.mutant.number), faults


def _told(one: Seen, stream: Stream) -> str:
    sizes = ", ".join(str(len(unit.data)) for unit in one.mutant.units)
    return (
        f"Mutant {one.mutant.number} of {stream.name}: {one.mutant.kind} at access unit {one.mutant.at} "
        f"(bytes: {sizes}). Pictures {one.pictures}, {one.broken} broken, called sound and wrong {one.unequal} "
        f"({', '.join(sorted(one.differ)) or 'nothing'} differ). "
        f"{one.error}"
    )
