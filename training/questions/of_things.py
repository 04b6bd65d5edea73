"""Questions of what is in view, how it looks and where it is; and of what is not in view. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from magno.training.questions.asked import Asked, asked_at
from magno.training.questions.moment import Moment
from magno.training.questions.words import (
    CANNOT_TELL,
    COLOURS,
    NO,
    SHAPES,
    YES,
    accepted,
    counted,
    name,
)


def presence(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    since = {"since": moment.picture}
    truth = moment.truth
    for i in moment.seen:
        if truth.colour[i] and truth.shape[i] in SHAPES:
            about = name(truth.colour[i], truth.shape[i])
            yield asked_at(moment, "presence", ("presence", about), YES, **since, thing=i)
    for colour, shape in _absent(moment, rng, 2):
        yield asked_at(moment, "presence", ("presence", name(colour, shape)), NO, **since)


def count(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    """Not before photographs, which show things of their own."""
    if moment.unsure or moment.truth.ground[moment.shot] == "photograph" or len(moment.seen) > 5:
        return
    number = len(moment.seen)
    yield asked_at(moment, "count", ("count", ""), str(number), answers=counted(number), since=moment.picture)


def colour(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    for i in moment.seen:
        if moment.truth.colour[i] and not moment.dark and moment.alone(i, shape=True):
            about = f"the {moment.truth.shape[i]}"
            yield asked_at(
                moment, "colour", ("colour", about), moment.truth.colour[i], since=moment.picture, thing=i
            )


def shape(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    for i in moment.seen:
        if moment.truth.shape[i] in SHAPES and moment.alone(i, colour=True):
            about = f"the {moment.truth.colour[i]} object"
            yield asked_at(
                moment, "shape", ("shape", about), moment.truth.shape[i], since=moment.picture, thing=i
            )


def where(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    for i in moment.seen:
        spot = moment.place(i)
        if spot is not None:
            yield asked_at(
                moment, "where", ("where", moment.refer(i, rng)), spot, since=moment.picture, thing=i
            )


def cannot_tell(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    """Of things that are not in view."""
    absent = _absent(moment, rng, 2)
    if not absent:
        return
    colour, shape = absent[0]
    about = f"the {name(colour, shape)}"
    for phrases in ("direction", "where", "closer", "stop"):
        yield asked_at(
            moment, "cannot_tell", (phrases, about), CANNOT_TELL, since=moment.picture, bucket=phrases
        )
    things = [*moment.seen, *moment.unsure]
    if not any(moment.truth.shape[i] in (shape, "object") for i in things):
        yield asked_at(
            moment,
            "cannot_tell",
            ("colour", f"the {shape}"),
            CANNOT_TELL,
            since=moment.picture,
            bucket="colour",
        )
    if not any(moment.truth.colour[i] in (colour, "") for i in things):
        about = f"the {colour} object"
        yield asked_at(
            moment, "cannot_tell", ("shape", about), CANNOT_TELL, since=moment.picture, bucket="shape"
        )
    if moment.seen:
        names = [moment.name(moment.seen[0]), f"the {name(colour, shape)}"][:: int(rng.choice((-1, 1)))]
        slots = (names[0], names[1])
        yield Asked(
            "cannot_tell", "faster", slots, accepted(CANNOT_TELL), moment.picture, moment.picture, "faster"
        )


def _absent(moment: Moment, rng: np.random.Generator, number: int) -> list[tuple[str, str]]:
    """Names of things that are not in view; the first shares a colour or a shape with one that is, mostly."""
    truth = moment.truth
    pairs = [(c, s) for c in COLOURS for s in SHAPES if moment.absent(c, s)]
    if truth.ground[moment.shot] == "photograph" and moment.dark:
        return []
    near = [(c, s) for c, s in pairs if any(truth.colour[i] == c or truth.shape[i] == s for i in moment.seen)]
    chosen = []
    for number_, pool in enumerate((near or pairs, pairs)[:number]):
        if pool and (number_ or rng.random() < 0.7):
            chosen.append(pool[int(rng.integers(len(pool)))])
    return chosen
