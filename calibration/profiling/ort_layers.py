"""The layers of one graph in ONNX Runtime: its own profiler's times, and what the graph it made of the file says."""

from __future__ import annotations

import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from magno.calibration.profiling.flops import flops
from magno.calibration.profiling.layers import UNKNOWN_MODULE, GraphProfile, Layer
from magno.calibration.profiling.onnx_graph import Node, OnnxGraph, read_graph
from magno.calibration.profiling.settings import Settings
from magno.runtime.backends import EncoderError
from magno.runtime.backends.ort import session_options
from magno.runtime.clock import NS_PER_MS, WallClock

US_PER_MS = 1000.0
KERNEL = "_kernel_time"  # what ONNX Runtime puts behind a node's name

Inputs = dict[str, NDArray[np.float32]]
Say = Callable[[str], None]


def profile_graph(path: Path, inputs: Inputs, settings: Settings, say: Say) -> GraphProfile:
    """Run one graph `settings.runs` times with the profiler, and as often without. Raises EncoderError."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            say(f"{path.name}: whole runs")
            run_ms = _whole_runs(path, inputs, settings)
            say(f"{path.name}: layers")
            events, optimized = _profiled(path, inputs, settings, Path(folder))
    except EncoderError:
        raise
    except Exception as error:  # onnxruntime's exceptions have no common base but Exception
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
        raise EncoderError(f"{path} wants to run with a profiler, found: {reason}.") from error
    layers = layers_of(events, optimized, read_graph(path), settings.warm_up)
    batch = len(next(iter(inputs.values())))
    return GraphProfile(path.name, batch, settings.runs, run_ms, tuple(layers))


def layers_of(
    events: Sequence[dict[str, Any]], optimized: OnnxGraph, original: OnnxGraph, warm_up: int
) -> list[Layer]:
    """ONNX Runtime's trace events -> layers, in the order they ran; the first `warm_up` times of each left out."""
    times: dict[str, list[float]] = defaultdict(list)
    told: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.get("cat") == "Node" and str(event.get("name", "")).endswith(KERNEL):
            name = event["name"].removesuffix(KERNEL)
            times[name].append(event["dur"] / US_PER_MS)
            told[name] = event["args"]
    producers = original.producers()
    return [
        _layer(name, tuple(times[name][warm_up:]), args, optimized, producers) for name, args in told.items()
    ]


def _whole_runs(path: Path, inputs: Inputs, settings: Settings) -> tuple[float, ...]:
    session = onnxruntime.InferenceSession(
        str(path), session_options(settings.encoder_threads), providers=["CPUExecutionProvider"]
    )
    clock, run_ms = WallClock(), []
    for _ in range(settings.warm_up + settings.runs):
        began_ns = clock.now_ns()
        session.run(None, inputs)
        run_ms.append((clock.now_ns() - began_ns) / NS_PER_MS)
    return tuple(run_ms[settings.warm_up :])


def _profiled(
    path: Path, inputs: Inputs, settings: Settings, folder: Path
) -> tuple[list[dict[str, Any]], OnnxGraph]:
    options = session_options(settings.encoder_threads)
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "events")
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    for _ in range(settings.warm_up + settings.runs):
        session.run(None, inputs)
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return events, read_graph(folder / "optimized.onnx")


def _layer(
    name: str,
    times_ms: tuple[float, ...],
    args: dict[str, Any],
    optimized: OnnxGraph,
    producers: dict[str, Node],
) -> Layer:
    node = optimized.nodes.get(name)
    shapes = _shapes(args.get("input_type_shape"))
    # A weight that was packed for the kernel is missing from the event's inputs, but not from the graph's.
    weights = (
        [optimized.weights[value].shape for value in node.inputs if value in optimized.weights]
        if node
        else []
    )
    packed = [shape for shape in weights if shape not in shapes]
    in_graph = optimized.weight_bytes(node) if node else 0
    return Layer(
        name=name,
        operator=str(args.get("op_name", "")),
        module=_module(name, node, producers),
        times_ms=times_ms,
        flops=flops(str(args.get("op_name", "")), shapes + packed, _shapes(args.get("output_type_shape"))),
        weight_bytes=max(in_graph, int(args.get("parameter_size", 0))),
        activation_bytes=int(args.get("activation_size", 0)) + int(args.get("output_size", 0)),
    )


def _shapes(told: Any) -> list[tuple[int, ...]]:
    """[{"float": [1, 64, 192]}, ...] -> the shapes."""
    return [tuple(shape) for one in told or () for shape in one.values()]


def _module(name: str, node: Node | None, producers: dict[str, Node]) -> str:
    """By the node's own name; else by the exported node that computed the value it is named after, gives or takes."""
    values = [name, *(node.outputs + node.inputs if node else ())]
    made_by = [producers[value].name for one in values if (value := _plain(one)) in producers]
    return next((module for each in [name, *made_by] if (module := module_of(each))), UNKNOWN_MODULE)


def module_of(node_name: str) -> str:
    """`tower.encoder.layers.0.mlp.fc1/MatMul_67` -> what is before the slash. What ONNX Runtime fuses it names
    `module/MatMul_67/MatMulScaleFusion/`, the module not always there."""
    module, slash, _ = re.sub(r"(/[^/]*/)+$", "", node_name).rpartition("/")
    return module if slash else UNKNOWN_MODULE


def _plain(value: str) -> str:
    """The exported name of a value that ONNX Runtime laid out otherwise."""
    return re.sub(r"(_nchwc|_token_\d+|_reorder)+$", "", value)
