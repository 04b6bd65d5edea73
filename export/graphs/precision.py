"""A float32 ONNX graph -> the same graph in half precision, wherever half precision is enough. Knows no model.

Matrix products and convolutions run in half precision: they are where the time goes, and hardware sums them up in
float32. Softmax, normalisations, sums and transcendental functions stay in float32, as does every operator not
listed here; what only moves or joins numbers follows its inputs. Types change at Cast nodes alone, so that a
strongly typed TensorRT network takes the graph as it stands. Inputs and outputs of the graph stay float32.
"""

from __future__ import annotations

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from magno.export.errors import CheckpointError
from magno.export.graphs.half import half_bytes
from magno.export.graphs.inlined import is_outside

PRECISIONS = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
# Before opset 22 there is no convolution in bfloat16.
IN_HALF = {"fp16": frozenset({"Conv", "Gemm", "MatMul"}), "bf16": frozenset({"Gemm", "MatMul"})}
FOLLOWING = frozenset(
    {"Add", "Sub", "Mul", "Div", "Neg", "Relu", "Where"}
    | {"Concat", "Expand", "Flatten", "Gather", "Identity", "Pad", "Reshape"}
    | {"Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"}
)


def at_precision(model: ModelProto, precision: str) -> None:
    """Change a float32 graph in place. Raises CheckpointError naming what half precision cannot hold."""
    if precision not in PRECISIONS:
        raise CheckpointError(
            f"--precision wants one of {', '.join(PRECISIONS)}, found {precision[:40]!r}. Name one of them."
        )
    if precision != "fp32":
        _Halving(model, precision).run()


class _Halving:
    """One pass over a graph. A value has the type its producer gave it; whoever wants another one casts it."""

    def __init__(self, model: ModelProto, precision: str) -> None:
        self._graph: GraphProto = model.graph
        self._half, self._in_half = PRECISIONS[precision], IN_HALF[precision]
        _lift_constants(self._graph)
        self._floats = float_values(model)
        self._weights = {tensor.name: tensor for tensor in self._graph.initializer}
        self._halves: set[str] = set()  # computed values that are in half precision
        self._nodes: list[NodeProto] = []
        self._cast: dict[str, str] = {}  # value -> itself in the other type
        self._weights_used: set[tuple[str, bool]] = set()  # name, whether in half precision

    def run(self) -> None:
        for node in self._graph.node:
            self._add(node)
        self._restore_outputs()
        self._store_weights()
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        for info in self._graph.value_info:
            if info.name in self._halves:
                info.type.tensor_type.elem_type = self._half

    def _add(self, node: NodeProto) -> None:
        if any(a.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for a in node.attribute):
            raise CheckpointError(
                f"Half precision wants a graph without branches, found {node.op_type} {node.name}: use fp32."
            )
        in_half = self._runs_in_half(node)
        for at, name in enumerate(node.input):
            if name in self._floats:
                node.input[at] = self._typed(name, in_half)
        if in_half:
            self._halves.update(name for name in node.output if name in self._floats)
        self._nodes.append(node)

    def _runs_in_half(self, node: NodeProto) -> bool:
        if node.op_type in self._in_half:
            return True
        computed = [name for name in node.input if name in self._floats and name not in self._weights]
        return node.op_type in FOLLOWING and self._halves.issuperset(computed)

    def _typed(self, name: str, in_half: bool) -> str:
        """The name under which a value is to be had in this type."""
        if name in self._weights:
            self._weights_used.add((name, in_half))
            return self._half_name(name) if in_half else name
        if (name in self._halves) == in_half:
            return name
        if name not in self._cast:
            to = self._half if in_half else TensorProto.FLOAT
            self._cast[name] = f"{name}_{TensorProto.DataType.Name(to).lower()}"
            self._nodes.append(_cast(name, self._cast[name], to))
        return self._cast[name]

    def _half_name(self, name: str) -> str:
        return f"{name}_half"

    def _restore_outputs(self) -> None:
        for output in self._graph.output:
            if output.name not in self._halves:
                continue
            inner = self._half_name(output.name)
            for node in self._nodes:
                for names in (node.input, node.output):
                    for at, name in enumerate(names):
                        if name == output.name:
                            names[at] = inner
            self._nodes.append(_cast(inner, output.name, TensorProto.FLOAT))

    def _store_weights(self) -> None:
        kept: list[TensorProto] = []
        for name, tensor in self._weights.items():
            if (name, True) in self._weights_used:
                kept.append(_in_half(tensor, self._half_name(name), self._half))
            if (name, False) in self._weights_used or name not in self._floats:
                kept.append(tensor)
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)
        names = {tensor.name for tensor in kept}
        told = [
            info for info in self._graph.value_info if info.name in names or info.name not in self._weights
        ]
        del self._graph.value_info[:]
        self._graph.value_info.extend(told)


def float_values(model: ModelProto) -> set[str]:
    """Names of all float32 values of a graph, weights and inputs among them."""
    inferred = onnx.shape_inference.infer_shapes(without_weights(model)).graph
    told = [*inferred.input, *inferred.value_info, *inferred.output, *model.graph.value_info]
    return {info.name for info in told if info.type.tensor_type.elem_type == TensorProto.FLOAT}


def without_weights(model: ModelProto) -> ModelProto:
    """The same graph with its weights as inputs: what is well-formed, and which type a value has, hang on no weight's
    numbers, and inference copies what it is given."""
    skeleton = ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    skeleton.graph.name = model.graph.name
    skeleton.graph.node.extend(model.graph.node)
    skeleton.graph.output.extend(model.graph.output)
    skeleton.graph.input.extend(model.graph.input)
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.INT64 and not is_outside(tensor):
            skeleton.graph.initializer.append(tensor)
        else:
            info = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            skeleton.graph.input.append(info)
    return skeleton


def _lift_constants(graph: GraphProto) -> None:
    """Constant nodes become weights: they have no inputs that they could follow."""
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        for attribute in node.attribute:
            if attribute.name == "value":
                tensor = graph.initializer.add()
                tensor.CopyFrom(attribute.t)
                tensor.name = node.output[0]
                graph.node.remove(node)


def _cast(name: str, result: str, to: int) -> NodeProto:
    return helper.make_node("Cast", [name], [result], name=f"{name}/cast_{result.rpartition('_')[2]}", to=to)


def _in_half(tensor: TensorProto, name: str, half: int) -> TensorProto:
    if is_outside(tensor):  # rounded when it is written
        outside = TensorProto()
        outside.CopyFrom(tensor)
        outside.name, outside.data_type = name, half
        return outside
    raw = half_bytes(numpy_helper.to_array(tensor), tensor.name, half)
    return TensorProto(name=name, data_type=half, dims=tensor.dims, raw_data=raw)
