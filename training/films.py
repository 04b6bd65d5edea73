"""What films a training set is made of: of each kind, which stories and which pixels. A table. Pure.

Ordinary films tell every story, most of them directions. What they tell seldom is learned by heart (LOG.md), so two
more kinds tell that alone.
"""

from __future__ import annotations

import numpy as np

from magno.training.scenes.compose import Recipe
from magno.training.scenes.plots import random_plot

ORDINARY, EVENTFUL, SCARCE = "ordinary", "eventful", "scarce"
DEGRADED_SHARE = 0.15  # of all kinds
PLOTS = {
    # Things start, stop, appear, race or are many.
    EVENTFUL: {"halt": 0.26, "order": 0.2, "arrival": 0.18, "race": 0.15, "crowd": 0.15, "departure": 0.06},
    # Of 10,000 films of the other kinds 235 had a diagonal, and as many one who moves away.
    SCARCE: {
        "diagonal": 0.32,
        "growth": 0.2,
        "crowd": 0.16,
        "camera": 0.12,
        "two": 0.08,
        "one": 0.06,
        "race": 0.06,
    },
}
REAL_SHARE = 0.5  # of scarce films: real things over photographs
REAL_THINGS = 0.6  # of what these show


def recipe(kind: str, seed: int, rng: np.random.Generator) -> Recipe:
    """What film this seed of a kind is; `rng` says whether it is degraded."""
    degraded = bool(rng.random() < DEGRADED_SHARE)
    if kind == ORDINARY:
        return Recipe(degraded=degraded)
    chance = np.random.default_rng((seed, 9))
    plot = random_plot(chance, PLOTS[kind])
    if kind == SCARCE and chance.random() < REAL_SHARE:
        return Recipe(plot, kinds=("photograph",), real=REAL_THINGS, degraded=degraded)
    return Recipe(plot, degraded=degraded)
