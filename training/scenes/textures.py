"""Grey textures, mean about 0 and deviation about 1, as families: some to train on, others held out. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from magno.training.scenes.sampling import sample

Texture = Callable[[np.random.Generator, int, int], np.ndarray]  # generator, height, width -> (H, W) float32


def octaves(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Clouds: noise on several grids, each half as coarse and half as strong."""
    total = np.zeros((height, width), np.float32)
    cell, share = float(rng.uniform(24, 64)), 1.0
    while cell > 2.5:
        rows, columns = int(height / cell) + 3, int(width / cell) + 3
        grid = rng.standard_normal((1, rows, columns)).astype(np.float32)
        total += share * sample(grid, np.arange(width) / cell, np.arange(height) / cell)[0]
        cell, share = cell / 2, share * float(rng.uniform(0.5, 0.8))
    return _levelled(total)


def tiles(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Squares of random tones."""
    cell = int(rng.choice([5, 8, 12, 20]))
    grid = rng.standard_normal((height // cell + 1, width // cell + 1)).astype(np.float32)
    return _levelled(np.kron(grid, np.ones((cell, cell), np.float32))[:height, :width])


def leaves(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Slivers lying over each other, as in undergrowth."""
    total = octaves(rng, height, width)
    count = min(height * width // 500, 250)
    for _ in range(count):
        reach = int(rng.uniform(6, 22))
        top, left = int(rng.integers(-reach, height)), int(rng.integers(-reach, width))
        rows, columns = slice(max(top, 0), top + 2 * reach), slice(max(left, 0), left + 2 * reach)
        y, x = np.ogrid[rows.start : min(rows.stop, height), columns.start : min(columns.stop, width)]
        angle = rng.uniform(0, np.pi)
        u = (x - left - reach) * np.cos(angle) + (y - top - reach) * np.sin(angle)
        v = (y - top - reach) * np.cos(angle) - (x - left - reach) * np.sin(angle)
        inside = (u / reach) ** 2 + (v / (0.3 * reach)) ** 2 < 1
        total[rows, columns][inside] = rng.standard_normal()
    return _levelled(total)


def grit(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Gravel: fine noise, a little smoothed."""
    fine = rng.standard_normal((height + 2, width + 2)).astype(np.float32)
    for _ in range(int(rng.integers(1, 4))):
        fine[1:-1, 1:-1] = (fine[1:-1, 1:-1] + fine[:-2, 1:-1] + fine[1:-1, :-2]) / 3
    return _levelled(fine[1:-1, 1:-1])


def stripes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Bars of random tones, any way round, with hard edges or soft ones."""
    along = _turned(rng, height, width)
    bar = float(rng.uniform(3, 14))
    tones = rng.standard_normal(int(2 * (height + width) / bar) + 4).astype(np.float32)
    at = along / bar
    low = np.floor(at).astype(np.intp)
    share = np.clip((at - low) * float(rng.choice([1, 8])), 0, 1)
    return _levelled(tones[low] * (1 - share) + tones[low + 1] * share)


def checks(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Two tones by turns, any way round."""
    side = float(rng.uniform(4, 16))
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return _levelled((np.floor(u / side) + np.floor(v / side)) % 2 + 0.2 * octaves(rng, height, width))


def dots(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Discs of random tones and sizes."""
    total = np.full((height, width), rng.standard_normal(), np.float32)
    y, x = np.ogrid[0:height, 0:width]
    largest = rng.uniform(4, 12)
    for _ in range(min(height * width // 120 + 3, 400)):
        top, left, reach = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(2, largest)
        rows = slice(max(int(top - reach), 0), int(top + reach) + 2)
        columns = slice(max(int(left - reach), 0), int(left + reach) + 2)
        inside = (y[rows] - top) ** 2 + (x[:, columns] - left) ** 2 < reach**2
        total[rows, columns][inside] = rng.standard_normal()
    return _levelled(total)


def sheen(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Light that falls off to one side, and a bright spot now and then."""
    along = _turned(rng, height, width) / max(height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    away = np.hypot(y - rng.uniform(0, height), x - rng.uniform(0, width)) / (0.3 * max(height, width))
    return _levelled(along + float(rng.choice([0, 1.5])) * np.exp(-(away**2)))


def scratches(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Long thin lines every way, over clouds."""
    total = octaves(rng, height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    for _ in range(int(rng.integers(3, 14))):
        angle = rng.uniform(0, np.pi)
        away = (x - rng.uniform(0, width)) * np.sin(angle) - (y - rng.uniform(0, height)) * np.cos(angle)
        total[np.abs(away) < rng.uniform(0.6, 2.2)] = 2.0 * rng.standard_normal()
    return _levelled(total)


def _turned(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(H, W) how far each point lies along some way, from 0 on."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    along = x * np.cos(angle) + y * np.sin(angle)
    return np.asarray(along - along.min())


def cells(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Cracked ground: each point has the tone of the seed nearest to it."""
    count = max(height * width // int(rng.integers(400, 1600)), 4)
    seeds = rng.uniform((0, 0), (height, width), (count, 2)).astype(np.float32)
    tones = rng.standard_normal(count).astype(np.float32)
    half = np.mgrid[0:height:2, 0:width:2].reshape(2, -1).T.astype(np.float32)
    nearest = np.empty(len(half), np.intp)
    for start in range(0, len(half), 4096):
        piece = half[start : start + 4096]
        nearest[start : start + 4096] = ((seeds**2).sum(1) - 2 * piece @ seeds.T).argmin(1)
    grid = tones[nearest].reshape(-(-height // 2), -(-width // 2))
    return _levelled(np.kron(grid, np.ones((2, 2), np.float32))[:height, :width])


def weave(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Cloth: waves that two slow noises bend."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    bent_x = x + 6 * octaves(rng, height, width)
    bent_y = y + 6 * octaves(rng, height, width)
    first, second = 2 * np.pi / rng.uniform(9, 30, 2)
    return _levelled(np.sin(bent_x * first) + np.sin(bent_y * second))


def bricks(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A wall: rows of bricks of random tones, every other row moved by half a brick."""
    tall, wide = int(rng.integers(8, 18)), int(rng.integers(18, 40))
    row = np.arange(height) // tall
    column = (np.arange(width)[None] + (row % 2 * (wide // 2))[:, None]) // wide
    tones = rng.standard_normal((row.max() + 1, column.max() + 1)).astype(np.float32)
    wall = tones[row[:, None], column]
    wall[np.arange(height) % tall == 0] = -1.5
    return _levelled(wall)


FAMILIES: dict[str, Texture] = {
    "octaves": octaves,
    "tiles": tiles,
    "leaves": leaves,
    "grit": grit,
    "stripes": stripes,
    "checks": checks,
    "dots": dots,
    "sheen": sheen,
    "scratches": scratches,
}
HELD_OUT_FAMILIES: dict[str, Texture] = {"cells": cells, "weave": weave, "bricks": bricks}


def _levelled(texture: np.ndarray) -> np.ndarray:
    return np.asarray((texture - texture.mean()) / (texture.std() + 1e-6), dtype=np.float32)
