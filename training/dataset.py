"""Scenes -> shards of observations with their truth, in several processes. Resumable: a whole shard is kept.

python -m magno.training.dataset --out runs/pocket/data --clips 5000
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from magno.training.clips import encode, observe, photographs, random_settings
from magno.training.phrases import COLOURS, DIRECTIONS, SHAPES
from magno.training.pocket import CODEC
from magno.training.world import random_scene, render

CLIPS_A_SHARD = 100
PICTURES = 50
WINDOW_LENGTHS = (5, 8, 8, 8, 12)  # a window may end early, so one length is not enough
HELD_OUT = 10_000_000  # seeds from here on are never trained on
AMBIGUOUS = -1


@dataclass(frozen=True, slots=True)
class Shard:
    """Clips one after another: clip i owns items[item_at[i]:item_at[i + 1]], and likewise keyframes and windows."""

    item_at: np.ndarray  # (clips + 1,) int32
    keyframe_at: np.ndarray
    window_at: np.ndarray
    kinds: np.ndarray  # (items,) uint8: 0 keyframe, 1 window
    direction: np.ndarray  # (items,) int8: of a window with one direction throughout, else AMBIGUOUS
    colour: np.ndarray  # (clips,) int8
    shape: np.ndarray  # (clips,) int8
    keyframes: np.ndarray  # (keyframes, S, S, 3) uint8
    motion: np.ndarray  # (windows, P*P, motion_width) float16
    residual: np.ndarray  # (windows, 1, S, S) float16


def make_shard(path: Path, first_seed: int, clips_folder: Path) -> Path:
    """Render, encode, decode and observe one shard's clips; written aside and renamed."""
    backgrounds = _backgrounds(clips_folder)
    observations, directions, colours, shapes = [], [], [], []
    for seed in range(first_seed, first_seed + CLIPS_A_SHARD):
        rng = np.random.default_rng(seed + 1)
        scene, settings = random_scene(seed, PICTURES, backgrounds), random_settings(rng)
        seen = observe(
            encode(render(scene, seed), settings), settings, CODEC, int(rng.choice(WINDOW_LENGTHS))
        )
        observations.append(seen)
        directions.append(_labels(seen.kinds, seen.first_picture, seen.last_picture, scene.directions()))
        colours.append(COLOURS.index(scene.mover.colour))
        shapes.append(SHAPES.index(scene.mover.shape))
    shard = Shard(
        item_at=_starts([len(seen.kinds) for seen in observations]),
        keyframe_at=_starts([len(seen.keyframes) for seen in observations]),
        window_at=_starts([len(seen.motion) for seen in observations]),
        kinds=np.concatenate([seen.kinds for seen in observations]),
        direction=np.concatenate(directions),
        colour=np.array(colours, np.int8),
        shape=np.array(shapes, np.int8),
        keyframes=np.concatenate([seen.keyframes for seen in observations]),
        motion=np.concatenate([seen.motion for seen in observations]),
        residual=np.concatenate([seen.residual for seen in observations]),
    )
    aside = path.with_suffix(".part.npz")
    np.savez(aside, **{name: getattr(shard, name) for name in Shard.__slots__})
    aside.replace(path)
    return path


def load_shard(path: Path) -> Shard:
    with np.load(path, allow_pickle=False) as arrays:
        return Shard(**{name: arrays[name] for name in Shard.__slots__})


@lru_cache(maxsize=1)
def _backgrounds(clips_folder: Path) -> list[np.ndarray]:
    return photographs(clips_folder)  # decodes whole clips: once a worker


def _labels(kinds: np.ndarray, first: np.ndarray, last: np.ndarray, truth: list[str]) -> np.ndarray:
    labels = np.full(len(kinds), AMBIGUOUS, np.int8)
    for item in np.flatnonzero(kinds):
        ways = set(truth[first[item] + 1 : last[item] + 1])
        if len(ways) == 1:
            labels[item] = DIRECTIONS.index(ways.pop())
    return labels


def _starts(lengths: list[int]) -> np.ndarray:
    return np.cumsum([0, *lengths]).astype(np.int32)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--held-out-clips", type=int, default=400)
    parser.add_argument("--clips-folder", type=Path, default=Path("tests/clips"))
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    wanted = [
        (args.out / f"held-{s:05d}.npz", HELD_OUT + s) for s in range(0, args.held_out_clips, CLIPS_A_SHARD)
    ]
    wanted += [(args.out / f"train-{s:05d}.npz", s) for s in range(0, args.clips, CLIPS_A_SHARD)]
    missing = [(path, seed) for path, seed in wanted if not path.exists()]
    with ProcessPoolExecutor(args.workers) as pool:
        jobs = [pool.submit(make_shard, path, seed, args.clips_folder) for path, seed in missing]
        for job in track(jobs, "rendering, encoding, decoding", console=Console(stderr=True)):
            job.result()
    print(f"{len(wanted)} shards in {args.out}")


if __name__ == "__main__":
    main()
