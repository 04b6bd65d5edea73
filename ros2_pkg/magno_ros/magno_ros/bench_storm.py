"""A storm of goals: a thousand a second where the node can answer a few.

What it cannot do is to be refused at once, what it admits is to be in time, and it is to hold no more than before.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from magno.calibration.loads.outcomes import GRACE_MS
from magno.runtime.units import Outcome
from magno_ros.bench_caller import REJECTED
from magno_ros.bench_loads import GOAL_DEADLINE_MS, QUESTION, SOAK_DEADLINE_MS
from magno_ros.bench_node import BenchError, active_node, loaded, percentiles
from magno_ros.conversions import OUTCOME_NAMES, OUTCOMES

LOOK_S = 0.5
WARM_UP = 20  # questions each way
# A refusal after so long in the engine was none at once: it had been admitted.
LATE_MS = 100.0
REFUSED, FAILED = OUTCOMES[Outcome.REFUSED], OUTCOMES[Outcome.FAILED]

End = tuple[int, float, float]  # of a goal, as bench_caller.Offered has it


def storm_figures(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Raises BenchError."""
    with active_node(args, folder) as node:
        for _ in range(WARM_UP):
            node.client.ask(QUESTION, deadline_s=SOAK_DEADLINE_MS / 1e3)
            node.client.start(QUESTION, deadline_s=SOAK_DEADLINE_MS / 1e3).result()
        offered, seen = loaded(node, LOOK_S, "storm", args.goals_rate, args.goals_seconds)
    if not offered:
        raise BenchError("A storm wants a node that is found, found none in time. Is the machine too busy?")
    memory = {
        **_range("rss", [each.rss_kib for each in seen]),
        **_range("anonymous", [each.anonymous_kib for each in seen]),
    }
    return {"wanted_per_s": args.goals_rate, **became(offered), **memory}


def _range(name: str, held_kib: list[int]) -> dict[str, int]:
    return {
        f"{name}_start_kib": held_kib[0],
        f"{name}_most_kib": max(held_kib),
        f"{name}_end_kib": held_kib[-1],
    }


def became(offered: dict[str, Any]) -> dict[str, Any]:
    """What became of the goals of a storm (bench_caller.Offered), counted."""
    ends: list[End] = [tuple(end) for end in offered["ends"]]
    at_once = [end for end in ends if is_refused_at_once(end)]
    admitted = [end for end in ends if not is_refused_at_once(end)]
    answered = [end for end in admitted if end[0] not in (REFUSED, FAILED)]
    decided = [decided_ms for code, _, decided_ms in ends if code == REJECTED]
    counts = Counter(OUTCOME_NAMES.get(code, "REJECTED") for code, _, _ in ends)
    return {
        "offered_per_s": round(offered["sent"] / max(offered["seconds"], 1e-9), 1),
        "seconds": round(offered["seconds"], 1),
        "sent": offered["sent"],
        "outcomes": dict(sorted(counts.items())),
        "unanswered": offered["unanswered"],
        "twice": offered["twice"],
        "client_lag_ms": round(offered["lag_ms"], 1),
        "refused_at_once": len(at_once),
        "refusal": percentiles([took_ms for _, took_ms, _ in at_once]) if at_once else None,
        "decision": percentiles(decided) if decided else None,
        "admitted": len(admitted),
        "in_time": sum(took_ms <= GOAL_DEADLINE_MS + GRACE_MS for _, took_ms, _ in answered),
        "in_time_by_the_node": sum(own_ms <= GOAL_DEADLINE_MS + GRACE_MS for _, _, own_ms in answered),
    }


def is_refused_at_once(end: End) -> bool:
    code, _, own_ms = end
    return code == REJECTED or (code == REFUSED and own_ms < LATE_MS)


def rows(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What was measured, what was wanted, what was found."""
    grown_mib, anonymous_mib = (
        (figures[f"{name}_most_kib"] - figures[f"{name}_start_kib"]) / 1024 for name in ("rss", "anonymous")
    )
    wanted, told, decided = figures["wanted_per_s"], _spread(figures["refusal"]), _spread(figures["decision"])
    not_once = f"{figures['unanswered']} without, {figures['twice']} twice"
    in_time = (
        f"{figures['in_time']} of {figures['admitted']}, {figures['in_time_by_the_node']} by the node's clock"
    )
    return [
        (
            "goals offered",
            f"{wanted:.0f} a second",
            f"{figures['offered_per_s']:.0f}, {figures['sent']} in all",
        ),
        ("one outcome each", "all", not_once),
        (f"{figures['refused_at_once']} goals refused: p50, p99, worst", "10 ms", told),
        ("of that until the node had decided", "", decided),
        ("admitted goals in time", "all", in_time),
        ("the node's memory, most", "+20 MiB", f"{grown_mib:+.1f} MiB, {anonymous_mib:+.1f} of it anonymous"),
    ]


def _spread(one: dict[str, float] | None) -> str:
    return "none" if one is None else "{p50_ms:.1f}, {p99_ms:.1f}, {max_ms:.1f} ms".format(**one)
