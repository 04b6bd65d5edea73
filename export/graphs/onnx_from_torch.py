"""An encoder in torch -> vision.onnx or delta.onnx: projector inside, batch free, float32 at both ends.

Every node is named after the torch module it came from: tower.encoder.layers.3.mlp.fc1/linear_12.
"""

from __future__ import annotations

import ast
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from magno.export.errors import CheckpointError
from magno.export.graphs.inlined import write_inlined
from magno.export.graphs.precision import at_precision, without_weights
from magno.runtime.backends import Graph

# The first with GELU as one operator; ONNX Runtime 1.17 and TensorRT 10 both read it.
OPSET = 20
# The exporter's note on a node: the modules it lies in, outermost first.
NAME_SCOPES = "pkg.torch.onnx.name_scopes"
NO_MODULE = "_empty_nn_module_stack_from_metadata_hook"  # the exporter's word for an operation of no module
BATCH = torch.export.Dim("batch", min=1, max=1024)


def onnx_from_torch(module: nn.Module, graph: Graph, out: Path, precision: str = "fp32") -> None:
    """Write a module as `graph`, computing at a precision of `precision.PRECISIONS`.

    Raises CheckpointError for a model that torch or ONNX refuses, or a weight beyond the precision.
    """
    # Two in the example batch: a batch of one would be taken for a constant.
    example: tuple[Tensor, ...] = tuple(torch.zeros(2, *port.shape) for port in graph.inputs)
    try:
        with _plain_attention(), _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module.eval(),
                example,
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=[port.name for port in graph.inputs],
                output_names=[graph.output.name],
                dynamic_shapes=tuple({0: BATCH} for _ in example),
                external_data=False,
            )
            assert program is not None  # only the old exporter gives none
            _write(program, out, precision)
    except CheckpointError:
        raise
    except Exception as error:  # the exporter and the checker raise many kinds
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(
            f"{out.name} wants a model that torch can export, found: {lines[0][:300]}"
        ) from error


def _write(program: torch.onnx.ONNXProgram, out: Path, precision: str) -> None:
    """Weights pass through a file beside it: in memory they are the module's alone."""
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        aside = Path(folder) / out.name
        program.save(aside, external_data=True)
        model = onnx.load(aside, load_external_data=False)
        _name_by_module(model.graph)
        _strip(model)
        at_precision(model, precision)
        onnx.checker.check_model(without_weights(model), full_check=True)
        write_inlined(model, Path(folder), out)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Without nn.TransformerEncoder's fused path, which is one opaque operator that no ONNX has."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes on libraries that this model does not need."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _name_by_module(graph: onnx.GraphProto) -> None:
    """Node names become `module path/operation`, as `tower.encoder.layers.0.self_attn.q_proj/MatMul_7`: whatever runs
    or compares the graph can then say which module of the checkpoint it speaks of."""
    for node in graph.node:
        scopes = next((note.value for note in node.metadata_props if note.key == NAME_SCOPES), "[]")
        modules = [scope for scope in ast.literal_eval(scopes)[:-1] if scope and scope != NO_MODULE]
        operation = node.name.removeprefix("node_")  # unique in the graph
        node.name = f"{modules[-1]}/{operation}" if modules else operation


def _strip(message: Any) -> None:
    """Drop the exporter's notes: they hold paths of this machine, and make every export differ."""
    for name in ("metadata_props", "doc_string"):
        if name in message.DESCRIPTOR.fields_by_name:
            message.ClearField(name)
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for item in [value] if hasattr(value, "ListFields") else value:
            _strip(item)
