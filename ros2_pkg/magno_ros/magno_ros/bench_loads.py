"""Two loads for a node, from a process of their own: goals at a rate, whatever it does, and endless questions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from magno_ros.bench_caller import POLL_S, Caller

QUESTION = "Which way is the car moving?"
GOAL_DEADLINE_MS, GOAL_TOKENS = 500.0, 8
SOAK_DEADLINE_MS, SOAK_TOKENS = 10_000.0, 2
SOAK_AT_ONCE = 4
AT_ONCE = 64  # goals that are sent before responses are looked for


def storm(target: str, rate: float, seconds: float, begin: Callable[[], None]) -> dict[str, Any]:
    """Offer goals at this rate a second when `begin` returns; bench_caller.Offered. Empty where no node is."""
    return _load(Caller(target, QUESTION, GOAL_DEADLINE_MS, GOAL_TOKENS), begin, _offer, rate, seconds)


def soak(target: str, count: int, seconds: float, begin: Callable[[], None]) -> dict[str, Any]:
    """Ask so many, goals and queries in turns, a few at once; fewer where these seconds are over (0: no bound)."""
    return _load(Caller(target, QUESTION, SOAK_DEADLINE_MS, SOAK_TOKENS), begin, _keep_asking, count, seconds)


def _load(
    caller: Caller, begin: Callable[[], None], load: Callable[..., None], *words: float
) -> dict[str, Any]:
    if not caller.meet():
        return {}
    begin()
    load(caller, *words)
    caller.settle(caller.patience_s)
    return asdict(caller.offered)


def _offer(caller: Caller, rate: float, seconds: float) -> None:
    offered, began = caller.offered, time.monotonic()
    while (now := time.monotonic()) < began + seconds:
        due = min(int((now - began) * rate) - offered.sent, AT_ONCE)
        for _ in range(due):
            offered.lag_ms = max(offered.lag_ms, (now - began - offered.sent / rate) * 1e3)
            caller.send_goal()
        if not caller.take() and not due:
            time.sleep(POLL_S)
    offered.seconds = time.monotonic() - began


def _keep_asking(caller: Caller, count: float, seconds: float) -> None:
    offered, began = caller.offered, time.monotonic()
    heard = began
    while offered.sent < count and not (seconds and time.monotonic() > began + seconds):
        while caller.waiting < SOAK_AT_ONCE and offered.sent < count:
            (caller.send_query if offered.sent % 2 else caller.send_goal)()
        if caller.take():
            heard = time.monotonic()
        elif time.monotonic() > heard + caller.patience_s:
            break  # nothing comes any more: they are counted as unanswered
        else:
            time.sleep(POLL_S)
    offered.seconds = time.monotonic() - began
