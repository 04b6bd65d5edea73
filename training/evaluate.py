"""Held-out accuracy through the production bundle and runtime, never through torch.

    python -m magno.training.evaluate --bundle bundles/pocket --clips 300

Every clip is rendered from a seed that training never saw, encoded, written as a file, watched by the engine and
asked about at its end; an answer is right when its text is the direction's name.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from magno.runtime.cadence import WINDOWS
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import MagnoError, Query
from magno.training.clips import photographs, random_settings, write_clip
from magno.training.phrases import DIRECTION_QUESTIONS
from magno.training.score import wilson
from magno.training.world import Scene, random_scene, render

PICTURES = 50  # of a clip
FIRST_SEED = 11_000_000  # never trained on
CHANCE = 0.25


def ask_about(
    engine: Engine, pictures: Iterable[np.ndarray], scene: Scene, seed: int, path: Path
) -> tuple[str, str]:
    """The true direction at a clip's end, and what the engine answers."""
    write_clip(path, pictures, random_settings(np.random.default_rng(seed + 1)))
    engine.watch("clip", str(path), pace="fast")
    engine.wait_ended("clip")
    question = DIRECTION_QUESTIONS[0].format(colour=scene.mover.colour, shape=scene.mover.shape)
    answer = engine.ask(Query(question, "clip", deadline_ms=60_000.0, max_tokens=4))
    engine.unwatch("clip")
    return scene.legs[-1].direction, answer.text or answer.outcome.value


def long_clip(seed: int, before: int, backgrounds: list[np.ndarray]) -> tuple[Iterable[np.ndarray], Scene]:
    """The pictures of one scene, after at least `before` pictures of others of its size, so that what is asked
    about comes late in a long stream; and that scene."""
    scene = random_scene(seed, PICTURES, backgrounds)
    others = (random_scene(seed + 100_000 * number, PICTURES, backgrounds) for number in itertools.count(1))
    earlier = itertools.islice(
        (other for other in others if other.size == scene.size), -(-before // PICTURES)
    )
    return itertools.chain.from_iterable(
        render(each, seed) for each in itertools.chain(earlier, [scene])
    ), scene


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--before", type=int, default=0, help="pictures of other scenes that come first")
    parser.add_argument(
        "--clips-folder", type=Path, default=Path("tests/clips"), help="photographs of backgrounds"
    )
    parser.add_argument("--windows", choices=WINDOWS, default="fixed")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    backgrounds = photographs(args.clips_folder)
    confusion: Counter[tuple[str, str]] = Counter()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            Engine.open(EngineConfig(bundle=str(args.bundle), windows=args.windows)) as engine,
        ):
            for seed in track(
                range(FIRST_SEED, FIRST_SEED + args.clips), "asking", console=Console(stderr=True)
            ):
                pictures, scene = long_clip(seed, args.before, backgrounds)
                confusion[ask_about(engine, pictures, scene, seed, Path(folder) / "clip.mp4")] += 1
    except MagnoError as error:
        print(error, file=sys.stderr)
        return 2
    right = sum(count for (truth, told), count in confusion.items() if truth == told)
    low, high = wilson(right, args.clips)
    result = {
        "right": right,
        "asked": args.clips,
        "accuracy": right / max(args.clips, 1),
        "interval": [low, high],
    }
    if args.json:
        print(
            json.dumps({**result, "confusion": {f"{a}->{b}": n for (a, b), n in sorted(confusion.items())}})
        )
        return 0
    share = f"{right} of {args.clips} right: {result['accuracy']:.1%}"
    print(f"{share} (95 % interval {low:.1%} to {high:.1%}), chance {CHANCE:.0%}")
    for (truth, told), count in sorted(confusion.items()):
        if truth != told:
            print(f"  {count} x {truth} called {told[:40]!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
