"""A float32 ONNX graph -> one whose products run in 8 bits, calibrated on real pictures (ONNX Runtime, Q/DQ nodes).

Matrix products alone: weights signed, by channel; their inputs unsigned, by tensor, which is what x86 multiplies
fastest. What reads a graph's inputs stays in float32: motion has long tails, and a first layer's error spreads
over everything.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from magno.export.errors import CheckpointError
from magno.export.graphs.graph_file import Arrays
from magno.export.weights.json_file import short

LEAST_BATCHES = 8  # with three, a picture left out came out at a cosine of -0.4
PRODUCTS = ["MatMul", "Gemm"]


def int8_onnx(path: Path, out: Path, batches: Sequence[Arrays]) -> None:
    """Write `path` in 8 bits. Raises CheckpointError with too little to calibrate on, or where it fails."""
    if len(batches) < LEAST_BATCHES:
        raise CheckpointError(
            f"{path.name} in INT8 wants {LEAST_BATCHES} real pictures or more to calibrate its ranges on, found "
            f"{len(batches)}: made-up or too few ones would spoil it silently. Give a longer --clip."
        )
    try:
        with _quiet(), tempfile.TemporaryDirectory(dir=out.parent) as folder:
            aside = Path(folder) / out.name
            quantize_static(
                str(path),
                str(aside),
                _Batches(batches),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=PRODUCTS,
                nodes_to_exclude=first_nodes(path),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                # A product is rounded where it goes in, not where it comes out.
                extra_options={"OpTypesToExcludeOutputQuantization": PRODUCTS},
            )
            aside.replace(out)
    except Exception as error:  # ONNX Runtime's quantiser raises many kinds
        raise CheckpointError(f"{path.name} wants to be quantised, found: {short(error)}.") from error


def first_nodes(path: Path) -> list[str]:
    """Names of the nodes that read the graph's inputs."""
    graph = onnx.load(path, load_external_data=False).graph
    inputs = {port.name for port in graph.input}
    return [node.name for node in graph.node if inputs.intersection(node.input)]


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    """Batches, one after another, as the quantiser asks for them."""

    def __init__(self, batches: Sequence[Arrays]) -> None:
        self._left = iter(batches)

    def get_next(self) -> Arrays | None:
        return next(self._left, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantiser's advice on the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
