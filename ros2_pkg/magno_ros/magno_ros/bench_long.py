"""Questions of a million characters: how soon they are refused, by service and by action."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from magno_ros.bench_node import active_node, percentiles
from magno_ros.conversions import OUTCOME_NAMES, ms_from_duration

CHARACTERS = 1_000_000
DEADLINE_S = 10.0


def long_figures(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Round trips, and what of them was the node's from the question's arrival on, milliseconds. Raises BenchError."""
    question = "a" * CHARACTERS
    with active_node(args, folder) as node:
        client = node.client
        ways = {
            "query": lambda: client.ask(question, deadline_s=DEADLINE_S),
            "ask": lambda: client.start(question, deadline_s=DEADLINE_S).result()[0],
        }
        return {"characters": CHARACTERS, **{name: _each(way, args.long) for name, way in ways.items()}}


def _each(ask: Callable[[], Any], times: int) -> dict[str, Any]:
    took_ms, own_ms, outcomes = list[float](), list[float](), set[str]()
    for _ in range(times):
        began_s = time.monotonic()
        answer = ask()
        took_ms.append((time.monotonic() - began_s) * 1e3)
        own_ms.append(ms_from_duration(answer.latency))
        outcomes.add(OUTCOME_NAMES.get(answer.outcome, "?"))
    return {"outcomes": sorted(outcomes), **percentiles(took_ms), "node": percentiles(own_ms)}


def rows(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What was measured, what was wanted, what was found."""
    found = "{p50_ms:.1f}, {p99_ms:.1f}, {max_ms:.1f} ms"
    told = []
    for way in ("query", "ask"):
        name = f"a million characters by {way}, {'/'.join(figures[way]['outcomes'])}"
        told.append((f"{name}: p50, p99, worst", "5 ms", found.format(**figures[way])))
        told.append(("of that in the node, once it has it", "", found.format(**figures[way]["node"])))
    return told
