"""Scenes -> shards of what the runtime saw of them, what is true, and questions; in several processes. Resumable.

python -m magno.training.make_data --out runs/world --clips 12000
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from magno.training.clips import Observation, encode, lost, observe
from magno.training.codec_settings import any_settings
from magno.training.films import EVENTFUL, ORDINARY, SCARCE, recipe
from magno.training.pocket import CODEC
from magno.training.questions.balance import Balance
from magno.training.questions.families import Asked, all_questions
from magno.training.questions.words import COLOURS, NOUNS, SHAPES
from magno.training.scenes.compose import compose
from magno.training.scenes.excerpt import excerpt
from magno.training.scenes.film import film
from magno.training.scenes.grounds import Paint, paint_of
from magno.training.scenes.nouns import Scene
from magno.training.scenes.photographs import stock
from magno.training.scenes.truth import Truth
from magno.training.shards import STILL, Lesson, ShardArrays, small_residual, write_shard
from magno.training.suites import HELD_OUT_SEED
from magno.training.true_motion import camera, motion_map, places

CLIPS_A_SHARD, STILLS_A_SHARD = 100, 1000
STILLS_SEED = 5_000_000  # no film that is trained on
QUESTIONS_A_CLIP = 20
WINDOW_LENGTHS = (4, 6, 8, 8, 8, 8, 12)  # one length alone made the paper's model fail at others
ADAPTIVE_SHARE = 0.15  # of the clips: windows that end by what moves
MAP_CELLS = 8
NAMES = (*SHAPES, *NOUNS)


@dataclass(frozen=True, slots=True)
class Job:
    folder: Path
    first_seed: int
    clips: int
    clips_folder: Path
    with_ends: bool  # stage 1 needs the newest picture of each window
    stills: bool = (
        False  # of each clip one picture alone, and no question: for the vision tower, at a tenth of the cost
    )
    kind: str = ORDINARY  # of films: see films.py


@dataclass(slots=True)
class _Parts:
    """Lists that become the arrays of a shard."""

    seen: list[Observation] = field(default_factory=list)
    camera: list[np.ndarray] = field(default_factory=list)
    maps: list[np.ndarray] = field(default_factory=list)
    places: list[np.ndarray] = field(default_factory=list)
    colour: list[int] = field(default_factory=list)
    shape: list[int] = field(default_factory=list)
    things: list[int] = field(default_factory=list)
    lessons: list[Lesson] = field(default_factory=list)
    clips: list[dict[str, object]] = field(default_factory=list)


def make_shard(job: Job) -> float:
    """One shard; the seconds it took."""
    began = time.monotonic()
    held_out = job.first_seed >= HELD_OUT_SEED
    paint = paint_of(stock(job.clips_folder, held_out), held_out)
    parts, balance = _Parts(), Balance()
    for seed in range(job.first_seed, job.first_seed + job.clips):
        if job.stills:
            _still(parts, seed, paint)
        else:
            _clip(parts, balance, seed, paint, job.kind)
    write_shard(job.folder, _arrays(parts, job.with_ends), parts.lessons, parts.clips)
    return time.monotonic() - began


def _clip(parts: _Parts, balance: Balance, seed: int, paint: Paint, kind: str) -> None:
    rng = np.random.default_rng((seed, 7))
    scene = compose(seed, recipe(kind, seed, rng), paint)
    pictures, truth = film(scene)
    settings = any_settings(rng, scene.fps)
    units = encode(pictures, settings)
    window = int(rng.choice(WINDOW_LENGTHS))
    adaptive = bool(rng.random() < ADAPTIVE_SHARE)
    seen = observe(
        units, settings, CODEC, window, adaptive=adaptive, missing=lost(len(units), settings.lost, seed)
    )
    asked = _questions(truth, seen, balance, seed)
    parts.lessons += [_lesson(each, len(parts.seen), seen.last_picture) for each in asked]
    windows = np.flatnonzero(seen.kinds)
    parts.maps += [
        motion_map(truth, int(seen.first_picture[i]), int(seen.last_picture[i]), MAP_CELLS, CODEC.image_px)
        for i in windows
    ]
    told = {"window": window, "adaptive": adaptive, "settings": asdict(settings)}
    _keep(parts, scene, truth, seen, seen.last_picture, told)


def _still(parts: _Parts, seed: int, paint: Paint) -> None:
    rng = np.random.default_rng((seed, 7))
    scene = compose(seed, recipe(ORDINARY, seed, rng), paint)
    ends = np.cumsum([shot.pictures for shot in scene.shots])
    at = int(rng.choice([i for i in range(1, scene.pictures) if i not in ends]))
    pictures, truth = film(excerpt(scene, at - 1, at + 1))  # the one before it is where its blur begins
    settings = any_settings(rng, scene.fps)
    seen = observe(encode(pictures[1:], settings), settings, CODEC, CODEC.window_pictures)
    _keep(parts, scene, truth, seen, seen.last_picture + 1, {"settings": asdict(settings)})


def _keep(
    parts: _Parts, scene: Scene, truth: Truth, seen: Observation, shown: np.ndarray, told: dict[str, object]
) -> None:
    """A clip's own lines of the arrays; `shown`: the picture of `truth` that each item shows."""
    parts.seen.append(seen)
    parts.camera += [camera(truth, int(at)) for at in shown]
    parts.places += [places(truth, int(at)) for at in shown]
    parts.colour += [COLOURS.index(colour) if colour else -1 for colour in truth.colour]
    parts.shape += [NAMES.index(shape) for shape in truth.shape]
    parts.things.append(len(truth.colour))
    about = {
        "seed": scene.seed,
        "plot": scene.plot,
        "fps": scene.fps,
        "size": scene.size,
        "ground": truth.ground,
    }
    parts.clips.append({**about, **told})


