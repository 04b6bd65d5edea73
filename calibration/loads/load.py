"""Questions at a rate, however long answers take: who asks does not wait for them.

When a question was settled is taken where its ticket is settled, on the engine's thread, so that the asking side's
own lateness is told apart. What is kept of a question is handed on once it is settled, and then forgotten.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from magno.calibration.loads.outcomes import Asked, Kind
from magno.calibration.moments import moment_of
from magno.runtime.clock import NS_PER_MS, NS_PER_S, WallClock
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.questions.ticket import Ticket
from magno.runtime.units import Answer, MagnoError, Outcome, Query

CAMERA = "front"
PATIENCE_S = 20.0  # for a first picture, and for an outcome once the last deadline has passed
FAR_MS = 60_000.0  # a deadline that cuts nothing


class LoadError(MagnoError):
    """What cannot be measured."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to be asked, and what will be done with it."""

    query: Query
    kind: Kind = Kind.SOUND
    cancel_after_ms: float | None = None


@contextmanager
def watching(config: EngineConfig, clip: str, say: Callable[[str], None]) -> Iterator[Engine]:
    """An engine that watches a clip, over and over at its own pace, and has seen a picture. Raises MagnoError."""
    with Engine.open(config) as engine:
        engine.watch(CAMERA, clip, loop=True)
        say("waiting for the first picture")
        if moment_of(lambda: engine.status()[CAMERA].newest_capture_ns is not None, PATIENCE_S) is None:
            raise LoadError(f"{clip} wants to be watched, found no picture in {PATIENCE_S:.0f} s.")
        yield engine


def rate_of(engine: Engine, asks: Iterable[Ask], seconds: float) -> float:
    """Questions a second, each asked once the one before it is answered: the load that is called 1x."""
    if not seconds > 0:
        raise LoadError(f"A load wants seconds above 0 to be measured by, found {seconds:g}.")
    clock = WallClock()
    began_ns = clock.now_ns()
    asked = 0
    for ask in asks:
        engine.ask(Query(ask.query.question, CAMERA, FAR_MS, ask.query.max_tokens))
        asked += 1
        if clock.now_ns() - began_ns > seconds * NS_PER_S:
            break
    return asked * NS_PER_S / (clock.now_ns() - began_ns)


class Settlements:
    """When each ticket was settled, from entering to leaving; to be asked for once each."""

    def __init__(self) -> None:
        self._clock = WallClock()
        self._moments: dict[Ticket, int] = {}
        self.again = 0  # times that a ticket which had its outcome was given another, in vain

    def take(self, ticket: Ticket) -> int | None:
        """The moment, in ns; None: not yet."""
        return self._moments.pop(ticket, None)

    def __enter__(self) -> Settlements:
        self._settle = settle = Ticket.settle

        def noted(ticket: Ticket, answer: Answer) -> bool:
            first = settle(ticket, answer)
            if first:
                self._moments[ticket] = self._clock.now_ns()
            else:
                self.again += 1
            return first

        Ticket.settle = noted  # type: ignore[method-assign]
        return self

    def __exit__(self, *exc: object) -> None:
        Ticket.settle = self._settle  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True)
class _Open:
    ask: Ask
    ticket: Ticket
    due_ns: int  # when it was to be asked
    asked_ns: int
    at_once: bool  # it was settled before the asking returned

    @property
    def cancel_ns(self) -> float:
        """When it is to be cancelled; never: infinity."""
        after_ms = self.ask.cancel_after_ms
        if after_ms is None or self.ticket.cancelled:
            return float("inf")
        return self.asked_ns + after_ms * NS_PER_MS


class Load:
    """Asks one engine, and hands each question on to `take` once it is settled."""

    def __init__(
        self, engine: Engine, settlements: Settlements, take: Callable[[Asked], None], rng: random.Random
    ) -> None:
        self._engine, self._settlements, self._take, self._rng = engine, settlements, take, rng
        self._clock = WallClock()
        self._open: list[_Open] = []

    def offer(self, asks: Iterable[Ask], rate: float) -> None:
        """Ask them all, so many a second on average, with gaps as chance has them (Poisson). Does not drain."""
        due_ns = self._clock.now_ns()
        for ask in asks:
            due_ns += int(self._rng.expovariate(rate) * NS_PER_S)
            self._wait(due_ns)
            asked_ns = self._clock.now_ns()
            ticket = self._engine.submit(ask.query)
            self._open.append(_Open(ask, ticket, due_ns, asked_ns, ticket.done))

    def drain(self) -> None:
        """Wait for what is open; what has no outcome long after its deadline is handed on without."""
        far_ns = max(
            (one.ticket.deadline_ns for one in self._open if one.ask.kind is not Kind.MALFORMED), default=0
        )
        until_ns = max(far_ns, self._clock.now_ns()) + int(PATIENCE_S * NS_PER_S)
        while self._open and self._clock.now_ns() < until_ns:
            self._wait(self._clock.now_ns() + 5 * NS_PER_MS)
        for one in self._open:
            self._take(_asked(one, None))
        self._open = []

    def _wait(self, until_ns: int) -> None:
        """Cancel what is to be cancelled until then, and hand on what is settled."""
        while True:
            self._collect()
            cancel_ns = min((one.cancel_ns for one in self._open), default=float("inf"))
            self._clock.sleep_until_ns(int(min(until_ns, cancel_ns)))
            now_ns = self._clock.now_ns()
            for one in self._open:
                if one.cancel_ns <= now_ns:
                    one.ticket.cancel()
            if now_ns >= until_ns:
                return

    def _collect(self) -> None:
        still = []
        for one in self._open:
            settled_ns = self._settlements.take(one.ticket)
            if settled_ns is None:
                still.append(one)
            else:
                self._take(_asked(one, settled_ns))
        self._open = still


def _asked(one: _Open, settled_ns: int | None) -> Asked:
    lag_ms = (one.asked_ns - one.due_ns) / NS_PER_MS
    if settled_ns is None:
        return Asked(one.ask.kind, None, False, lag_ms, 0.0, None, one.asked_ns)
    # The deadline of a malformed question may be no number.
    late_ms = None
    if one.ask.kind is not Kind.MALFORMED:
        late_ms = (settled_ns - one.ticket.deadline_ns) / NS_PER_MS
    took_ms = (settled_ns - one.asked_ns) / NS_PER_MS
    answer = one.ticket.result(0.0)
    whole = answer.foretold_tokens is not None and answer.foretold_tokens >= one.ask.query.max_tokens
    broke_word = whole and answer.outcome is Outcome.PARTIAL
    return Asked(one.ask.kind, answer.outcome, one.at_once, lag_ms, took_ms, late_ms, settled_ns, broke_word)
