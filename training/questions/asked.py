"""A question that may be asked, and what is right. Pure.

How far back a question may look is HORIZON_S: what a cache of a sink and the newest GOPs still holds. Each question
says the earliest picture that one must have seen (`since`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from magno.training.questions.moment import Moment
from magno.training.questions.words import (
    accepted,
    worded,
)

HORIZON_S = 4.0


@dataclass(frozen=True, slots=True)
class Asked:
    family: str
    phrase: str  # a key of PHRASINGS
    slots: tuple[str, ...]  # the things it names
    answers: tuple[str, ...]  # all that are right; the first is the one to train on
    picture: int  # the newest that was seen
    since: int  # the earliest that must have been seen
    bucket: str  # what its family is balanced over: mostly the answer
    detail: str = ""  # and within it
    thing: int = -1  # number of the thing it is about

    def question(self, wording: int = 0) -> str:
        """In one of its family's phrasings; 0 is the canonical one."""
        return worded(self.phrase, self.slots, wording)


Ask = Callable[[Moment, np.random.Generator], Iterator[Asked]]


def asked_at(moment: Moment, family: str, phrases: tuple[str, str], answer: str, **more: object) -> Asked:
    """`phrases`: a key of PHRASINGS, and the thing it is about."""
    since = max(moment.look_start, 0)
    asked = Asked(family, phrases[0], phrases[1:], accepted(answer), moment.picture, since, answer)
    return replace(asked, **more)  # type: ignore[arg-type]


def either(moment: Moment, family: str, things: tuple[int, int], rng: np.random.Generator) -> Asked:
    """A choice of two, the right one named first or second by chance."""
    right, wrong = moment.name(things[0]), moment.name(things[1])
    swapped = bool(rng.random() < 0.5)
    names, bucket = ((wrong, right), "second") if swapped else ((right, wrong), "first")
    since = max(moment.look_start, 0)
    return Asked(family, family, names, (right,), moment.picture, since, bucket, thing=things[0])
