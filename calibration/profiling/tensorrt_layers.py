"""The layers of one engine: what its inspector wrote beside it when it was built, and the times that the backend's
session tells by the library's own profiler. No library here.
"""

from __future__ import annotations

import importlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from magno.calibration.profiling.flops import flops
from magno.calibration.profiling.layers import GraphProfile, Layer
from magno.calibration.profiling.onnx_graph import OnnxGraph, read_graph
from magno.calibration.profiling.ort_layers import Inputs, Say, module_of
from magno.calibration.profiling.settings import ProfileError, Settings
from magno.runtime.backends.engine_file import ENGINES
from magno.runtime.bundle import MANIFEST, VISION, parse_manifest
from magno.runtime.encoder import BACKENDS, delta_graph, vision_graph

LIMIT_BYTES = 64 << 20
ONNX_LAYER = re.compile(
    r"\[ONNX Layer: ([^\]]*)\]"
)  # in a layer's metadata, once for each node that became part of it
OPERATORS = {
    "MATRIX_MULTIPLY": "MatMul",
    "MatrixMultiply": "MatMul",
    "CONVOLUTION": "Conv",
    "CaskConvolution": "Conv",
}
MOVES = {
    "SHUFFLE": "Reshape",
    "Shuffle": "Reshape",
    "CONSTANT": "Constant",
    "Constant": "Constant",
    "Reformat": "Cast",
}
BYTES = (
    ("Int64", 8),
    ("INT64", 8),
    ("Half", 2),
    ("HALF", 2),
    ("FP16", 2),
    ("BF", 2),
    ("Int8", 1),
    ("INT8", 1),
)
REMARK = "Layers as the inspector tells them; the profiler told no time of any."


def profile_graph(path: Path, inputs: Inputs, settings: Settings, say: Say) -> GraphProfile:
    """What is known of the engine of `path`, a bundle's graph. Raises ProfileError."""
    say(f"{path.name}: the engine's layers")
    found = sorted((path.parent / ENGINES).glob(f"*.{settings.backend}/{path.stem}.layers.json"))
    if not found:
        raise ProfileError(
            f"{path.parent} wants the layers of an engine of {path.name}, found none. "
            f"Run: magno build {path.parent} --engine {settings.backend}."
        )
    layers = layers_of(read_layers(found[0]), read_graph(path), _times_ms(path, inputs, settings))
    remark = "" if any(layer.times_ms for layer in layers) else REMARK
    return GraphProfile(path.name, len(next(iter(inputs.values()))), settings.runs, (), tuple(layers), remark)


def _times_ms(path: Path, inputs: Inputs, settings: Settings) -> dict[str, tuple[float, ...]]:
    """By layer, one a run after the first `warm_up`. Raises EncoderError where the engine does not run here."""
    spec = parse_manifest((path.parent / MANIFEST).read_bytes()).model
    graph = vision_graph(spec) if path.name == VISION else delta_graph(spec)
    backend = importlib.import_module(BACKENDS[settings.backend])
    session = backend.open(path, graph, settings.encoder_threads)
    try:
        told = session.layer_times_ms(inputs, settings.warm_up + settings.runs)
    finally:
        session.close()
    return {name: tuple(times[settings.warm_up :]) for name, times in told.items()}


def read_layers(path: Path) -> list[dict[str, Any]]:
    """The list under "Layers"; a library that tells names alone gives these as text. Raises ProfileError."""
    try:
        if path.stat().st_size > LIMIT_BYTES:
            raise ValueError(f"more than {LIMIT_BYTES} bytes")
        layers = json.loads(path.read_text(encoding="utf-8"))["Layers"]
        return [layer if isinstance(layer, dict) else {"Name": str(layer)} for layer in layers]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProfileError(
            f"{path} wants to be an engine's layers, found: {str(error)[:160]!r}. Build the engine again."
        ) from error


def layers_of(
    told: list[dict[str, Any]], graph: OnnxGraph, times_ms: Mapping[str, tuple[float, ...]]
) -> list[Layer]:
    """The inspector's layers, with the weights of the graph's nodes that became part of each, and their times; then
    what was timed and the inspector does not tell of."""
    known = {str(one.get("Name", "")) for one in told}
    others = [{"Name": name} for name in times_ms if name not in known]
    layers = [_layer(one, graph) for one in [*told, *others]]
    return [replace(layer, times_ms=times_ms.get(layer.name, ())) for layer in layers]


def _layer(told: dict[str, Any], graph: OnnxGraph) -> Layer:
    name, kind = str(told.get("Name", "")), str(told.get("LayerType", ""))
    nodes = [
        graph.nodes[node] for node in ONNX_LAYER.findall(str(told.get("Metadata", ""))) if node in graph.nodes
    ]
    weights = [graph.weights[value] for node in nodes for value in node.inputs if value in graph.weights]
    read, written = (_tensors(told.get(side)) for side in ("Inputs", "Outputs"))
    shapes = [shape for shape, _ in read]
    modules = [module_of(each) for each in (name, *(node.name for node in nodes))]
    return Layer(
        name=name,
        operator=kind,
        module=next((module for module in modules if module), ""),
        times_ms=(),
        flops=flops(
            OPERATORS.get(kind, MOVES.get(kind, kind)),
            shapes + [weight.shape for weight in weights],
            [shape for shape, _ in written],
        ),
        weight_bytes=sum(weight.bytes for weight in weights),
        activation_bytes=sum(size for _, size in read + written)
        if kind not in ("CONSTANT", "Constant")
        else 0,
    )


def _tensors(told: Any) -> list[tuple[tuple[int, ...], int]]:
    """Shape and bytes of each; a size that is free counts as one."""
    found = []
    for tensor in told if isinstance(told, list) else ():
        if isinstance(tensor, dict) and isinstance(tensor.get("Dimensions"), list):
            shape = tuple(max(1, size) for size in tensor["Dimensions"] if isinstance(size, int))
            kind = str(tensor.get("Format/Datatype", ""))
            each = next((size for word, size in BYTES if word in kind), 4)
            found.append((shape, math.prod(shape) * each))
    return found
