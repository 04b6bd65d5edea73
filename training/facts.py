"""What is true of each keyframe's patches and of each window, as numbers that throw-away heads are asked for. Pure.

A window's movers are the things that move or grow otherwise than what is behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from magno.training.questions.words import COLOURS, NOUNS, SHAPES
from magno.training.shards import Lesson, Shard
from magno.training.symmetry import Symmetry

MOVERS = 3  # of a window, the quickest
CELLS = 8  # a side of the grid of a window's true motion
SEEN = 0.5  # share of a thing
STEP_PX = 8.0  # of the model's picture: displacements are counted in it
GROWTH = 4.0  # of the size's logarithm: so that it counts beside displacements
MOVES_PX, GROWS = 1.3, 0.03  # more than what is behind it
NO_COLOUR = len(COLOURS) + 1  # 0: nothing is there; 1 to 8: words.COLOURS
SHAPE_COUNT = len(SHAPES) + len(NOUNS) + 1  # 0: nothing is there
COLOUR_COUNT = NO_COLOUR + 1

Look = tuple[int, int]  # numbers of a colour and a shape, as in patches; 0: any


@dataclass(slots=True)
class WindowFacts:
    """Of one window; `known` is False across a cut, where nothing can be said."""

    known: bool
    field: np.ndarray  # (CELLS, CELLS, 2) displacement of what is there, in STEP_PX
    ground: np.ndarray  # (3,) displacement of the background in STEP_PX, and its growth
    mover: np.ndarray  # (MOVERS,) bool
    start: np.ndarray  # (MOVERS, 2) where each was before, 0 to 1
    end: np.ndarray  # (MOVERS, 2)
    moved: np.ndarray  # (MOVERS, 3) displacement in STEP_PX, growth
    colour: np.ndarray  # (MOVERS,) int64: as in patches
    shape: np.ndarray  # (MOVERS,)


class ThingState(NamedTuple):
    """Of the thing that a question is about, when it is asked."""

    place: np.ndarray  # (2,) 0 to 1
    moves: np.ndarray  # (3,) in half a second: displacement in STEP_PX; and growth since the item before
    in_view: bool  # else the others are 0


def thing_state(shard: Shard, lesson: Lesson, image_px: int, symmetry: Symmetry) -> ThingState:
    nothing = ThingState(np.zeros(2, np.float32), np.zeros(3, np.float32), False)
    if lesson.thing < 0:
        return nothing
    places = shard.places(lesson.clip)[: lesson.item + 1, lesson.thing].astype(np.float32)
    now, before = places[-1], places[max(len(places) - 2, 0)]
    if now[5] < SEEN:
        return nothing
    moved = symmetry.vectors(now[3:5] * (0.5 * image_px / STEP_PX))
    growth = np.log(max(now[2], 1e-4) / max(before[2], 1e-4)) if before[5] >= SEEN else 0.0
    return ThingState(symmetry.points(now[:2]), np.array([*moved, growth * GROWTH], np.float32), True)


class PatchFacts(NamedTuple):
    """Of the patches of one keyframe."""

    colours: np.ndarray  # (P*P,) int64: of the thing that lies there; 0: none
    shapes: np.ndarray  # (P*P,) int64
    middles: np.ndarray  # (P*P,) bool: a thing's centre lies there, so that counting these counts things


def patch_facts(shard: Shard, clip: int, item: int, patches: int, symmetry: Symmetry) -> PatchFacts:
    """Of the keyframe that is this item of its clip."""
    colours, shapes = (np.zeros((patches, patches), np.int64) for _ in range(2))
    middles = np.zeros((patches, patches), bool)
    for thing in np.flatnonzero(shard.places(clip)[item, :, 5] >= SEEN):
        centre, reach = _lies(shard, clip, item, int(thing), symmetry)
        under = covered(centre, reach, patches)
        colours[under], shapes[under] = look(shard, clip, int(thing))
        middles[middle(centre, patches)] = True
    return PatchFacts(colours.ravel(), shapes.ravel(), middles.ravel())


def thing_patches(
    shard: Shard, clip: int, item: int, things: np.ndarray, patches: int, symmetry: Symmetry
) -> np.ndarray:
    """(P*P,) bool: the patches that these things of a clip lie on in one of its keyframes."""
    on = np.zeros((patches, patches), bool)
    for thing in things:
        on |= covered(*_lies(shard, clip, item, int(thing), symmetry), patches)
    return on.ravel()


def _lies(
    shard: Shard, clip: int, item: int, thing: int, symmetry: Symmetry
) -> tuple[np.ndarray, np.ndarray]:
    """A thing's centre and its reach, as `covered` wants them."""
    x, y, radius = shard.places(clip)[item, thing, :3].astype(np.float32)
    side = _side(shard, clip)
    return symmetry.points(np.array([x, y])), radius * (side[::-1] if symmetry.transpose else side)


