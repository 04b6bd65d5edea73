"""Questions of a million characters: how soon they are refused, by service and by action."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from magno_ros.bench_node import active_node, floor, percentiles
from magno_ros.client import MagnoClient
from magno_ros.conversions import OUTCOME_NAMES, ms_from_duration

CHARACTERS = 1_000_000
DEADLINE_S = 10.0


def long_figures(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Round trips, what of them was the node's from the question's arrival on, and what they are where nothing is but
    ROS; milliseconds. Raises BenchError."""
    question = "a" * CHARACTERS
    with active_node(args, folder) as node, floor() as bare:
        ways = {way: _each(ask, args.long) for way, ask in _ways(node.client, question).items()}
        for way, ask in _ways(bare, question).items():
            ways[way]["floor"] = percentiles(_times(ask, args.long)[0])
    return {"characters": CHARACTERS, **ways}


def _ways(client: MagnoClient, question: str) -> dict[str, Callable[[], Any]]:
    return {
        "query": lambda: client.ask(question, deadline_s=DEADLINE_S),
        "ask": lambda: client.start(question, deadline_s=DEADLINE_S).result()[0],
    }


def _each(ask: Callable[[], Any], times: int) -> dict[str, Any]:
    took_ms, answers = _times(ask, times)
    outcomes = {OUTCOME_NAMES.get(answer.outcome, "?") for answer in answers}
    node = percentiles([ms_from_duration(answer.latency) for answer in answers])
    return {"outcomes": sorted(outcomes), **percentiles(took_ms), "node": node}


def _times(ask: Callable[[], Any], times: int) -> tuple[list[float], list[Any]]:
    took_ms, answers = [], []
    for _ in range(times):
        began_s = time.monotonic()
        answers.append(ask())
        took_ms.append((time.monotonic() - began_s) * 1e3)
    return took_ms, answers


def rows(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What was measured, what was wanted, what was found."""
    found = "{p50_ms:.1f}, {p99_ms:.1f}, {max_ms:.1f} ms"
    told = []
    for way in ("query", "ask"):
        name = f"a million characters by {way}, {'/'.join(figures[way]['outcomes'])}"
        told.append((f"{name}: p50, p99, worst", "floor +5 ms", found.format(**figures[way])))
        told.append(("the same of ROS alone, the floor", "", found.format(**figures[way]["floor"])))
        told.append(("of that in the node, once it has it", "", found.format(**figures[way]["node"])))
    return told
