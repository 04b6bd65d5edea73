"""Very many questions, goals and queries in turns: what the node holds at the start, when warm, and at the end.

The node remembers the past for as long as it has room: 23 KiB a second of the pocket bundle, which would be taken for
what questions leave behind. So it is given the least room for that, which is full within a minute.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from magno.calibration.footprint import SETTLING, Footprint, trend
from magno_ros.bench_loads import SOAK_DEADLINE_MS
from magno_ros.bench_node import BenchError, active_node, loaded, percentiles
from magno_ros.conversions import OUTCOME_NAMES

LOOK_S = 1.0
LEAST_PAST_MB = 1


def soak_figures(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Raises BenchError."""
    with active_node(args, folder, archive_mb=LEAST_PAST_MB) as node:
        offered, seen = loaded(node, LOOK_S, "soak", args.soak, args.soak_seconds)
    if not offered or not offered["ends"]:
        raise BenchError("A soak wants a node that answers, found none in time. Is the machine too busy?")
    return {**answered(offered), **held(seen, offered["sent"])}


def answered(offered: dict[str, Any]) -> dict[str, Any]:
    """What became of the questions (bench_caller.Offered), counted."""
    counts = Counter(OUTCOME_NAMES.get(code, "REJECTED") for code, _, _ in offered["ends"])
    late = sum(took_ms > SOAK_DEADLINE_MS for _, took_ms, _ in offered["ends"])
    return {
        "asked": offered["sent"],
        "seconds": round(offered["seconds"], 1),
        "outcomes": dict(sorted(counts.items())),
        "unanswered": offered["unanswered"],
        "twice": offered["twice"],
        "late": late,
        "round_trip": percentiles([took_ms for _, took_ms, _ in offered["ends"]]),
    }


def held(seen: list[Footprint], asked: int) -> dict[str, Any]:
    """The node at the start, after the first quarter, at the end; the slope of its memory from that quarter on."""
    told = trend(seen)
    warm = seen[len(seen) // SETTLING]
    return {
        "start": asdict(seen[0]),
        "warm": asdict(warm),
        "end": asdict(seen[-1]),
        "slope_kib_per_1000": round(told.slope_kib * len(seen) / max(asked, 1) * 1000, 2),
    }


def rows(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What was measured, what was wanted, what was found."""
    moments = [figures[name] for name in ("start", "warm", "end")]
    say: Callable[[str], str] = lambda key: " -> ".join(str(moment[key]) for moment in moments)  # noqa: E731
    memory = " -> ".join(f"{moment['rss_kib'] / 1024:.1f}" for moment in moments)
    slope = f"{figures['slope_kib_per_1000']:+.1f} KiB per 1000"
    not_once = f"{figures['unanswered']} without, {figures['twice']} twice, {figures['late']} late"
    return [
        (f"{figures['asked']} questions, one outcome each", "all", not_once),
        ("memory at the start, warm, at the end", "flat", f"{memory} MiB; {slope}"),
        ("descriptors", "the same", say("descriptors")),
        ("threads", "the same", say("threads")),
    ]
