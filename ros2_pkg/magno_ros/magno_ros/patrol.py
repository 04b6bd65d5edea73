"""An example of a robot's behaviour: it asks while it drives, decides by its own deadline, and slows down without an
answer. Copy it, and put your robot's speed where `act` is.

    ros2 run magno_ros patrol --question "Is anything moving?" --stop-at yes --deadline 0.5

What is decided is pure (`decide`); `Patrol` sees to it that a decision is there in time, whatever the node does.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Any, Protocol

from magno_interfaces.srv import Query

from magno.runtime.units import MagnoError
from magno_ros.client import MagnoClient
from magno_ros.conversions import OUTCOME_NAMES, AnswerMessage, ms_from_duration

GRACE_S = 0.1  # beyond the deadline: what a response takes on its way


class Speed(Enum):
    GO = "go"
    SLOW = "slow"  # the fallback: nothing is known, so drive as one who sees nothing would
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked, and what its answer means."""

    question: str = "Is anything moving?"
    camera: str = ""  # the only one
    stop_at: str = "yes"  # an answer that begins with this word stops the robot,
    go_at: str = "no"  # with this one it may go, and with any other it is slow
    deadline_s: float = 0.5
    oldest_s: float = 1.0  # a picture older than this tells nothing of now
    every_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Decision:
    speed: Speed
    why: str
    again_s: float  # until the next question


class Asks(Protocol):
    """What is used of MagnoClient."""

    def ask(self, question: str, *, camera: str, deadline_s: float, patience_s: float) -> Query.Response: ...


def decide(answer: AnswerMessage, rules: Rules) -> Decision:
    """What an answer means, whatever its outcome. Only a whole answer about a fresh picture lets the robot go."""
    outcome = OUTCOME_NAMES.get(answer.outcome, "UNKNOWN")
    word = (answer.answer.lower().split() or [""])[0].strip(".,;:!?")
    if outcome in ("COMPLETE", "PARTIAL") and word == rules.stop_at:
        return Decision(Speed.STOP, f"{outcome}: {answer.answer}", rules.every_s)
    if outcome != "COMPLETE":
        why = f"{outcome}: {answer.error_msg or answer.answer}"
        return Decision(Speed.SLOW, why, max(rules.every_s, ms_from_duration(answer.retry_after) / 1e3))
    age_s = ms_from_duration(answer.age) / 1e3
    if age_s > rules.oldest_s:
        return Decision(Speed.SLOW, f"the picture is {age_s:.1f} s old", rules.every_s)
    return Decision(
        Speed.GO if word == rules.go_at else Speed.SLOW, f"{outcome}: {answer.answer}", rules.every_s
    )


class Patrol:
    """Asks one question at a time, in a thread of its own. Close it, or use `with`."""

    def __init__(self, client: Asks, rules: Rules) -> None:
        self._client, self._rules = client, rules
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="patrol")
        self._late: Future[Query.Response] | None = None

    def look(self) -> Decision:
        """Ask, and decide `deadline_s` + GRACE_S later at the latest, also when the node has died."""
        rules = self._rules
        if self._late is not None and not self._late.done():
            return Decision(Speed.SLOW, "still no answer to an earlier question", rules.every_s)
        self._late = None  # what came too late is about what was then
        asked = self._pool.submit(
            self._client.ask,
            rules.question,
            camera=rules.camera,
            deadline_s=rules.deadline_s,
            patience_s=GRACE_S,
        )
        try:
            return decide(asked.result(rules.deadline_s + GRACE_S), rules)
        except MagnoError as fault:
            return Decision(Speed.SLOW, str(fault), rules.every_s)
        except Late:
            self._late = asked
            return Decision(Speed.SLOW, "no answer in time", rules.every_s)

    def go_on(self, act: Callable[[Decision], Any], over: threading.Event) -> None:
        """Look and act until it is over."""
        while not over.is_set():
            decision = self.look()
            act(decision)
            over.wait(decision.again_s)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Patrol:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def main(argv: list[str] | None = None) -> int:
    """Patrol until SIGINT or SIGTERM; every decision is a line."""
    usual = Rules()
    parser = argparse.ArgumentParser(prog="patrol", description=__doc__.splitlines()[0])
    parser.add_argument("--node", default="/magno", help="default: %(default)s")
    parser.add_argument("--question", default=usual.question, help="default: %(default)s")
    parser.add_argument("--camera", default=usual.camera, help="default: the only one")
    parser.add_argument("--stop-at", default=usual.stop_at, metavar="WORD", help="default: %(default)s")
    parser.add_argument("--go-at", default=usual.go_at, metavar="WORD", help="default: %(default)s")
    parser.add_argument("--deadline", type=float, default=usual.deadline_s, metavar="SECONDS")
    args, _ = parser.parse_known_args(argv)  # ros2 run adds its own
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    rules = Rules(args.question, args.camera, args.stop_at, args.go_at, args.deadline)
    with MagnoClient(args.node) as client, Patrol(client, rules) as patrol:
        patrol.go_on(lambda decision: print(f"{decision.speed.value}: {decision.why}", flush=True), over)
    return 0


if __name__ == "__main__":
    sys.exit(main())
