"""Weights, optimiser and log of a training that can be resumed. The learning rate follows the time a stage may take;
the optimiser's moments go on from stage to stage, since begun anew they cost what the stage before had taught."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from magno.runtime.whole import whole_file
from magno.training.trainee import Losses, Trainee

SAVE_EVERY_S = 300.0  # and examine, which takes a twentieth of that
WARMUP_SHARE = 0.03
LAST_RATE = 0.01  # of the peak
DECAY = 0.05  # weight decay
STATE, LOG = "state.pt", "log.jsonl"

Line = dict[str, float | str]


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    minutes: float
    peak_rate: float
    trains: Sequence[torch.nn.Parameter]
    losses: Callable[[], Losses]  # of the next batch
    exam: Callable[[], dict[str, float]]


class Run:
    """`state.pt` and `log.jsonl` of a folder. The state is written aside and renamed."""

    def __init__(self, folder: Path, trainee: Trainee) -> None:
        self.trainee, self._folder = trainee, folder
        self.spent_s: dict[str, float] = {}  # by stage, over all resumptions
        self.log: list[Line] = []
        self._saved = time.monotonic()
        self._moments: dict[str, dict[str, Any]] = {}  # AdamW's state of each parameter, by its name
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / STATE).exists():
            state = torch.load(folder / STATE, weights_only=True)
            trainee.load_state_dict(state["trainee"])
            self._moments = state["moments"]
            self.spent_s, self.log = state["spent_s"], state["log"]

    def begun(self, stage: str) -> bool:
        """Whether some of it was done already."""
        return stage in self.spent_s

    def stage(self, stage: Stage) -> None:
        """Optimise until the stage's time is spent."""
        total, spent = stage.minutes * 60.0, self.spent_s.get(stage.name, 0.0)
        optimiser = torch.optim.AdamW(stage.trains, stage.peak_rate, (0.9, 0.98), weight_decay=DECAY)
        names = {each: name for name, each in self.trainee.named_parameters()}
        trained = set(stage.trains)
        for each in names:
            each.requires_grad_(each in trained)
        for each in stage.trains:
            if names[each] in self._moments:
                optimiser.state[each] = self._moments[names[each]]
        recent: dict[str, list[float]] = defaultdict(list)
        columns = (
            TextColumn(stage.name),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
        )
        steps = 0
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task("", total=total, completed=spent, note="")
            while spent < total:
                began = time.monotonic()
                set_rate(optimiser, rate(spent / total, stage.peak_rate))
                for part, value in _step(optimiser, stage).items():
                    recent[part].append(value)
                steps += 1
                spent += time.monotonic() - began
                self.spent_s[stage.name] = spent
                note = " ".join(f"{part} {_mean(values[-50:]):.3f}" for part, values in recent.items())
                progress.update(bar, completed=spent, note=note)
                if spent >= total or time.monotonic() - self._saved > SAVE_EVERY_S:
                    means = {part: _mean(values) for part, values in recent.items()}
                    self._moments |= {names[each]: state for each, state in optimiser.state.items()}
                    self._save(
                        {"stage": stage.name, "spent_s": spent, "steps": steps, **means, **stage.exam()}
                    )
                    recent.clear()
                    steps = 0

    def _save(self, line: Line) -> None:
        self.log.append(line)
        print(json.dumps(line), flush=True)
        state = {"trainee": self.trainee.state_dict(), "moments": self._moments}
        with whole_file(self._folder / STATE) as part:
            torch.save({**state, "spent_s": self.spent_s, "log": self.log}, part)
        with whole_file(self._folder / LOG) as part:
            part.write_text("".join(json.dumps(line) + "\n" for line in self.log), encoding="utf-8")
        self._saved = time.monotonic()


def _step(optimiser: torch.optim.Optimizer, stage: Stage) -> dict[str, float]:
    losses = stage.losses()
    optimiser.zero_grad(set_to_none=True)
    losses.total.backward()
    torch.nn.utils.clip_grad_norm_(stage.trains, 1.0)
    optimiser.step()
    told = {part: value.item() for part, value in losses.parts.items()}
    if losses.right is not None:
        told["right"] = losses.right.float().mean().item()
    return told


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def rate(share: float, peak: float) -> float:
    """Warm-up, then a cosine down to LAST_RATE of the peak."""
    if share < WARMUP_SHARE:
        return peak * share / WARMUP_SHARE
    turn = math.cos(math.pi * min((share - WARMUP_SHARE) / (1 - WARMUP_SHARE), 1.0))
    return peak * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + turn))


def _mean(values: list[float]) -> float:
    return sum(values) / max(len(values), 1)
