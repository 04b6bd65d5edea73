"""Contact sheets of the world: pictures over time, arrows of the true motion, questions and answers. Look at them.

python -m magno.training.preview --out sheet.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes

from magno.training.questions.balance import Balance
from magno.training.questions.families import Asked, all_questions
from magno.training.scenes.compose import Recipe, compose
from magno.training.scenes.film import film
from magno.training.scenes.grounds import paint_of
from magno.training.scenes.photographs import stock
from magno.training.scenes.plots import CUT, PLOTS
from magno.training.scenes.truth import Truth

PICTURES = 5  # of each clip
ASK_AFTER = 16  # pictures: before, there is not much to be asked
ARROW_S = 0.5  # an arrow is as long as the way of so many seconds


def picture_with_truth(axes: Axes, picture: np.ndarray, truth: Truth, at: int) -> None:
    """One picture, an arrow for each thing that moves (yellow) and one for the camera itself (cyan)."""
    axes.imshow(picture)
    axes.set_axis_off()
    back = max(at - 2, int(np.flatnonzero(truth.shot == truth.shot[at])[0]))
    steps = max(at - back, 1)
    reach = truth.fps * ARROW_S
    for i in np.flatnonzero(truth.visible[at] > 0.02):
        step = (truth.centre[at, i] - truth.centre[back, i]) / steps * reach
        x, y = truth.centre[at, i]
        if np.hypot(*step) > 1:
            axes.annotate(
                "",
                (x + step[0], y + step[1]),
                (x, y),
                annotation_clip=True,
                arrowprops={"arrowstyle": "->", "color": "yellow"},
            )
        axes.text(x, y, f"{truth.visible[at, i]:.1f}", color="magenta", fontsize=5, clip_on=True)
    pan = truth.pan[at] * reach
    middle = np.array(truth.size) / 2
    if np.hypot(*pan) > 0.5:
        axes.annotate("", middle + pan, middle, arrowprops={"arrowstyle": "->", "color": "cyan"})
    zoom = truth.zoom[at] * truth.fps
    axes.set_title(
        f"{at / truth.fps:.1f} s" + (f" zoom {zoom:+.2f}" if abs(zoom) > 0.01 else ""), fontsize=6, pad=2
    )


def told(asked: list[Asked], truth: Truth, rng: np.random.Generator) -> str:
    lines = []
    for each in sorted(asked, key=lambda each: each.picture):
        question = each.question(int(rng.integers(4)) if rng.random() < 0.4 else 0)
        lines.append(f"{each.picture / truth.fps:.1f} s {question} {each.answers[0].upper()} [{each.family}]")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    parser.add_argument("--clips", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the first clip")
    parser.add_argument("--plot", choices=[*PLOTS, CUT], default="", help="only this kind of story")
    parser.add_argument("--held-out", action="store_true", help="textures and photographs of the other side")
    parser.add_argument("--degraded", action="store_true")
    parser.add_argument("--real", type=float, default=0.07, help="share of things that are real pixels")
    parser.add_argument("--clips-folder", type=Path, default=Path("tests/clips"))
    args = parser.parse_args()
    matplotlib.use("Agg")
    paint = paint_of(stock(args.clips_folder, args.held_out), args.held_out)
    figure, grid = pyplot.subplots(
        args.clips, PICTURES + 2, figsize=(2.1 * (PICTURES + 2), 1.7 * args.clips), squeeze=False
    )
    balance = Balance()
    for row in range(args.clips):
        seed = args.seed + row
        scene = compose(seed, Recipe(args.plot, degraded=args.degraded, real=args.real), paint)
        pictures, truth = film(scene)
        for column, at in enumerate(np.linspace(2, truth.pictures - 1, PICTURES).astype(int)):
            picture_with_truth(grid[row, column], pictures[at], truth, int(at))
        rng = np.random.default_rng(seed)
        times = [int(t) for t in rng.integers(min(ASK_AFTER, truth.pictures - 1), truth.pictures, 4)]
        chosen = balance.choose(all_questions(truth, times, seed), 12, rng)
        for axes in grid[row, PICTURES:]:
            axes.set_axis_off()
        heading = (
            f"{seed} {scene.plot}, {'/'.join(truth.ground)}, {truth.fps} fps, {truth.size[0]}x{truth.size[1]}"
        )
        grid[row, PICTURES].text(
            0,
            1,
            f"{heading}\n{told(chosen, truth, rng)}",
            fontsize=5.2,
            va="top",
            transform=grid[row, PICTURES].transAxes,
        )
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.985, 0.02, 0.12)
    figure.savefig(args.out, dpi=130)
    print(f"{args.clips} clips in {args.out}")


if __name__ == "__main__":
    main()
