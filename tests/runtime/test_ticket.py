"""A ticket's one listener hears the one answer, whenever it begins to listen."""

from __future__ import annotations

import pytest

from magno.runtime.questions.ticket import Ticket
from magno.runtime.units import Answer, Outcome, Query

LEFT, LATE = Answer("left", Outcome.COMPLETE), Answer("", Outcome.FAILED, "Too late.")


@pytest.mark.parametrize("is_settled_first", [True, False])
def test_who_listens_hears_the_answer_once(is_settled_first: bool) -> None:
    ticket, heard = Ticket(Query("?"), 0), list[Answer]()
    if is_settled_first:
        assert ticket.settle(LEFT)
    ticket.when_done(heard.append)
    if not is_settled_first:
        assert not heard and ticket.settle(LEFT)
    assert not ticket.settle(LATE)
    assert heard == [LEFT]


def test_a_listener_that_fails_harms_nobody() -> None:
    ticket, done = Ticket(Query("?"), 0), list[bool]()

    def fail(answer: Answer) -> None:
        done.append(ticket.done)
        raise ValueError("as asked")

    ticket.when_done(fail)
    assert ticket.settle(LEFT) and ticket.result(0.0) is LEFT and done == [True]