def _questions(truth: Truth, seen: Observation, balance: Balance, seed: int) -> list[Asked]:
    """At ends of items; of each as many families as there are."""
    ends = sorted({int(at) for at in seen.last_picture if at > 0})
    rng = np.random.default_rng((seed, 8))
    return balance.choose(all_questions(truth, ends, seed), QUESTIONS_A_CLIP, rng)


def _lesson(asked: Asked, clip: int, last: np.ndarray) -> Lesson:
    item = int(np.flatnonzero(last == asked.picture)[-1])
    needs = min(int(np.flatnonzero(last >= asked.since)[0]), item)
    return Lesson(clip, item, needs, asked.family, asked.phrase, asked.slots, asked.answers, asked.thing)


def _arrays(parts: _Parts, with_ends: bool) -> ShardArrays:
    seen = parts.seen
    side = CODEC.image_px
    ends = [each.ends for each in seen] if with_ends else [np.zeros((0, side, side, 3), np.uint8)]
    residual = np.concatenate([each.residual for each in seen]).astype(np.float32)
    maps = np.stack(parts.maps) if parts.maps else np.zeros((0, MAP_CELLS, MAP_CELLS, 2))
    return ShardArrays(
        item_at=_starts([len(each.kinds) for each in seen]),
        keyframe_at=_starts([len(each.keyframes) for each in seen]),
        window_at=_starts([len(each.motion) for each in seen]),
        thing_at=_starts(parts.things),
        place_at=_starts([len(each.kinds) * count for each, count in zip(seen, parts.things, strict=True)]),
        kinds=np.concatenate([each.kinds for each in seen]),
        first=np.concatenate([each.first_picture for each in seen]),
        last=np.concatenate([each.last_picture for each in seen]),
        camera=np.stack(parts.camera).astype(np.float16),
        keyframes=np.concatenate([each.keyframes for each in seen]),
        cuts=np.concatenate([each.cuts for each in seen]),
        motion=np.concatenate([each.motion for each in seen]),
        residual=small_residual(residual, CODEC.residual_scale),
        ends=np.concatenate(ends),
        motion_map=maps.astype(np.float16),
        colour=np.array(parts.colour, np.int8),
        shape=np.array(parts.shape, np.int8),
        places=np.concatenate(parts.places).astype(np.float16),
    )


def _starts(lengths: list[int]) -> np.ndarray:
    return np.cumsum([0, *lengths]).astype(np.int32)


def jobs(args: argparse.Namespace) -> list[Job]:
    """All shards that are wanted: held-out ones first, since a training looks at them from its start."""
    of_kind = {ORDINARY: args.clips, EVENTFUL: args.eventful_clips, SCARCE: args.scarce_clips}
    films = [kind for kind, clips in of_kind.items() for _ in range(clips)]
    kinds = (
        ("held", HELD_OUT_SEED, CLIPS_A_SHARD, args.held_out_clips, args.held_out_clips),
        ("train", 0, CLIPS_A_SHARD, len(films), args.clips_with_ends),
        (STILL, STILLS_SEED, STILLS_A_SHARD, args.stills, 0),
    )
    return [
        Job(
            args.out / f"{kind}-{start:06d}",
            first + start,
            min(each, clips - start),
            args.clips_folder,
            start < with_ends,
            kind == STILL,
            films[start] if kind == "train" else ORDINARY,
        )
        for kind, first, each, clips, with_ends in kinds
        for start in range(0, clips, each)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--clips", type=int, default=12000, help="default: %(default)s")
    parser.add_argument(
        "--eventful-clips",
        type=int,
        default=0,
        help="so many more, in which things start, stop, appear, race or are many; default: %(default)s",
    )
    parser.add_argument(
        "--scarce-clips",
        type=int,
        default=0,
        help="so many more, of diagonals, growth, crowds and real pixels; default: %(default)s",
    )
    parser.add_argument("--held-out-clips", type=int, default=600, help="default: %(default)s")
    parser.add_argument(
        "--clips-with-ends",
        type=int,
        default=4000,
        help="so many also keep each window's newest picture, for stage 1; default: %(default)s",
    )
    parser.add_argument(
        "--stills",
        type=int,
        default=12000,
        help="pictures of scenes that no clip shows; default: %(default)s",
    )
    parser.add_argument("--clips-folder", type=Path, default=Path("tests/clips"))
    parser.add_argument("--workers", type=int, default=2, help="default: %(default)s")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    wanted = jobs(args)
    missing = [job for job in wanted if not job.folder.exists()]
    began = time.monotonic()
    with ProcessPoolExecutor(args.workers) as pool:
        running = [pool.submit(make_shard, job) for job in missing]
        for done in track(
            as_completed(running), "rendering, encoding, decoding", len(running), console=Console(stderr=True)
        ):
            done.result()
    made = sum(job.clips for job in missing)
    kept = sum(file.stat().st_size for job in wanted for file in job.folder.iterdir())
    per_clip = kept / max(sum(job.clips for job in wanted), 1)
    print(f"{len(wanted)} shards in {args.out}: {kept / 1e9:.2f} GB, {per_clip / 1e3:.0f} kB a clip")
    if made:
        print(
            f"{made} clips made, {(time.monotonic() - began) / made:.2f} s a clip with {args.workers} workers"
        )


if __name__ == "__main__":
    main()
