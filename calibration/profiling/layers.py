"""What one layer of a graph takes and moves, and how far that is from what the device can do. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from magno.calibration.profiling.roof import Roof

UNKNOWN_MODULE, NO_MODULE = "", "of no one module"


@dataclass(frozen=True, slots=True)
class Layer:
    """One operator as the backend runs it: what was fused is one layer."""

    name: str
    operator: str
    module: str  # of the checkpoint; "" where nothing says so
    times_ms: tuple[float, ...]  # one a run; none: the backend tells of the layer, but not its time
    flops: int
    weight_bytes: int
    activation_bytes: int  # read and written

    @property
    def label(self) -> str:
        """Its name, with its module where the name does not begin with it."""
        named = not self.module or self.name.startswith(self.module)
        return self.name if named else f"{self.module}: {self.name}"

    @property
    def median_ms(self) -> float:
        """What it is judged by: a run that something else disturbed does not move it."""
        return statistics.median(self.times_ms) if self.times_ms else 0.0

    @property
    def bytes(self) -> int:
        return self.weight_bytes + self.activation_bytes

    @property
    def intensity(self) -> float:
        """Operations a byte."""
        return self.flops / self.bytes if self.bytes else 0.0


# No slots: `total_ms` is kept once it is known.
@dataclass(frozen=True)
class GraphProfile:
    """All layers of one graph, in the order they run."""

    file: str
    batch: int
    runs: int
    run_ms: tuple[float, ...]  # whole runs without a profiler
    layers: tuple[Layer, ...]
    remark: str = ""  # what cannot be told, and why

    @cached_property
    def total_ms(self) -> float:
        """Of all layers, medians: what shares are of."""
        return sum(layer.median_ms for layer in self.layers)

    @property
    def flops(self) -> int:
        return sum(layer.flops for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        return sum(layer.weight_bytes for layer in self.layers)

    def share(self, layer: Layer) -> float:
        """0 to 1."""
        return layer.median_ms / self.total_ms if self.total_ms else 0.0

    def slowest(self, count: int = 10) -> list[Layer]:
        """By time; where no times are told, by operations."""
        return sorted(self.layers, key=lambda layer: (-layer.median_ms, -layer.flops))[:count]


@dataclass(frozen=True, slots=True)
class Group:
    """Layers that have something in common."""

    name: str
    layers: int
    median_ms: float  # the sum of its layers' medians
    share: float  # of the graph's, 0 to 1
    flops: int


def grouped(graph: GraphProfile, key: Callable[[Layer], str]) -> list[Group]:
    """Layers by what `key` says of them, the slowest group first."""
    groups: dict[str, list[Layer]] = defaultdict(list)
    for layer in graph.layers:
        groups[key(layer)].append(layer)
    found = [
        Group(
            name,
            len(some),
            sum(layer.median_ms for layer in some),
            sum(graph.share(layer) for layer in some),
            sum(layer.flops for layer in some),
        )
        for name, some in groups.items()
    ]
    return sorted(found, key=lambda group: -group.median_ms)


def block_of(layer: Layer) -> str:
    """The block that a module belongs to: its path up to the last number in it, or its first two names."""
    parts = layer.module.split(".")
    numbers = [at for at, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[: numbers[-1] + 1 if numbers else 2]) or NO_MODULE


def roof_share(layer: Layer, roof: Roof | None) -> float | None:
    """The time the device must take at least, by its roof, over the time it took: 1 is as fast as can be.

    None where there is nothing to compare: no roof, no time, or nothing read, written or computed.
    """
    if roof is None or layer.median_ms <= 0 or not (layer.bytes or layer.flops):
        return None
    return least_ms(layer, roof) / layer.median_ms


def least_ms(layer: Layer, roof: Roof) -> float:
    """By arithmetic or by bytes moved, whichever takes longer."""
    by_arithmetic = layer.flops / roof.flops_per_s
    by_bytes = layer.bytes / roof.bytes_per_s(layer.bytes)
    return 1000.0 * max(by_arithmetic, by_bytes)
