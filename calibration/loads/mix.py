"""Which questions a load asks: drawn by chance, the same from the same seed. Knows no engine."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from magno.calibration.loads.load import CAMERA, Ask
from magno.calibration.loads.outcomes import Kind
from magno.runtime.deadline import MAX_QUESTION_BYTES
from magno.runtime.units import Query

WORDS = (
    "Which way is the car moving?",
    "Which way did it move?",
    "Is anything moving?",
    "Where is it going?",
    "Which way is the person moving?",
    "What is moving?",
    "Is it moving to the left?",
    "Which way is the object moving now?",
)
SHORTEST_MS, LONGEST_MS = 50.0, 5000.0
MAX_TOKENS = (1, 4, 8, 16, 32)
CANCELLED = 0.05  # share of the questions
MALFORMED = 0.05


def sound(rng: random.Random) -> Iterator[Ask]:
    """Questions without end: deadlines spread evenly over orders of magnitude, answers of few tokens and many."""
    while True:
        deadline_ms = math.exp(rng.uniform(math.log(SHORTEST_MS), math.log(LONGEST_MS)))
        yield Ask(Query(rng.choice(WORDS), CAMERA, deadline_ms, rng.choice(MAX_TOKENS)))


def mixed(rng: random.Random) -> Iterator[Ask]:
    """As `sound`, some of them cancelled before their deadline, and some malformed."""
    for ask in sound(rng):
        draw = rng.random()
        if draw < MALFORMED:
            yield Ask(_malformed(rng), Kind.MALFORMED)
        elif draw < MALFORMED + CANCELLED:
            yield Ask(ask.query, Kind.CANCELLED, rng.uniform(0.0, 0.5) * ask.query.deadline_ms)
        else:
            yield ask


def _malformed(rng: random.Random) -> Query:
    return rng.choice(
        (
            Query("", CAMERA),
            Query("why " * MAX_QUESTION_BYTES, CAMERA),
            Query(WORDS[0], CAMERA, math.nan),
            Query(WORDS[0], CAMERA, -1.0),
            Query("\0", CAMERA),
            Query(WORDS[0], CAMERA, max_tokens=0),
            Query(WORDS[0], "no such camera"),
        )
    )
