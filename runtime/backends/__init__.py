"""Backends run a graph: one library a file, each with `open(path, graph, threads)`. They know no model.

`BACKENDS` in magno.runtime.encoder names them; a new one is one file and one line there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from magno.runtime.units import MagnoError


class EncoderError(MagnoError):
    """A graph that is not what the model wants, or arrays that are not what the graph wants."""


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a graph: float32, with a free batch in front."""

    name: str
    shape: tuple[int, ...]  # without the batch

    def __str__(self) -> str:
        return f"{self.name} (N, {', '.join(map(str, self.shape))}) float32"


@dataclass(frozen=True, slots=True)
class Graph:
    """What a model wants a graph to take and give."""

    inputs: tuple[Port, ...]
    output: Port


class Session(Protocol):
    """An opened graph. `infer` may be called from one thread at a time."""

    def infer(self, inputs: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]: ...

    def close(self) -> None: ...


class Backend(Protocol):
    """What a backend's module offers. `open` raises EncoderError when the file is not the graph."""

    def open(self, path: Path, graph: Graph, threads: int) -> Session: ...
