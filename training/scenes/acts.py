"""What a thing does during a shot: velocities, growth and presence, picture by picture. Knows no place and no look."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

SLOWEST, FASTEST = 0.06, 0.34  # of the side, a second
GROWTH = (0.22, 0.7)  # of its logarithm, a second
OFF_AXIS_RAD = {4: 0.24, 8: 0.16}  # an answer names the nearest way, and never one of two


@dataclass(frozen=True, slots=True)
class Stage:
    """Where and how long acts are played."""

    rng: np.random.Generator
    pictures: int
    fps: int
    side: float

    def moment(self, early: float, late: float) -> int:
        """A picture between two shares of the shot."""
        return int(self.pictures * self.rng.uniform(early, late))


@dataclass(frozen=True, slots=True)
class Act:
    velocity: np.ndarray  # (T, 2) float64, pixels a picture; of the step that ends at each picture
    growth: np.ndarray  # (T,) float64: what the logarithm of its size gains a picture
    present: np.ndarray  # (T,) bool
    hidden: bool = False  # may lie behind others

    def delayed(self, start: int) -> Act:
        """The same, but still until `start`."""
        waits = np.arange(len(self.present)) <= start
        return replace(self, velocity=self.velocity * ~waits[:, None], growth=self.growth * ~waits)

    def stopped(self, stop: int) -> Act:
        """The same, but still from `stop` on."""
        moves = np.arange(len(self.present)) <= stop
        return replace(self, velocity=self.velocity * moves[:, None], growth=self.growth * moves)

    def between(self, first: int, stop: int) -> Act:
        """The same, there from `first` until before `stop` alone."""
        at = np.arange(len(self.present))
        return replace(self, present=self.present & (at >= first) & (at < stop))


def heading(stage: Stage, ways: int, number: int | None = None) -> float:
    """An angle near one of `ways` directions, or near the `number`th of them; 0 is right, a quarter on is down."""
    chosen = int(stage.rng.integers(ways)) if number is None else number
    if ways == 8 and number is None and stage.rng.random() < 0.5:
        chosen |= 1  # the diagonals
    spread = OFF_AXIS_RAD[ways]
    return chosen * 2 * np.pi / ways + float(stage.rng.uniform(-spread, spread))


def speed(stage: Stage) -> float:
    """Pixels a picture."""
    share = np.exp(stage.rng.uniform(np.log(SLOWEST), np.log(FASTEST)))
    longest = 0.85 * stage.side / stage.pictures  # else it would cross the picture and be gone
    step = float(share * stage.side / stage.fps)
    return step if stage.rng.random() < 0.2 else min(step, max(longest, SLOWEST * stage.side / stage.fps))


def still(stage: Stage) -> Act:
    count = stage.pictures
    return Act(np.zeros((count, 2)), np.zeros(count), np.ones(count, bool))


def going(stage: Stage, angle: float, step: float | None = None) -> Act:
    """Straight on."""
    step = speed(stage) if step is None else step
    return replace(
        still(stage),
        velocity=np.tile(np.array([np.cos(angle), np.sin(angle)]) * step, (stage.pictures, 1)),
    )


def turning(stage: Stage, ways: int) -> Act:
    """One way, then another."""
    first, second = going(stage, heading(stage, ways)), going(stage, heading(stage, ways))
    before = np.arange(stage.pictures)[:, None] < stage.moment(0.3, 0.7)
    return replace(first, velocity=np.where(before, first.velocity, second.velocity))


def curving(stage: Stage) -> Act:
    """Along a circle."""
    rate = float(stage.rng.uniform(0.3, 0.9)) * stage.rng.choice((-1, 1)) / stage.fps
    angles = stage.rng.uniform(0, 2 * np.pi) + rate * np.arange(stage.pictures)
    return replace(still(stage), velocity=speed(stage) * np.stack([np.cos(angles), np.sin(angles)], 1))


def speeding(stage: Stage, angle: float) -> Act:
    """Straight on, faster and faster, or slower and slower."""
    act = going(stage, angle)
    ramp = np.linspace(0.4, 1.6, stage.pictures)[:: stage.rng.choice((-1, 1))]
    return replace(act, velocity=act.velocity * ramp[:, None])


def growing(stage: Stage, sign: int) -> Act:
    """Coming closer (+1) or moving away (-1), on the spot or nearly."""
    rate = float(stage.rng.uniform(*GROWTH)) * sign / stage.fps
    room = 1.0 / stage.pictures  # not beyond e times its size
    act = replace(still(stage), growth=np.full(stage.pictures, float(np.clip(rate, -room, room))))
    drift = going(stage, float(stage.rng.uniform(0, 2 * np.pi)), 0.02 * stage.side / stage.fps)
    return replace(act, velocity=drift.velocity * (stage.rng.random() < 0.4))


def anyhow(stage: Stage, ways: int = 4) -> Act:
    """Some way of moving."""
    kind = stage.rng.choice(
        ["going", "turning", "curving", "speeding", "stopping", "starting", "growing"],
        p=[0.4, 0.15, 0.08, 0.09, 0.09, 0.09, 0.1],
    )
    if kind == "turning":
        return turning(stage, ways)
    if kind == "curving":
        return curving(stage)
    if kind == "growing":
        return growing(stage, int(stage.rng.choice((-1, 1))))
    act = (speeding if kind == "speeding" else going)(stage, heading(stage, ways))
    if kind == "stopping":
        return act.stopped(stage.moment(0.25, 0.75))
    return act.delayed(stage.moment(0.15, 0.65)) if kind == "starting" else act
