"""Which layer is the first at which two ways of running a model part? Found by halving, not by reading every layer.

Cosines are of whole tensors: a row of nearly nothing has no direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from torch import Tensor, nn

from magno.export.graphs.graph_file import Arrays, float_results, values

WIDTH = 32  # points read at once

Probe = Callable[[Sequence[str]], Mapping[str, float]]  # cosines of those points that can be compared


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where a comparison first falls below its gate."""

    layer: str
    cosine: float

    def __str__(self) -> str:
        return f"first at {self.layer}, cosine {self.cosine:.6f}"


def first_below(points: Sequence[str], gate: float, probe: Probe) -> Divergence | None:
    """The first of `points`, in the order of the data, whose cosine is below `gate`; None: none of those read is.

    Divergence is taken to last once it is there: only a share of the points is read.
    """
    low, high, found = 0, len(points), None
    while low < high:
        places = sorted(
            {low + math.ceil((high - low) * n / WIDTH) - 1 for n in range(1, WIDTH + 1)} - {low - 1}
        )
        cosines = probe([points[place] for place in places])
        bad = next((place for place in places if not cosines.get(points[place], 1.0) >= gate), None)
        if bad is None:
            return found
        found = Divergence(points[bad], cosines[points[bad]])
        low, high = max((place + 1 for place in places if place < bad), default=low), bad
    return found


def between_graphs(reference: ModelProto, other: ModelProto, batch: Arrays, gate: float) -> Divergence | None:
    """Two ONNX graphs of the same nodes, at two precisions."""
    shared = float_results(other)
    nodes = {value: node for value, node in float_results(reference).items() if value in shared}

    def probe(names: Sequence[str]) -> dict[str, float]:
        wanted, found = values(reference, names, batch), values(other, names, batch)
        return {name: cosine(wanted[name], found[name]) for name in wanted.keys() & found.keys()}

    below = first_below(list(nodes), gate, probe)
    return Divergence(nodes[below.layer], below.cosine) if below else None


def from_torch(module: nn.Module, graph: ModelProto, batch: Arrays, gate: float) -> Divergence | None:
    """A torch module and its ONNX graph, whose nodes are named after the modules within."""
    results = module_results(graph)
    known = dict(module.named_modules())

    def probe(names: Sequence[str]) -> dict[str, float]:
        wanted = _outputs({name: known[name] for name in names}, module, batch)
        found = values(graph, [results[name] for name in names], batch)
        pairs = {name: (wanted.get(name), found.get(results[name])) for name in names}
        return {
            name: cosine(a, b)
            for name, (a, b) in pairs.items()
            if a is not None and b is not None and a.shape == b.shape
        }

    return first_below([name for name in results if name in known], gate, probe)


def module_results(graph: ModelProto) -> dict[str, str]:
    """Path of a torch module -> the last value computed in it, in the order of the data."""
    results: dict[str, str] = {}
    for value, node in float_results(graph).items():
        parts = node.rpartition("/")[0].split(".")
        for depth in range(1, len(parts) + 1):
            path = ".".join(parts[:depth])
            results.pop(path, None)
            results[path] = value
    # A module ends with the last of those within it: the deeper comes first.
    order = {value: place for place, value in enumerate(float_results(graph))}
    return dict(sorted(results.items(), key=lambda item: (order[item[1]], -item[0].count("."))))


def cosine(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Of two tensors as a whole; NaN where either is not finite."""
    a, b = wanted.ravel().astype(np.float64), found.ravel().astype(np.float64)
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    if size == 0.0:
        return 1.0 if not a.any() and not b.any() else 0.0
    with np.errstate(invalid="ignore"):
        return float(a @ b / size)


def _outputs(
    chosen: Mapping[str, nn.Module], module: nn.Module, batch: Arrays
) -> dict[str, NDArray[np.float32]]:
    """What each of the chosen modules gives while the whole runs."""
    seen: dict[str, NDArray[np.float32]] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            if isinstance(first, Tensor):
                seen[name] = first.detach().numpy()

        return hook

    hooks = [part.register_forward_hook(keep(name)) for name, part in chosen.items()]
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # which runs a layer whole, without its parts
    try:
        with torch.no_grad():
            module(*(torch.from_numpy(array) for array in batch.values()))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for hook in hooks:
            hook.remove()
    return seen