def covered(centre: Sequence[float], reach: Sequence[float], patches: int) -> np.ndarray:
    """(P, P) bool: the patches that a thing lies on, at least that of its centre. `centre` and `reach` (its radius)
    are x and y, in widths and heights."""
    centres = (np.arange(patches) + 0.5) / patches
    away = np.hypot((centres[None, :] - centre[0]) / reach[0], (centres[:, None] - centre[1]) / reach[1])
    under = np.asarray(away < 0.9)
    under[middle(centre, patches)] = True
    return under


def middle(centre: Sequence[float], patches: int) -> tuple[int, int]:
    """Row and column of the patch that a thing's centre lies in, or of the nearest one."""
    column, row = (min(max(int(at * patches), 0), patches - 1) for at in centre)
    return row, column


def window_facts(shard: Shard, clip: int, item: int, image_px: int, symmetry: Symmetry) -> WindowFacts:
    """Of the window that is this item of its clip."""
    arrays = shard.arrays
    motion = arrays.motion_map[shard.window(clip, item)].astype(np.float32)
    facts = WindowFacts(
        bool(np.isfinite(motion).all()) and item > 0,
        np.zeros((CELLS, CELLS, 2), np.float32),
        np.zeros(3, np.float32),
        np.zeros(MOVERS, bool),
        np.zeros((MOVERS, 2), np.float32),
        np.zeros((MOVERS, 2), np.float32),
        np.zeros((MOVERS, 3), np.float32),
        np.zeros(MOVERS, np.int64),
        np.zeros(MOVERS, np.int64),
    )
    if not facts.known:
        return facts
    zoom = _zoom(shard, clip, int(arrays.item_at[clip]) + item)
    pan = np.median(motion.reshape(-1, 2), axis=0)
    facts.field[:] = symmetry.vectors(symmetry.picture(motion / STEP_PX))
    facts.ground[:] = *symmetry.vectors(pan / STEP_PX), zoom
    places = shard.places(clip)
    before, after = places[item - 1].astype(np.float32), places[item].astype(np.float32)
    found = []
    for thing in np.flatnonzero((before[:, 5] >= SEEN) & (after[:, 5] >= SEEN)):
        start, end = before[thing, :2], after[thing, :2]
        moved = (end - start) * image_px
        growth = float(np.log(max(after[thing, 2], 1e-4) / max(before[thing, 2], 1e-4)))
        behind = pan + (end - 0.5) * zoom * image_px
        otherwise = float(np.hypot(*(moved - behind)))
        if otherwise > MOVES_PX + 0.15 * float(np.hypot(*behind)) or abs(growth - zoom) > GROWS:
            found.append((otherwise + 20 * abs(growth - zoom), int(thing), start, end, moved, growth))
    found.sort(key=lambda each: -each[0])
    for slot, (_, thing, start, end, moved, growth) in enumerate(found[:MOVERS]):
        facts.mover[slot] = True
        facts.start[slot], facts.end[slot] = symmetry.points(start), symmetry.points(end)
        facts.moved[slot] = *symmetry.vectors(moved / STEP_PX), growth * GROWTH
        facts.colour[slot], facts.shape[slot] = look(shard, clip, thing)
    return facts


def look(shard: Shard, clip: int, thing: int) -> Look:
    """Its colour and its shape, as in patches."""
    number = int(shard.arrays.thing_at[clip]) + thing
    colour = int(shard.arrays.colour[number])
    return (NO_COLOUR if colour < 0 else colour + 1), int(shard.arrays.shape[number]) + 1


def _zoom(shard: Shard, clip: int, item: int) -> float:
    """How the background grew over the window: the logarithm."""
    pictures = int(shard.arrays.last[item]) - int(shard.arrays.first[item])
    return float(shard.arrays.camera[item, 2]) * pictures / float(shard.clips_told[clip]["fps"])


def _side(shard: Shard, clip: int) -> np.ndarray:
    """What a radius (of the side) is in widths and in heights."""
    size = np.array(shard.clips_told[clip]["size"], np.float32)
    return np.asarray(np.sqrt(size.prod()) / size, dtype=np.float32)
