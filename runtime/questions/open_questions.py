"""The questions that have no answer yet, and the places that those answered at once have between them.

Changed under the scheduler's lock; what is asked of it reads a copy.
"""

from __future__ import annotations

import dataclasses

from magno.runtime.latency import LatencyProfile
from magno.runtime.questions.answering import Answering
from magno.runtime.questions.queueing import Places, Work, wait_ms


class OpenQuestions:
    """In the order of their urgency: the earliest deadline first, standing questions last."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._open: list[Answering] = []

    def __len__(self) -> int:
        return len(self._open)

    def add(self, answering: Answering) -> None:
        self._open.append(answering)

    def remove(self, answering: Answering) -> None:
        """Removing twice is fine."""
        if answering in self._open:
            self._open.remove(answering)

    def in_order(self) -> list[Answering]:
        """The most urgent first."""
        return sorted(self._open, key=_urgency)

    def rivals(self, newcomer: Answering) -> int:
        """How many there are that do not give way to a newcomer."""
        return sum(other.ticket.standing <= newcomer.ticket.standing for other in self._open)

    def placed(self, waiting: list[Answering], profile: LatencyProfile) -> list[Answering]:
        """Of those waiting, in their order, the ones begun and those that may begin."""
        active = [answering.work(profile) for answering in waiting if answering.begun]
        placed = []
        for answering in waiting:
            if not answering.begun:
                if not self.places.take(active, answering.wanted_tokens):
                    continue
                active.append(answering.work(profile))
            placed.append(answering)
        return placed

    def queue_ms(self, newcomer: Answering, profile: LatencyProfile) -> float:
        """How long a question waits until it can take part in a step."""
        ahead = [
            _work(other, newcomer, profile)
            for other in self.in_order()
            if other is not newcomer
            and other.ticket.standing <= newcomer.ticket.standing  # else it gives way
            and (other.begun or _is_sooner(other, newcomer))
        ]
        return wait_ms(ahead, newcomer.wanted_tokens, self.places, profile)


def _work(other: Answering, newcomer: Answering, profile: LatencyProfile) -> Work:
    """What is ahead of a newcomer, which cannot ride along where the other has no time for it."""
    shared_ms = profile.native_ms(newcomer.prompt_left, 1)
    alone = other.begun and _is_sooner(other, newcomer) and other.wish(profile).slack_ms < shared_ms
    return dataclasses.replace(other.work(profile), alone=alone)


def _is_sooner(other: Answering, newcomer: Answering) -> bool:
    return _urgency(other) <= _urgency(newcomer)


def _urgency(answering: Answering) -> tuple[bool, int]:
    return answering.ticket.urgency
