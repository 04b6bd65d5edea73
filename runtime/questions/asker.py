"""Asks standing questions: one thread, one question at a time, so that they cost whoever waits next to nothing.

Whether one is due is `standing`'s to say; the engine tells what a camera has seen and takes the question.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from magno.runtime.clock import Clock
from magno.runtime.questions.standing import (
    Memory,
    Rule,
    Sight,
    answered,
    came_to_nothing,
    is_due,
    normalised,
)
from magno.runtime.questions.ticket import Ticket
from magno.runtime.units import Answer, Event, MagnoError, Outcome, Query

LOOK_S = 0.1  # how often cameras are looked at: a tenth of a second late is early enough

log = logging.getLogger("magno.engine")


class StandingError(MagnoError):
    """One more standing question cannot be had."""


@dataclass(frozen=True, slots=True)
class StandingStatus:
    """What became of the askings of one standing question."""

    question: str
    camera: str
    asked: int
    answered: int  # whole; all others came to nothing, and were or will be tried again
    events: int
    error: str  # of the newest asking; empty when it was answered


class Standing:
    """The handle of one standing question: `close` ends it. Safe from any thread."""

    def __init__(self, query: Query, rule: Rule, on_event: Callable[[Event], None], forget: _Forget) -> None:
        self.query, self.rule = query, rule
        self._on_event, self._forget = on_event, forget
        self._closed = threading.Event()
        self._ticket: Ticket | None = None
        self._asked = self._answered = self._events = 0
        self._error = ""
        self._newest: tuple[int, Answer] | None = None
        self.memory = Memory()

    def __enter__(self) -> Standing:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    def close(self) -> None:
        """Ask no more. A listener that is being called right now is not waited for; closing twice is fine."""
        self._closed.set()
        ticket = self._ticket
        if ticket is not None:
            ticket.cancel()
        self._forget(self)

    def status(self) -> StandingStatus:
        return StandingStatus(
            self.query.question, self.query.camera, self._asked, self._answered, self._events, self._error
        )

    # The asker's thread

    def ask(self, submit: Callable[[Query], Ticket], sight: Sight, clock: Clock) -> None:
        """Ask and wait for the outcome, which always comes."""
        asked_ns = clock.now_ns()
        self._asked += 1
        self._ticket = submit(self.query)
        if self.is_closed:  # `close` may have come before there was a ticket to cancel
            self._ticket.cancel()
        answer = self._ticket.result()
        self._ticket = None
        if self.is_closed:
            return
        if answer.outcome is Outcome.COMPLETE:
            self.memory, self._error = answered(sight, asked_ns), ""
            self._answered += 1
            self._compare(answer, clock.now_ns())
        else:
            self.memory = came_to_nothing(self.memory, answer.retry_after_ms, clock.now_ns())
            self._tell_failure(answer.error)

    def _compare(self, answer: Answer, now_ns: int) -> None:
        before_ns, before = self._newest or (None, None)
        if before is not None and normalised(before.text) == normalised(answer.text):
            return
        self._newest = now_ns, answer
        self._events += 1
        try:
            self._on_event(Event(self.query.question, self.query.camera, before, answer, before_ns, now_ns))
        except Exception:
            log.exception("a listener of the standing question %r failed", self.query.question[:80])

    def _tell_failure(self, error: str) -> None:
        if not self._error:  # once for all that follow
            log.warning("standing question %r: %s", self.query.question[:80], error)
        self._error = error


_Forget = Callable[[Standing], None]


class Asker:
    """The standing questions of one engine, and the thread that asks them."""

    def __init__(
        self,
        submit: Callable[[Query], Ticket],
        sight: Callable[[str], Sight | None],
        clock: Clock,
        most: int,
    ) -> None:
        """`sight` tells what a camera has seen; None: it is not watched. `most` questions stand at once."""
        self._submit, self._sight, self._clock, self._most = submit, sight, clock, most
        self._standing: list[Standing] = []
        self._closing = False
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None  # none before the first question

    def add(self, query: Query, rule: Rule, on_event: Callable[[Event], None]) -> Standing:
        """Begin to ask. Raises StandingError."""
        standing = Standing(query, rule, on_event, self._remove)
        with self._wake:
            if self._closing:
                raise StandingError("A standing question wants an open engine, found it closed.")
            if len(self._standing) >= self._most:
                raise StandingError(
                    f"This engine wants {self._most} standing questions at most, found one more. Close one, or raise "
                    "max_standing."
                )
            self._standing.append(standing)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="magno-standing", daemon=True)
                self._thread.start()
            self._wake.notify_all()
        return standing

    def close(self) -> None:
        """Ask no more. The engine has to answer what is being asked. Not for a listener to call."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
            standing, thread = list(self._standing), self._thread
        for one in standing:
            one.close()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _remove(self, standing: Standing) -> None:
        with self._wake:
            if standing in self._standing:
                self._standing.remove(standing)

    def _run(self) -> None:
        while True:
            with self._wake:
                if self._closing:
                    return
                standing = list(self._standing)
                if not standing:
                    self._wake.wait()
                    continue
            if not self._ask_one(standing):
                with self._wake:
                    if not self._closing:
                        self._wake.wait(LOOK_S)

    def _ask_one(self, standing: list[Standing]) -> bool:
        """Ask the one that is due and was asked the longest ago; False: none is due."""
        for one in sorted(standing, key=lambda one: one.memory.asked_ns or 0):
            sight = self._sight(one.query.camera)
            if sight is not None and is_due(one.rule, one.memory, sight, self._clock.now_ns()):
                one.ask(self._submit, sight, self._clock)
                return True
        return False
