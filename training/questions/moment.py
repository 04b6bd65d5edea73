"""What may be said of a scene at one picture: each fact is certain, or is not said. Pure.

A fact has a middle ground in which a person would hesitate (nearly still, between two ways, half hidden); there
it is None, and nothing that rests on it is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.training.questions.words import CAMERA_WAYS, PLACES, WAYS_4, WAYS_8, name
from magno.training.scenes.truth import Truth

LOOK_S = 0.5  # motion is judged over so long, up to the picture asked at
SEEN, GONE = 0.6, 0.02  # shares of a thing
MOVING, RESTING = 0.035, 0.004  # of the side, a second
GROWING, EVEN = 0.15, 0.02  # of its size's logarithm, a second
CAMERA_MOVING, CAMERA_RESTING = 0.035, 0.002
ZOOMING, NOT_ZOOMING = 0.09, 0.01
NEAR_WAY_RAD = {4: np.deg2rad(20.0), 8: np.deg2rad(14.0)}
DARK = 0.55  # light in which colours are no longer certain
ANGLES_8 = dict(
    zip(
        ("right", "down right", "down", "down left", "left", "up left", "up", "up right"),
        range(8),
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class Motion:
    """Of one thing in the picture, over the last LOOK_S."""

    speed: float  # of the side, a second
    way_4: str | None  # None: near none of the ways, or near one now and another before
    way_8: str | None


class Moment:
    """A picture of a scene, and what came before it in the same shot."""

    def __init__(self, truth: Truth, picture: int) -> None:
        self.truth, self.picture = truth, picture
        shots = truth.shot[: picture + 1]
        self.shot = int(shots[-1])
        self.shot_start = int(np.flatnonzero(shots == self.shot)[0])
        self.look = max(round(LOOK_S * truth.fps), 4)
        self.look_start = picture - self.look
        visible = truth.visible[picture]
        self.seen = [int(i) for i in np.flatnonzero(visible >= SEEN)]
        self.unsure = [int(i) for i in np.flatnonzero((visible > GONE) & (visible < SEEN))]
        self.motions = {i: self._motion(i) for i in self.seen}
        self.camera = self._camera()
        self.dark = bool(truth.light[picture] < DARK)

    @property
    def whole(self) -> bool:
        """The shot is old enough to judge motion in it."""
        return self.look_start >= self.shot_start

    def seconds(self, pictures: int) -> float:
        return pictures / self.truth.fps

    def name(self, thing: int) -> str:
        return f"the {name(self.truth.colour[thing], self.truth.shape[thing])}"

    def refer(self, thing: int, rng: np.random.Generator) -> str:
        """Its whole name, or now and then its shape or its colour alone where that is enough."""
        colour, shape = self.truth.colour[thing], self.truth.shape[thing]
        luck = rng.random()
        if luck < 0.14 and self.alone(thing, shape=True):
            return f"the {shape}"
        if luck > 0.86 and colour and self.alone(thing, colour=True):
            return f"the {colour} object"
        return self.name(thing)

    def alone(self, thing: int, *, colour: bool = False, shape: bool = False) -> bool:
        """Nothing else in view, not even in part, has its colour or its shape."""
        truth = self.truth
        others = [i for i in (*self.seen, *self.unsure) if i != thing]
        return not any(
            (colour and truth.colour[i] in (truth.colour[thing], ""))
            or (shape and truth.shape[i] in (truth.shape[thing], "object"))
            for i in others
        )

    def absent(self, colour: str, shape: str) -> bool:
        """No thing of this name is in view; nor any that might be called so, nor a part that might be one of it."""
        truth = self.truth
        return not any(
            truth.shape[i] in (shape, "object") and truth.colour[i] in (colour, "") for i in self.seen
        ) and not any(
            truth.shape[i] in (shape, "object") or truth.colour[i] in (colour, "") for i in self.unsure
        )

    def moves(self, thing: int) -> bool | None:
        """In the picture, the camera's motion included; growth does not count."""
        motion = self.motions.get(thing)
        if motion is None:
            return None
        if motion.speed >= MOVING:
            return True
        return False if motion.speed <= RESTING else None

    def grows(self, thing: int) -> int | None:
        """1 coming closer, -1 moving away, 0 neither."""
        if not self.whole or self.truth.visible[self.look_start, thing] < SEEN:
            return None
        radius = np.log(self.truth.radius[self.look_start : self.picture + 1, thing])
        rate = float(radius[-1] - radius[0]) / self.seconds(self.look)
        middle = float(radius[self.look // 2] - radius[0]) / self.seconds(self.look // 2)
        if abs(rate) <= EVEN and abs(middle) <= EVEN:
            return 0
        if abs(rate) >= GROWING and abs(middle) >= GROWING and rate * middle > 0:
            return 1 if rate > 0 else -1
        return None

    def acts(self, thing: int) -> bool | None:
        """By itself, the camera aside: it moves, grows or shrinks."""
        if not self.whole:
            return None
        own = self.truth.own[self.look_start + 1 : self.picture + 1, thing]
        step = np.hypot(*own.T) * self.truth.fps / self.truth.side
        growth = np.diff(
            np.log(np.maximum(self.truth.radius[self.look_start : self.picture + 1, thing], 1e-6))
        )
        grown = np.abs(growth) * self.truth.fps * (self.camera == "still")  # else the camera may make it grow
        if step.max() <= RESTING and grown.max() <= EVEN:
            return False
        whole = float(np.hypot(*own.sum(0))) / self.seconds(self.look) / self.truth.side
        return True if whole >= MOVING or grown.min() >= GROWING else None

    def place(self, thing: int) -> str | None:
        """The ninth of the picture that it is in, if it is not near another."""
        spots = []
        for axis in (0, 1):
            share = float(self.truth.centre[self.picture, thing, axis]) / self.truth.size[axis]
            spot = 0 if share < 0.28 else 2 if share > 0.72 else 1 if 0.39 < share < 0.61 else None
            if spot is None:
                return None
            spots.append(spot)
        return PLACES[spots[1]][spots[0]]

    def changes(self, thing: int) -> list[tuple[int, bool]]:
        """(picture, whether it moves from it on) of each time that it started or stopped in this shot."""
        steps = np.diff(self.truth.centre[self.shot_start : self.picture + 1, thing], axis=0)
        moving = np.hypot(*steps.T) * self.truth.fps / self.truth.side > RESTING
        at = np.flatnonzero(moving[1:] != moving[:-1]) + 1
        return [(self.shot_start + int(i), bool(moving[i])) for i in at]

    def appeared(self, thing: int) -> int | None:
        """The picture at which it was there of a sudden; None: it was there before, or came in slowly."""
        visible = self.truth.visible[self.shot_start : self.picture + 1, thing]
        first = int(np.argmax(visible >= SEEN))
        quick = max(first - round(0.25 * self.truth.fps), 0)
        if first == 0 or visible[quick] > GONE or (visible[first:] < SEEN).any():
            return None
        return self.shot_start + first

    def _motion(self, thing: int) -> Motion | None:
        if not self.whole or (self.truth.visible[self.look_start : self.picture + 1, thing] < SEEN).any():
            return None
        path = self.truth.centre[self.look_start : self.picture + 1, thing].astype(np.float64)
        moved = path[-1] - path[0]
        halves = (path[self.look // 2] - path[0], path[-1] - path[self.look // 2])
        unit = self.truth.side * self.seconds(self.look)
        speed = float(np.hypot(*moved)) / unit
        if speed <= RESTING:  # it may have gone to and fro
            speed = float(np.hypot(*(path - path[0]).T).max()) / unit
        if min(np.hypot(*half) for half in halves) < 0.3 * np.hypot(*moved):
            return Motion(speed, None, None)
        return Motion(speed, _way(WAYS_4, moved, halves), _way(WAYS_8, moved, halves))

    def _camera(self) -> str | None:
        """One of CAMERA_WAYS, what the camera does over the last LOOK_S."""
        truth = self.truth
        if not self.whole or truth.shaken[self.picture]:
            return None
        recent = slice(self.look_start + 1, self.picture + 1)
        pans, zooms = truth.pan[recent].astype(np.float64), truth.zoom[recent] * truth.fps
        steps = np.hypot(*pans.T) * truth.fps / truth.side
        if steps.max() <= CAMERA_RESTING and np.abs(zooms).max() <= NOT_ZOOMING:
            return CAMERA_WAYS[-1]
        if not truth.lively[self.shot]:  # nothing to tell it by
            return None
        if steps.max() <= CAMERA_RESTING and np.abs(zooms).min() >= ZOOMING:
            return "forward" if zooms.sum() > 0 else "backward"
        if steps.min() >= CAMERA_MOVING and np.abs(zooms).max() <= NOT_ZOOMING:
            half = self.look // 2
            return _way(WAYS_4, pans.sum(0), (pans[:half].sum(0), pans[half:].sum(0)))
        return None


def _way(ways: tuple[str, ...], moved: np.ndarray, halves: tuple[np.ndarray, ...]) -> str | None:
    """The one way that the motion and both of its halves are near."""
    for way in ways:
        angle = ANGLES_8[way] * np.pi / 4
        away = [np.angle(np.exp(1j * (np.arctan2(each[1], each[0]) - angle))) for each in (moved, *halves)]
        if (
            abs(away[0]) <= NEAR_WAY_RAD[len(ways)]
            and max(map(abs, away[1:])) <= 1.4 * NEAR_WAY_RAD[len(ways)]
        ):
            return way
    return None
