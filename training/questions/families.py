"""The families of questions: a moment of a scene -> what may be asked. One table. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.training.questions.asked import Ask, Asked
from magno.training.questions.moment import Moment
from magno.training.questions.of_events import arrival, changed, events, first
from magno.training.questions.of_motion import anything, approach, camera, direction, faster, what
from magno.training.questions.of_things import cannot_tell, colour, count, presence, shape, where
from magno.training.questions.words import CAMERA_WAYS, COLOURS, SHAPES
from magno.training.scenes.truth import Truth

__all__ = ["FAMILIES", "Asked", "Family", "all_questions"]


@dataclass(frozen=True, slots=True)
class Family:
    ask: Ask
    choices: int  # among so many answers chance chooses
    buckets: int = 0  # 0: as many as choices
    weight: float = 1.0  # how often it is asked, among the others


FAMILIES: dict[str, Family] = {
    "direction": Family(direction, 4),
    "direction_two": Family(direction, 4),
    "direction_three": Family(direction, 4),
    "direction_background": Family(direction, 4),
    "direction_8": Family(direction, 8),
    "direction_moving_camera": Family(direction, 4),
    "direction_still": Family(direction, 9, buckets=1, weight=0.4),
    "camera": Family(camera, len(CAMERA_WAYS)),
    "anything": Family(anything, 2),
    "what": Family(what, len(COLOURS) * len(SHAPES) + 2, buckets=10),
    "presence": Family(presence, 2),
    "count": Family(count, 6),
    "colour": Family(colour, len(COLOURS)),
    "shape": Family(shape, len(SHAPES)),
    "where": Family(where, 9),
    "closer": Family(approach, 2),
    "away": Family(approach, 2),
    "faster": Family(faster, 2),
    "first": Family(first, 2),
    "stop": Family(events, 2),
    "start": Family(events, 2),
    "since_appeared": Family(arrival, 3),
    "since_stopped": Family(events, 3),
    "changed": Family(changed, 2),
    "cannot_tell": Family(cannot_tell, 10, buckets=7),
}

ASKS: tuple[Ask, ...] = tuple(dict.fromkeys(family.ask for family in FAMILIES.values()))


def all_questions(truth: Truth, pictures: list[int], seed: int) -> list[Asked]:
    """Everything that may be asked when each of these pictures is the newest seen, canonically phrased."""
    rng = np.random.default_rng((seed, 2))
    moments = [Moment(truth, picture) for picture in pictures]
    return [asked for moment in moments for ask in ASKS for asked in ask(moment, rng)]
