"""Where questions arrive: each gets a ticket, and those asked at once arrive at one moment. Any thread may ask."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence

from magno.runtime.clock import Clock
from magno.runtime.deadline import check_query
from magno.runtime.past.lookup import LookUp
from magno.runtime.questions.answering import immediate
from magno.runtime.questions.ticket import Ticket
from magno.runtime.scheduler import Scheduler
from magno.runtime.trace import Tracer
from magno.runtime.units import Outcome, Query


class Desk:
    """Hands questions to the scheduler, and counts what became of them."""

    def __init__(self, scheduler: Scheduler, look_up: LookUp, clock: Clock, tracer: Tracer) -> None:
        self._scheduler, self._look_up, self._clock, self._tracer = scheduler, look_up, clock, tracer
        self._numbers = itertools.count(1)
        self._outcomes: Counter[Outcome] = Counter()

    def submit(
        self, queries: Sequence[Query], *on_text: Callable[[str], None] | None, standing: bool = False
    ) -> list[Ticket]:
        """A ticket for each question, in their order; none of them begins before all are there."""
        arrival_ns = self._clock.now_ns()
        tickets = []
        for query, told in itertools.zip_longest(queries, on_text):
            trail = self._tracer.trail(f"question {next(self._numbers)}")
            ticket = Ticket(query, arrival_ns, told, standing=standing, trail=trail, counts=self._outcomes)
            tickets.append(ticket)
            if (fault := check_query(query) or self._look_up.of(ticket)) is not None:
                ticket.settle(immediate(ticket, self._clock, Outcome.FAILED, fault))
        self._scheduler.submit([ticket for ticket in tickets if not ticket.done])
        return tickets

    def outcomes(self) -> dict[Outcome, int]:
        """How many questions had which outcome so far."""
        return {outcome: self._outcomes[outcome] for outcome in Outcome}
