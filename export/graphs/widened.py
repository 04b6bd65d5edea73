"""A bfloat16 ONNX graph -> one that any CPU runs: every operator in float32, every result rounded to bfloat16.

ONNX Runtime has no bfloat16 kernels on the CPU. What this shows is what the graph's rounding costs, with sums in
float32 as tensor cores have them; it does not show that a device's kernels are right, nor how fast they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from magno.export.graphs.half import BF16_SHIFT

TELLING_SIZES = ("Shape", "Size")  # whose results are integers


def is_bfloat16(model: ModelProto) -> bool:
    """Whether a graph computes anything in bfloat16."""
    return any(_cast_to(node) == TensorProto.BFLOAT16 for node in model.graph.node)


def widen(model: ModelProto) -> None:
    """Change a bfloat16 graph in place; a graph without bfloat16 stays as it is."""
    graph = model.graph
    narrow = {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.BFLOAT16}
    for tensor in graph.initializer:
        if tensor.name in narrow:
            tensor.CopyFrom(numpy_helper.from_array(_exact(tensor), tensor.name))
    # From here on every value is float32, and those that were bfloat16 hold numbers that bfloat16 can hold.
    nodes: list[NodeProto] = []
    for node in graph.node:
        to = _cast_to(node)
        if to == TensorProto.BFLOAT16:
            narrow.add(node.output[0])
            nodes += _rounding(node.input[0], node.output[0], node.name)
        elif to == TensorProto.FLOAT and node.input[0] in narrow:
            nodes.append(helper.make_node("Identity", node.input, node.output, name=node.name))
        elif to is None and node.op_type not in TELLING_SIZES and narrow.intersection(node.input):
            narrow.update(node.output)
            nodes += _rounded(node)
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]


def _rounded(node: NodeProto) -> list[NodeProto]:
    """A node in float32, and the rounding of its results."""
    results = list(node.output)
    node.output[:] = [f"{name}_wide" for name in results]
    pairs = zip(node.output, results, strict=True)
    return [node, *(step for wide, name in pairs for step in _rounding(wide, name, f"{node.name}/{name}"))]


def _rounding(name: str, result: str, where: str) -> list[NodeProto]:
    narrow = f"{result}_rounded"
    return [
        helper.make_node("Cast", [name], [narrow], name=f"{where}/round", to=TensorProto.BFLOAT16),
        helper.make_node("Cast", [narrow], [result], name=f"{where}/widen", to=TensorProto.FLOAT),
    ]


def _cast_to(node: NodeProto) -> int | None:
    if node.op_type != "Cast":
        return None
    return next(int(attribute.i) for attribute in node.attribute if attribute.name == "to")


def _exact(tensor: TensorProto) -> NDArray[np.float32]:
    bits = np.frombuffer(tensor.raw_data, "<u2").astype(np.uint32) << BF16_SHIFT
    return bits.view(np.float32).reshape(tuple(tensor.dims))
