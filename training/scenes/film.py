"""A scene -> its pictures and its truth. Pure, and most of what a clip costs besides the codec."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from magno.training.scenes.nouns import SPRITE_REACH, CameraPath, Scene, Sensor, Shot, Thing
from magno.training.scenes.sampling import sample
from magno.training.scenes.truth import Truth

GRAIN_ROOM_PX = 192  # far beyond what a motion search covers
BLUR_SAMPLES = 3


def film(scene: Scene) -> tuple[np.ndarray, Truth]:
    """(T, H, W, 3) uint8 RGB pictures, a view of planes, and what is true of them."""
    planes = np.empty((scene.pictures, 3, scene.size[1], scene.size[0]), np.uint8)
    visible = []
    grain = _Grain(scene)
    index = 0
    for shot in scene.shots:
        for picture, shares in _shot(scene, shot):
            if scene.sensor.light[index] != 1:
                picture *= scene.sensor.light[index]
            for _ in range(scene.sensor.softness):
                picture = _softened(picture)
            grain.lay(picture)
            np.minimum(np.maximum(picture, 0, out=picture), 255, out=picture)
            planes[index] = picture
            visible.append(shares)
            index += 1
    return planes.transpose(0, 2, 3, 1), _truth(scene, visible)


def placed(shot: Shot, thing: Thing, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A thing's centre (T, 2) and radius (T,) in the picture."""
    scale = shot.camera.scale**thing.depth
    centre = np.array(size) / 2 + (thing.path - shot.camera.centre) * scale[:, None]
    return centre, thing.radius * scale


def _shot(scene: Scene, shot: Shot) -> Iterator[tuple[np.ndarray, list[float]]]:
    """Each picture in float32, and which share of each thing it shows."""
    where = [placed(shot, thing, scene.size) for thing in shot.things]
    shutter, last = scene.sensor.shutter, (None, np.empty(0))
    for t in range(shot.pictures):
        back = min(t, 1) * shutter  # how far towards the picture before the shutter opens
        times = [t - back * k / (BLUR_SAMPLES - 1) for k in range(BLUR_SAMPLES)] if back else [float(t)]
        total: np.ndarray | None = None
        shares: list[float] = []
        for time in times:
            last = _ground(scene.size, shot, time, last)
            picture = last[1].copy()
            drawn = []
            for thing, (centre, radius) in zip(shot.things, where, strict=True):
                here = (_at(centre, time), float(_at(radius, time)))
                drawn.append(_draw(picture, thing, here) if thing.present[t] else None)
            shares = shares or _shares(drawn)
            total = picture if total is None else total + picture
        assert total is not None
        yield (total / len(times) if len(times) > 1 else total), shares


def _at(values: np.ndarray, time: float) -> np.ndarray:
    low = int(time)
    share = time - low
    return values[low] if not share else values[low] * (1 - share) + values[low + 1] * share


def _ground(
    size: tuple[int, int], shot: Shot, time: float, last: tuple[object, np.ndarray]
) -> tuple[object, np.ndarray]:
    """The background as the camera shows it; the one before where nothing moved."""
    camera: CameraPath = shot.camera
    centre, scale = _at(camera.centre, time), float(_at(camera.scale, time))
    key = (float(centre[0]), float(centre[1]), scale)
    if last[0] == key:
        return last
    axes = [
        centre[axis] + (np.arange(size[axis]) + 0.5 - size[axis] / 2) / scale - shot.ground.origin[axis] - 0.5
        for axis in (0, 1)
    ]
    return key, sample(shot.ground.image, axes[0], axes[1])


Drawn = tuple[slice, slice, np.ndarray, float]  # rows, columns, its cover there, its whole cover


def _draw(picture: np.ndarray, thing: Thing, here: tuple[np.ndarray, float]) -> Drawn | None:
    """Blend a thing into (3, H, W) float32, in place."""
    (x, y), radius = here
    reach = SPRITE_REACH * radius
    fitting = [level for level in thing.sprite.levels if level.shape[1] >= 1.5 * reach]
    level = fitting[-1] if fitting else thing.sprite.levels[0]
    step = level.shape[1] / (2 * reach)
    inner = reach - 0.5 / step  # beyond it the sprite is nothing
    left, right = max(math.ceil(x - inner - 0.5), 0), min(math.floor(x + inner - 0.5) + 1, picture.shape[2])
    top, bottom = max(math.ceil(y - inner - 0.5), 0), min(math.floor(y + inner - 0.5) + 1, picture.shape[1])
    if left >= right or top >= bottom:
        return None
    columns = (np.arange(left, right) + (0.5 - x + reach)) * step - 0.5
    rows = (np.arange(top, bottom) + (0.5 - y + reach)) * step - 0.5
    shown = sample(level, columns, rows)
    region, cover = picture[:, top:bottom, left:right], shown[3]
    region *= 1 - cover
    region += shown[:3]
    return slice(top, bottom), slice(left, right), cover, thing.sprite.share * (2 * reach) ** 2


