"""Questions of how things and the camera move now. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from magno.training.questions.asked import Asked, asked_at, either
from magno.training.questions.moment import Moment
from magno.training.questions.words import (
    NO,
    NOTHING,
    STILL,
    YES,
)

FASTER = 1.8
PLAIN = ("plain", "gradient", "noise")


def direction(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    """Of a named thing: one mover, two, three, one before a texture, one while the camera moves; or still."""
    moving = [moment.moves(i) for i in moment.seen]
    hidden_movers = any(moment.truth.visible[moment.picture, i] > 0.1 for i in moment.unsure)
    if None in moving or hidden_movers:
        return
    movers = [i for i, moves in zip(moment.seen, moving, strict=True) if moves]
    ways = {moment.motions[i].way_8 for i in movers}  # type: ignore[union-attr]
    plain = moment.truth.ground[moment.shot] in PLAIN
    for i, moves in zip(moment.seen, moving, strict=True):
        about, motion = ("direction", moment.refer(i, rng)), moment.motions[i]
        if moment.grows(i) != 0 or motion is None:
            continue
        if not moves and moment.camera == STILL:
            yield asked_at(moment, "direction_still", about, STILL, thing=i)
        if not moves or (motion.way_8 is None and motion.way_4 is None):
            continue
        if moment.camera not in (STILL, None) and motion.way_4:
            yield asked_at(moment, "direction_moving_camera", about, motion.way_4, thing=i)
        if moment.camera != STILL:
            continue
        if len(movers) == 1 and motion.way_4:
            family = "direction" if plain else "direction_background"
            yield asked_at(moment, family, about, motion.way_4, thing=i)
        if len(movers) == 1 and motion.way_8:
            yield asked_at(moment, "direction_8", about, motion.way_8, thing=i)
        if len(movers) in (2, 3) and len(ways) == len(movers) and None not in ways and motion.way_4:
            yield asked_at(
                moment, f"direction_{'two' if len(movers) == 2 else 'three'}", about, motion.way_4, thing=i
            )


def camera(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    if moment.camera is None or (
        moment.camera == STILL and not (moment.seen or moment.truth.lively[moment.shot])
    ):
        return
    yield asked_at(moment, "camera", ("camera", ""), moment.camera)


def anything(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    if moment.camera != STILL:
        return
    acting = [moment.acts(i) for i in (*moment.seen, *moment.unsure)]
    if any(moment.acts(i) for i in moment.seen):
        yield asked_at(moment, "anything", ("anything", ""), YES)
    elif not any(acting) and None not in acting:
        yield asked_at(moment, "anything", ("anything", ""), NO)


def what(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    acting = {i: moment.acts(i) for i in (*moment.seen, *moment.unsure)}
    if None in acting.values() or moment.camera is None:
        return
    movers = [i for i, acts in acting.items() if acts]
    if moment.camera != STILL:
        if not movers:
            yield asked_at(moment, "what", ("what", ""), "the camera")
    elif not movers:
        yield asked_at(moment, "what", ("what", ""), NOTHING)
    elif len(movers) == 1 and movers[0] in moment.seen and moment.truth.shape[movers[0]] != "object":
        whole = moment.name(movers[0])
        yield asked_at(
            moment,
            "what",
            ("what", ""),
            whole,
            bucket=moment.truth.colour[movers[0]] or whole,
            thing=movers[0],
        )


def approach(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    for i in moment.seen:
        grows = moment.grows(i)
        if (
            grows is None or moment.camera != STILL
        ):  # what grows because the camera nears it does not approach
            continue
        about, detail = moment.refer(i, rng), str(grows)
        yield asked_at(moment, "closer", ("closer", about), YES if grows > 0 else NO, thing=i, detail=detail)
        yield asked_at(moment, "away", ("away", about), YES if grows < 0 else NO, thing=i, detail=detail)


def faster(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    speeds = {i: moment.motions[i].speed for i in moment.seen if moment.moves(i)}  # type: ignore[union-attr]
    pairs = [(a, b) for a in speeds for b in speeds if speeds[a] >= FASTER * speeds[b]]
    for quick, slow in pairs:
        yield either(moment, "faster", (quick, slow), rng)
