"""Run an encoder's ONNX file on the CPU at whatever precision it has, and read any value inside it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from magno.export.graphs.precision import PRECISIONS
from magno.export.graphs.widened import widen
from magno.runtime.backends import EncoderError, Graph, Session, ort
from magno.runtime.backends.onnx_file import read_self_contained

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class GraphFile:
    """vision.onnx or delta.onnx, and what it is."""

    path: Path
    graph: Graph
    precision: str  # of PRECISIONS

    def run(self, batches: Sequence[Arrays], threads: int = 1) -> NDArray[np.float32]:
        """Tokens (n, rows, embed_dim) of all batches, through the runtime's own backend. Raises EncoderError."""
        with self._session(threads) as session:
            return np.concatenate([session.infer(batch) for batch in batches])

    def check(self) -> None:
        """That it is well-formed ONNX with everything inside. Raises EncoderError."""
        read_self_contained(self.path)
        try:
            onnx.checker.check_model(str(self.path), full_check=True)
        except Exception as error:  # the checker raises many kinds
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise EncoderError(f"{self.path} wants to be valid ONNX, found: {lines[0][:300]}") from error

    def load(self) -> ModelProto:
        """As any CPU runs it. Raises EncoderError."""
        model = onnx.load_model_from_string(read_self_contained(self.path))
        if self.precision == "bf16":  # of which ONNX Runtime has no kernels on the CPU
            widen(model)
        return model

    @contextmanager
    def _session(self, threads: int) -> Iterator[Session]:
        with tempfile.TemporaryDirectory() as folder:
            path = self.path
            if self.precision == "bf16":
                path = Path(folder) / self.path.name
                onnx.save(self.load(), path)
            session = ort.open(path, self.graph, threads)
            try:
                yield session
            finally:
                session.close()


def values(model: ModelProto, names: Sequence[str], batch: Arrays) -> Arrays:
    """Computed values of a graph as float32; those that are no floating-point numbers are left out."""
    outputs = list(model.graph.output)
    del model.graph.output[:]
    # A type of its own would have to be inferred; ONNX Runtime does that.
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ort.QUIET
        # As it stands: fused, the values asked for might not be there, nor be those of the whole.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        found = session.run(list(names), batch)
    finally:
        del model.graph.output[:]
        model.graph.output.extend(outputs)
    return {
        name: value.astype(np.float32)
        for name, value in zip(names, found, strict=True)
        if value.dtype in (np.float32, np.float16)
    }


def precision_of(model: ModelProto) -> str:
    """The lowest that a graph computes in."""
    types = {tensor.data_type for tensor in model.graph.initializer}
    for name in ("bf16", "fp16"):
        if PRECISIONS[name] in types:
            return name
    return "fp32"


def float_results(model: ModelProto) -> dict[str, str]:
    """Names of a graph's values that nodes compute, in their order -> the name of the node."""
    integers = {info.name for info in model.graph.value_info if _type(info) == TensorProto.INT64}
    return {node.output[0]: node.name for node in model.graph.node if node.output[0] not in integers}


def _type(info: onnx.ValueInfoProto) -> int:
    return int(info.type.tensor_type.elem_type)
