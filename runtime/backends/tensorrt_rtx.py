"""TensorRT for RTX: the same API and code as TensorRT, under its own name; its engines are compiled when opened."""

from __future__ import annotations

from pathlib import Path

from magno.runtime.backends import Graph
from magno.runtime.backends.tensorrt import open_flavour
from magno.runtime.backends.tensorrt_session import TensorRtSession


def open(path: Path, graph: Graph, threads: int) -> TensorRtSession:
    """As magno.runtime.backends.tensorrt.open."""
    return open_flavour("tensorrt-rtx", path, graph)
