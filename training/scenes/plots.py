"""Stories: what the things of one shot do, and whether the camera moves. A table; each asks for other questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from magno.training.scenes.acts import (
    Act,
    Stage,
    anyhow,
    going,
    growing,
    heading,
    speed,
    speeding,
    still,
    turning,
)


@dataclass(frozen=True, slots=True)
class Plot:
    acts: list[Act]
    camera_moves: float = 0.1  # how likely
    camera_shakes: float = 0.08
    twins: bool = False  # things that share a colour or a shape


STEADY = (0.02, 0.02)  # for stories that a moving camera would spoil
LONG = ("halt", "departure", "order", "arrival", "cut")  # stories that want seconds
SECONDS = (3.6, 6.6)


def _still(stage: Stage, most: int) -> list[Act]:
    return [still(stage) for _ in range(int(stage.rng.integers(0, most + 1)))]


def _movers(stage: Stage, count: int) -> list[Act]:
    """Movers that go different ways."""
    ways = stage.rng.permutation(4)[:count]
    return [
        (speeding if stage.rng.random() < 0.15 else going)(stage, heading(stage, 4, int(way))) for way in ways
    ]


def one(stage: Stage) -> Plot:
    act = turning(stage, 4) if stage.rng.random() < 0.3 else going(stage, heading(stage, 4))
    return Plot([act, *_still(stage, 2)])


def diagonal(stage: Stage) -> Plot:
    act = turning(stage, 8) if stage.rng.random() < 0.3 else going(stage, heading(stage, 8))
    return Plot([act, *_still(stage, 2)])


def two(stage: Stage) -> Plot:
    return Plot([*_movers(stage, 2), *_still(stage, 1)], twins=stage.rng.random() < 0.4)


def three(stage: Stage) -> Plot:
    return Plot([*_movers(stage, 3), *_still(stage, 1)], twins=stage.rng.random() < 0.4)


def quiet(stage: Stage) -> Plot:
    return Plot(_still(stage, 5), twins=True)


def crowd(stage: Stage) -> Plot:
    count = int(stage.rng.integers(3, 6))
    acts = [anyhow(stage) if stage.rng.random() < 0.35 else still(stage) for _ in range(count)]
    return Plot([replace(act, hidden=stage.rng.random() < 0.2) for act in acts], twins=True)


def camera(stage: Stage) -> Plot:
    movers = [anyhow(stage)] if stage.rng.random() < 0.25 else []
    things = [still(stage)] if stage.rng.random() < 0.6 else []
    return Plot([*movers, *things, *_still(stage, 2)], 0.88, 0.0)


def growth(stage: Stage) -> Plot:
    signs = stage.rng.permutation((-1, 1, 0))[: stage.rng.integers(1, 4)]
    return Plot([growing(stage, int(sign)) if sign else still(stage) for sign in signs])


def halt(stage: Stage) -> Plot:
    """One stops; others go on, or stand still all along."""
    act = going(stage, heading(stage, 4)).stopped(stage.moment(0.2, 0.7))
    others = [going(stage, heading(stage, 4)) for _ in range(int(stage.rng.integers(0, 2)))]
    return Plot([act, *others, *_still(stage, 1)], *STEADY)


def departure(stage: Stage) -> Plot:
    """One starts; others move all along, or stand still."""
    act = going(stage, heading(stage, 4)).delayed(stage.moment(0.2, 0.7))
    others = [going(stage, heading(stage, 4)) for _ in range(int(stage.rng.integers(0, 2)))]
    return Plot([act, *others, *_still(stage, 1)], *STEADY)


def race(stage: Stage) -> Plot:
    """Two move at quite different speeds."""
    slow = min(speed(stage), 0.12 * stage.side / stage.fps)
    fast = slow * float(stage.rng.uniform(2.2, 4.0))
    acts = [going(stage, heading(stage, 4), step) for step in (slow, fast)]
    return Plot([*acts, *_still(stage, 1)])


def order(stage: Stage) -> Plot:
    """One starts, then another."""
    early = stage.moment(0.1, 0.35)
    late = early + int(stage.fps * stage.rng.uniform(0.7, 1.3))
    acts = [going(stage, heading(stage, 4)).delayed(start) for start in (early, late)]
    return Plot([*acts, *_still(stage, 1)], *STEADY)


def arrival(stage: Stage) -> Plot:
    """One is there of a sudden, and may move; another leaves as suddenly."""
    mover = anyhow(stage) if stage.rng.random() < 0.3 else still(stage)
    acts = [mover.between(stage.moment(0.15, 0.8), stage.pictures), *_still(stage, 2)]
    if stage.rng.random() < 0.4:
        acts.append(still(stage).between(0, stage.moment(0.3, 0.7)))
    return Plot(acts, *STEADY)


PLOTS: dict[str, Callable[[Stage], Plot]] = {
    "one": one,
    "diagonal": diagonal,
    "two": two,
    "three": three,
    "quiet": quiet,
    "crowd": crowd,
    "camera": camera,
    "growth": growth,
    "halt": halt,
    "departure": departure,
    "race": race,
    "order": order,
    "arrival": arrival,
}
# A cut is no plot of a shot, but of the scene: two shots of these.
CUT = "cut"
CUT_SHOTS = ("one", "two", "quiet", "camera", "crowd")
WEIGHTS = {
    "one": 0.12,
    "diagonal": 0.08,
    "two": 0.11,
    "three": 0.1,
    "quiet": 0.03,
    "crowd": 0.06,
    "camera": 0.12,
    "growth": 0.07,
    "halt": 0.06,
    "departure": 0.05,
    "race": 0.02,
    "order": 0.07,
    "arrival": 0.06,
    CUT: 0.05,
}


def random_plot(rng: np.random.Generator, weights: dict[str, float] = WEIGHTS) -> str:
    names = list(weights)
    return names[int(rng.choice(len(names), p=np.array(list(weights.values()))))]
