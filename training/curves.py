"""The log of a training as a picture: losses by stage, and what held-out clips said.

python -m magno.training.curves --run runs/pocket --out models/pocket/curves.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib

from magno.runtime.whole import whole_file
from magno.training.run import LOG, Line

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes

LOSSES = (
    "patches",
    "things",
    "places",
    "motion",
    "changes",
    "aligned",
    "answers",
    "names",
    "looks",
    "found",
    "ago",
    "events",
)
FOLLOWED = (
    "recall_1",
    "plain_1",
    "mean",
    "direction",
    "direction_two",
    "direction_three",
    "camera",
    "colour",
    "where",
    "stop",
)


def read_log(folder: Path) -> list[Line]:
    return [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]


def draw(log: list[Line], path: Path) -> None:
    """Two panels over the minutes of all stages; written aside and renamed."""
    minutes, stages = _minutes(log)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
    for axes in (left, right):
        axes.set_prop_cycle(color=pyplot.get_cmap("tab20").colors)
    for name in LOSSES:
        _line(left, log, minutes, name)
        _line(left, log, minutes, f"held_{name}", "--")
    for name in FOLLOWED:
        _line(right, log, minutes, name)
    left.set(title="losses (dashed: held out)", xlabel="minutes", yscale="log")
    right.set(title="held-out questions answered right", xlabel="minutes", ylim=(0, 1))
    for axes in (left, right):
        for begin in stages.values():
            axes.axvline(begin, color="0.8", zorder=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    with whole_file(path) as part:
        figure.savefig(part, dpi=110, format="png")
    pyplot.close(figure)


def _minutes(log: list[Line]) -> tuple[list[float], dict[str, float]]:
    """When each line was written, and when each stage began, counted over all stages."""
    ended: dict[str, float] = {}
    for line in log:
        ended[str(line["stage"])] = float(line["spent_s"]) / 60
    begins, total = {}, 0.0
    for stage, length in ended.items():
        begins[stage], total = total, total + length
    return [begins[str(line["stage"])] + float(line["spent_s"]) / 60 for line in log], begins


def _line(axes: Axes, log: list[Line], minutes: list[float], name: str, style: str = "-") -> None:
    points = [(at, float(line[name])) for at, line in zip(minutes, log, strict=True) if name in line]
    if points:
        axes.plot(*zip(*points, strict=True), style, label=name, linewidth=1.2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    args = parser.parse_args()
    draw(read_log(args.run), args.out)


if __name__ == "__main__":
    main()
