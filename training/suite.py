"""Evaluation sets: held-out scenes, really encoded, and questions as JSON lines that anybody's program can read.

python -m magno.training.suite --suite world --out runs/suites/world --questions-a-family 400
"""

from __future__ import annotations

import argparse
import json
import zlib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from magno.runtime.whole import whole_file
from magno.training.clips import write_clip
from magno.training.codec_settings import CodecSettings
from magno.training.questions.balance import Balance
from magno.training.questions.families import FAMILIES, Asked, all_questions
from magno.training.scenes.compose import compose
from magno.training.scenes.film import film
from magno.training.scenes.grounds import Paint, paint_of
from magno.training.scenes.nouns import Scene
from magno.training.scenes.photographs import stock
from magno.training.scenes.plots import CUT
from magno.training.scenes.truth import Truth
from magno.training.suites import HELD_OUT_SEED, SUITES, Part

QUESTIONS_FILE = "questions.jsonl"
CANONICAL_SHARE = 0.6  # of the questions; the others are asked in other words
MOMENTS = 2  # of each clip at which questions are asked: a player has to watch up to each anew
A_CLIP = 32  # questions at most
# Which story to tell when a family lacks questions; without an entry, any.
TOLD_BY = {
    "direction": "one",
    "direction_background": "one",
    "direction_8": "diagonal",
    "direction_two": "two",
    "direction_three": "three",
    "direction_moving_camera": "camera",
    "camera": "camera",
    "what": "camera",
    "closer": "growth",
    "away": "growth",
    "faster": "race",
    "first": "order",
    "stop": "halt",
    "start": "departure",
    "since_stopped": "halt",
    "since_appeared": "arrival",
    "changed": CUT,
    "count": "crowd",
}
PATIENCE = 600  # scenes in a row that brought nothing new: what is lacking cannot be had


def write_suite(name: str, folder: Path, questions: int, clips_folder: Path) -> Path:
    """All clips and questions of a suite; the questions' file is written last, so a folder that has it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    paint = paint_of(stock(clips_folder, True), True)
    lines: list[str] = []
    for number, part in enumerate(SUITES[name]()):
        salt = zlib.crc32(f"{name} {number}".encode()) % 1000
        first_seed = HELD_OUT_SEED + 1_000_000 * (1 + salt)
        lines += _part(part, folder, max(round(questions * part.share), 1), (first_seed, paint))
    with whole_file(folder / QUESTIONS_FILE) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / QUESTIONS_FILE


def _part(part: Part, folder: Path, quota: int, source: tuple[int, Paint]) -> list[str]:
    balance, lines = Balance(quota), []
    seed, paint = source
    idle = 0
    columns = (TextColumn(part.name or "questions"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=quota * len(part.families))
        while idle < PATIENCE:
            lacking = [family for family in balance.lacking() if family in part.families]
            if not lacking:
                break
            scene, settings, truth, pictures = _scene(part, seed, lacking, paint)
            chosen = _questions(part, truth, seed, balance)
            if chosen:
                clip = f"{seed}.mp4"
                write_clip(folder / clip, pictures, settings, seed)
                lines += [_line(clip, asked, part, (scene, settings)) for asked in chosen]
            idle = 0 if chosen else idle + 1
            seed += 1
            progress.update(bar, completed=len(lines))
    return lines


def _scene(
    part: Part, seed: int, lacking: list[str], paint: Paint
) -> tuple[Scene, CodecSettings, Truth, np.ndarray]:
    rng = np.random.default_rng((seed, 4))
    recipe = part.recipe
    wanted = TOLD_BY.get(lacking[int(rng.integers(len(lacking)))], "")
    if not recipe.plot and (len(lacking) < len(FAMILIES) // 2 or rng.random() < 0.5):
        recipe = replace(recipe, plot=wanted)
    scene = compose(seed, recipe, paint)
    pictures, truth = film(scene)
    return scene, part.settings(rng, scene.fps), truth, pictures


def _questions(part: Part, truth: Truth, seed: int, balance: Balance) -> list[Asked]:
    rng = np.random.default_rng((seed, 5))
    earliest = min(int(0.8 * truth.fps), truth.pictures - 1)
    moments = sorted({int(t) for t in rng.integers(earliest, truth.pictures, MOMENTS)})
    candidates = [each for each in all_questions(truth, moments, seed) if each.family in part.families]
    return balance.choose(candidates, A_CLIP, rng)


def _line(clip: str, asked: Asked, part: Part, made: tuple[Scene, CodecSettings]) -> str:
    scene, settings = made
    rng = np.random.default_rng((scene.seed, 6, asked.picture, zlib.crc32(asked.family.encode())))
    wording = 0 if rng.random() < CANONICAL_SHARE else int(rng.integers(1, 5))
    return json.dumps(
        {
            "clip": clip,
            "at_s": round((asked.picture + 0.4) / scene.fps, 3),  # between this picture and the next
            "question": asked.question(wording),
            "answers": list(asked.answers),
            "family": asked.family + (f"@{part.name}" if part.name else ""),
            "choices": FAMILIES[asked.family].choices,
            "seed": scene.seed,
            "plot": scene.plot,
            "settings": asdict(settings),
        }
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--questions-a-family", type=int, default=400, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--clips-folder",
        type=Path,
        default=Path("tests/clips"),
        metavar="DIR",
        help="real clips, for backgrounds and cut-outs",
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suite", choices=list(SUITES), required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    add_arguments(parser)
    args = parser.parse_args()
    path = write_suite(args.suite, args.out, args.questions_a_family, args.clips_folder)
    lines = path.read_text(encoding="utf-8").splitlines()
    print(f"{len(lines)} questions about {len({json.loads(line)['clip'] for line in lines})} clips: {path}")


if __name__ == "__main__":
    main()
