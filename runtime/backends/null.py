"""The null backend: zeros of the right shape, from no library and no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from magno.runtime.backends import Graph


class NullSession:
    """Answers every batch with zeros."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def infer(self, inputs: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        batch = len(next(iter(inputs.values())))
        return np.zeros((batch, *self._graph.output.shape), np.float32)

    def close(self) -> None:
        """There is nothing to release."""


def open(path: Path, graph: Graph, threads: int) -> NullSession:
    return NullSession(graph)
