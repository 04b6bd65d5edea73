"""Two charts as inline SVG: times of stages on a logarithmic axis, and layers under the device's roof. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from magno.calibration.profiling.layers import GraphProfile, Layer
from magno.calibration.profiling.roof import Roof
from magno.calibration.profiling.stages import Stage

WIDTH, LEFT, RIGHT = 1000, 150, 30
ROW, TOP, FOOT = 30, 12, 42
ROOF_HEIGHT, LEAST_RADIUS, MOST_RADIUS = 380, 3.0, 26.0
Scale = Callable[[float], float]


def stages_chart(stages: Sequence[Stage]) -> str:
    """A row a stage: a dot at the median, a band to the 99th percentile, a stroke at the longest."""
    height = TOP + ROW * len(stages) + FOOT
    times = [ms for stage in stages for ms in (stage.spread.p50_ms, stage.spread.max_ms)]
    low, high = _decades(times)
    x = _log_scale(low, high, LEFT, WIDTH - RIGHT)
    parts = [_grid(x, low, high, (TOP, height - FOOT), "ms")]
    for row, stage in enumerate(stages):
        y, took = TOP + ROW * row + ROW / 2, stage.spread
        p50, p99, most = x(took.p50_ms), x(took.p99_ms), x(took.max_ms)
        parts.append(
            f"<g><title>{escape(stage.name)}, of a {stage.per}: median {took.p50_ms:.3f}, 95 % {took.p95_ms:.3f}, "
            f"99 % {took.p99_ms:.3f}, longest {took.max_ms:.3f} ms, {took.count} times</title>"
            f'<text x="{LEFT - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(stage.name)}</text>'
            f'<line class="faint" x1="{p50:.1f}" x2="{p99:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<line class="max" x1="{most:.1f}" x2="{most:.1f}" y1="{y - 7:.1f}" y2="{y + 7:.1f}"/>'
            f'<circle class="main" cx="{p50:.1f}" cy="{y:.1f}" r="5"/></g>'
        )
    return _svg(height, parts, "Times of each stage")


def roof_chart(graph: GraphProfile, roof: Roof) -> str:
    """Layers by operations a byte and by operations a second; a circle's area is its share of the time."""
    layers = [layer for layer in graph.layers if layer.flops and layer.bytes and layer.median_ms > 0]
    if not layers:
        return ""
    reached = [_flops_per_s(layer) for layer in layers]
    ridge = roof.flops_per_s / roof.memory_bytes_per_s
    low_x, high_x = _decades([*(layer.intensity for layer in layers), ridge * 2])
    low_y, high_y = _decades([*reached, roof.flops_per_s])
    x = _log_scale(low_x, high_x, LEFT, WIDTH - RIGHT)
    y = _log_scale(low_y, high_y, ROOF_HEIGHT - FOOT, TOP)
    parts = [
        _grid(x, low_x, high_x, (TOP, ROOF_HEIGHT - FOOT), "operations a byte"),
        _levels(y, low_y, high_y),
    ]
    parts.append(_roof_line(roof, (low_x, high_x), low_y, (x, y)))
    for layer, rate in sorted(zip(layers, reached, strict=True), key=lambda pair: -pair[0].median_ms):
        radius = max(LEAST_RADIUS, MOST_RADIUS * math.sqrt(graph.share(layer) / 0.1))
        parts.append(
            f'<circle class="layer" cx="{x(layer.intensity):.1f}" cy="{y(rate):.1f}" r="{min(radius, 40):.1f}"><title>'
            f"{escape(layer.name)} ({escape(layer.operator)}): {layer.median_ms:.3f} ms, {graph.share(layer):.1%} of "
            f"the time, {rate / 1e9:.1f} GFLOP/s at {layer.intensity:.1f} operations a byte</title></circle>"
        )
    return _svg(ROOF_HEIGHT, parts, f"Layers of {graph.file} under the roof")


def _flops_per_s(layer: Layer) -> float:
    return 1000.0 * layer.flops / layer.median_ms


def _roof_line(roof: Roof, span: tuple[float, float], low_y: float, scales: tuple[Scale, Scale]) -> str:
    """From memory's slope to the flat of arithmetic; dashed: the slope of the fastest cache."""
    (low, high), (x, y) = span, scales
    lines = []
    for rate, dash in (
        (roof.memory_bytes_per_s, ""),
        (max(rate for _, rate in roof.copies), ' stroke-dasharray="5 5"'),
    ):
        begin = max(low, low_y / rate)
        ridge = min(max(roof.flops_per_s / rate, begin), high)
        points = [(begin, begin * rate), (ridge, ridge * rate), (high, roof.flops_per_s)]
        drawn = " ".join(f"{x(at):.1f},{y(min(value, roof.flops_per_s)):.1f}" for at, value in points)
        lines.append(f'<polyline class="limit" points="{drawn}"{dash}/>')
    label = f'<text class="soft" x="{x(high) - 4:.1f}" y="{y(roof.flops_per_s) - 6:.1f}" text-anchor="end">'
    return "".join(lines) + f"{label}{roof.flops_per_s / 1e9:.0f} GFLOP/s</text>"


def _levels(y: Scale, low: float, high: float) -> str:
    lines = []
    for value in _powers(low, high):
        lines.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        )
        text = f"{value / 1e9:g} GFLOP/s"
        lines.append(
            f'<text class="soft" x="{LEFT - 12}" y="{y(value) + 4:.1f}" text-anchor="end">{text}</text>'
        )
    return "".join(lines)


def _grid(x: Scale, low: float, high: float, rows: tuple[float, float], unit: str) -> str:
    lines = []
    for value in _powers(low, high):
        at = f"{x(value):.1f}"
        lines.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{rows[0]}" y2="{rows[1]}"/>')
        lines.append(f'<text class="soft" x="{at}" y="{rows[1] + 18}" text-anchor="middle">{value:g}</text>')
    return "".join(lines) + (
        f'<text class="soft" x="{WIDTH - RIGHT}" y="{rows[1] + 32}" text-anchor="end">{unit}</text>'
    )


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """The whole powers of ten around all that is above zero."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def _powers(low: float, high: float) -> list[float]:
    return [10.0**power for power in range(round(math.log10(low)), round(math.log10(high)) + 1)]


def _log_scale(low: float, high: float, begin: float, end: float) -> Scale:
    span = math.log10(high / low)
    return lambda value: begin + (end - begin) * min(1.0, max(0.0, math.log10(max(value, low) / low) / span))


def _svg(height: float, parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