def _shares(drawn: list[Drawn | None]) -> list[float]:
    """What is left of each once those in front of it have covered it."""
    shares = []
    for number, each in enumerate(drawn):
        if each is None:
            shares.append(0.0)
            continue
        rows, columns, cover, whole = each
        left = cover
        for front in drawn[number + 1 :]:
            if front is None:
                continue
            top, bottom = max(rows.start, front[0].start), min(rows.stop, front[0].stop)
            first, stop = max(columns.start, front[1].start), min(columns.stop, front[1].stop)
            if top >= bottom or first >= stop:
                continue
            left = left.copy() if left is cover else left
            there = front[2][
                top - front[0].start : bottom - front[0].start, first - front[1].start : stop - front[1].start
            ]
            left[top - rows.start : bottom - rows.start, first - columns.start : stop - columns.start] *= (
                1 - there
            )
        shares.append(float(min(left.sum() / whole, 1.0)))
    return shares


def _softened(picture: np.ndarray) -> np.ndarray:
    picture = sample(picture, np.arange(picture.shape[2]) - 0.5, np.arange(picture.shape[1]) - 0.5)
    return sample(picture, np.arange(picture.shape[2]) + 0.5, np.arange(picture.shape[1]) + 0.5)


class _Grain:
    """Sensor noise. Another piece of a larger sheet for each picture, mirrored at random: were it to shift by a
    little, as one sheet, an encoder would find that motion and code it."""

    def __init__(self, scene: Scene) -> None:
        self._rng = np.random.default_rng((scene.seed, 1))
        sensor: Sensor = scene.sensor
        room = (3, scene.size[1] + GRAIN_ROOM_PX, scene.size[0] + GRAIN_ROOM_PX)
        self._sheet = (
            self._rng.standard_normal(room, np.float32) * np.float32(sensor.noise) if sensor.noise else None
        )

    def lay(self, picture: np.ndarray) -> None:
        if self._sheet is None:
            return
        top, left = self._rng.integers(0, GRAIN_ROOM_PX, 2)
        piece = self._sheet[:, top : top + picture.shape[1], left : left + picture.shape[2]]
        picture += piece[:, :: self._rng.choice((-1, 1)), :: self._rng.choice((-1, 1))]


def _truth(scene: Scene, visible: list[list[float]]) -> Truth:
    pictures, things = scene.pictures, [thing for shot in scene.shots for thing in shot.things]
    centre = np.zeros((pictures, len(things), 2), np.float32)
    radius, seen = (np.zeros((pictures, len(things)), np.float32) for _ in range(2))
    own, pan = np.zeros_like(centre), np.zeros((pictures, 2), np.float32)
    zoom, shaken = np.zeros(pictures, np.float32), np.zeros(pictures, bool)
    shot_of = np.repeat(np.arange(len(scene.shots)), [shot.pictures for shot in scene.shots])
    start = number = 0
    for shot in scene.shots:
        here = slice(start, start + shot.pictures)
        camera = shot.camera
        pan[here][1:] = np.diff(camera.centre, axis=0) * camera.scale[1:, None]
        zoom[here][1:] = np.diff(np.log(camera.scale))
        shaken[here] = camera.shaken
        seen[here, number : number + len(shot.things)] = np.array(visible[here]).reshape(shot.pictures, -1)
        for thing in shot.things:
            centre[here, number], radius[here, number] = placed(shot, thing, scene.size)
            own[here, number][1:] = np.diff(thing.path, axis=0) * camera.scale[1:, None] ** thing.depth
            number += 1
        start += shot.pictures
    return Truth(
        scene.size,
        scene.fps,
        tuple(thing.colour for thing in things),
        tuple(thing.shape for thing in things),
        centre,
        radius,
        seen,
        own,
        shot_of.astype(np.int16),
        pan,
        zoom,
        shaken,
        scene.sensor.light,
        tuple(shot.ground.kind for shot in scene.shots),
        tuple(shot.ground.lively for shot in scene.shots),
    )
