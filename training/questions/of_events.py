"""Questions of what happened in the last seconds. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from magno.training.questions.asked import HORIZON_S, Asked, asked_at, either
from magno.training.questions.moment import SEEN, Moment
from magno.training.questions.words import (
    NO,
    STILL,
    YES,
    counted,
)

SETTLED_S = 0.5  # a start or a stop is that old at least


def first(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    """Both stood still, and began to move within the horizon."""
    began = {}
    for i in moment.seen:
        changes = moment.changes(i)
        if (
            len(changes) == 1
            and changes[0][1]
            and moment.seconds(moment.picture - changes[0][0]) <= HORIZON_S - 1
        ):
            began[i] = changes[0][0]
    for a in began:
        for b in began:
            settled = moment.seconds(moment.picture - began[b]) >= SETTLED_S
            if settled and moment.seconds(began[b] - began[a]) >= 0.6:
                since = max(began[a] - moment.look, moment.shot_start)
                yield replace(either(moment, "first", (a, b), rng), since=since)


def events(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    """Did it stop, did it start, and how long ago; the camera stands still meanwhile."""
    horizon = max(moment.picture - round(HORIZON_S * moment.truth.fps), moment.shot_start)
    camera_path = moment.truth.pan[horizon : moment.picture + 1]
    if moment.camera != STILL or np.abs(camera_path).max() > 0 or moment.truth.shaken[moment.picture]:
        return
    for i in moment.seen:
        if (moment.truth.visible[horizon : moment.picture + 1, i] < SEEN).any() or moment.grows(i) != 0:
            continue
        about = moment.refer(i, rng)
        changes = [change for change in moment.changes(i) if change[0] > horizon - moment.look]
        if len(changes) > 1 or moment.seconds(moment.picture - moment.shot_start) < 1.0:
            continue
        if not changes:
            moves = moment.moves(i)
            if moves is None:
                continue
            detail = "moves" if moves else "stands"
            yield asked_at(moment, "stop", ("stop", about), NO, since=horizon, detail=detail, thing=i)
            yield asked_at(moment, "start", ("start", about), NO, since=horizon, detail=detail, thing=i)
            continue
        at, moves = changes[0]
        ago = moment.seconds(moment.picture - at)
        if at - horizon < moment.look // 2 or ago < SETTLED_S:
            continue
        more = {"since": max(at - moment.look, moment.shot_start), "detail": "turned", "thing": i}
        yield asked_at(moment, "stop", ("stop", about), NO if moves else YES, **more)
        yield asked_at(moment, "start", ("start", about), YES if moves else NO, **more)
        if not moves:
            yield from _ago(moment, "since_stopped", about, at)


def _ago(moment: Moment, family: str, about: str, at: int) -> Iterator[Asked]:
    ago = moment.seconds(moment.picture - at)
    number = round(ago)
    if 1 <= number <= HORIZON_S - 1 and abs(ago - number) <= 0.3:
        yield asked_at(
            moment,
            family,
            (family, about),
            str(number),
            answers=counted(number, "second"),
            since=max(at - moment.look, moment.shot_start),
        )


def arrival(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    for i in moment.seen:
        at = moment.appeared(i)
        if at is not None and not moment.truth.pan[moment.shot_start : moment.picture + 1].any():
            yield from _ago(moment, "since_appeared", moment.name(i), at)


def changed(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    """Was there a cut in the last seconds?"""
    ago = moment.seconds(moment.picture - moment.shot_start)
    cut = moment.shot_start > 0
    horizon = max(moment.picture - round(HORIZON_S * moment.truth.fps), 0)
    if cut and 0.3 <= ago <= HORIZON_S - 1 and moment.shot_start >= moment.look:
        yield asked_at(moment, "changed", ("changed", ""), YES, since=moment.shot_start - moment.look)
    elif not cut and ago >= 1.0 and _about_the_same(moment, horizon):
        yield asked_at(moment, "changed", ("changed", ""), NO, since=horizon)


def _about_the_same(moment: Moment, horizon: int) -> bool:
    pan = moment.truth.pan[horizon : moment.picture + 1].sum(0)
    zoom = float(moment.truth.zoom[horizon : moment.picture + 1].sum())
    return float(np.hypot(*pan)) < 0.25 * moment.truth.side and abs(zoom) < 0.25
