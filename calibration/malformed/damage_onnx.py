"""Damage to an ONNX file by someone who knows the format: weights elsewhere, sizes that lie, graphs without
end. Pure."""

from __future__ import annotations

from collections.abc import Callable

import onnx
from onnx import ModelProto, TensorProto

from magno.calibration.malformed.damage import Damager, Rng, choice

SIZES = (0, -1, 1, 1 << 20, 1 << 40, (1 << 63) - 1)
ELSEWHERE = (
    "../../../../etc/passwd",
    "/etc/passwd",
    "weights.bin",
    "",
    "x" * 5000,
    "http://127.0.0.1/weights",
)
DEEP = 300
Change = Callable[[ModelProto, Rng], bool]  # changes the model; whether it must be refused


def _weights_elsewhere(model: ModelProto, rng: Rng) -> bool:
    tensor = _weight(model, rng)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    for key, value in (("location", choice(rng, ELSEWHERE)), ("offset", "0"), ("length", str(1 << 40))):
        tensor.external_data.add(key=key, value=str(value))
    return True


def _wrong_dims(model: ModelProto, rng: Rng) -> bool:
    tensor = _weight(model, rng)
    before = list(tensor.dims)
    tensor.dims[int(rng.integers(len(tensor.dims)))] = choice(rng, SIZES)
    return list(tensor.dims) != before


def _wrong_ports(model: ModelProto, rng: Rng) -> bool:
    """Another name; or another size, which of an output is a mere remark: the graph itself says what it gives."""
    is_input = rng.random() < 0.5
    port = model.graph.input[0] if is_input else model.graph.output[0]
    if rng.random() < 0.3:
        port.name += "x"
        return True
    dim = port.type.tensor_type.shape.dim[int(rng.integers(1, len(port.type.tensor_type.shape.dim)))]
    dim.dim_value = int(choice(rng, [0, -1, dim.dim_value + 1, 1 << 40, (1 << 63) - 1]))
    return is_input


def _other_operators(model: ModelProto, rng: Rng) -> bool:
    node = _node(model, rng)
    if rng.random() < 0.5:
        node.domain = str(choice(rng, ["evil.ops", "ai.onnx.ml", "x" * 5000]))
    else:
        node.op_type = str(choice(rng, ["Evil", "", "Loop", "x" * 5000]))
    return True


def _wrong_wires(model: ModelProto, rng: Rng) -> bool:
    """A node reads what nobody makes, what comes later, or nothing; or makes what another makes."""
    node = _node(model, rng)
    later = model.graph.node[-1].output[0]
    made = model.graph.node[0].output[0]
    if rng.random() < 0.6 and node.input:
        node.input[int(rng.integers(len(node.input)))] = str(choice(rng, ["nobody", later, ""]))
    else:
        node.output[0] = str(choice(rng, ["nowhere", made, ""]))
    return False


def _huge_fill(model: ModelProto, rng: Rng) -> bool:
    """A node that fills petabytes, whether or not another reads them."""
    shape = onnx.helper.make_tensor("huge_shape", TensorProto.INT64, [2], [1 << 25, 1 << 25])
    model.graph.initializer.append(shape)
    node = onnx.helper.make_node("ConstantOfShape", ["huge_shape"], ["huge"], name="huge")
    model.graph.node.insert(0, node)
    if rng.random() < 0.5:
        model.graph.output.append(onnx.helper.make_tensor_value_info("huge", TensorProto.FLOAT, None))
        return True
    return False


def _other_opset(model: ModelProto, rng: Rng) -> bool:
    model.opset_import[0].version = int(choice(rng, [0, -1, 1, 999, 1 << 40]))
    return False


def _not_finite(model: ModelProto, rng: Rng) -> bool:
    """A weight that is NaN: the graph loads, and its tokens are refused where they come out as NaN."""
    tensor = _weight(model, rng)
    data = bytearray(tensor.raw_data)
    data[0:4] = b"\x00\x00\xc0\x7f"
    tensor.raw_data = bytes(data)
    return False


def _shortened(model: ModelProto, rng: Rng) -> bool:
    tensor = _weight(model, rng)
    tensor.raw_data = tensor.raw_data[: int(rng.integers(len(tensor.raw_data)))]
    return True


def graphs_in_graphs(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """By hand: the library refuses to make them. A second graph field is merged with the first."""
    node = b""
    for _ in range(int(choice(rng, [DEEP, 100 * DEEP]))):
        node = _field(5, _field(6, _field(1, node)))  # an attribute that is a graph with a node
    return data + _field(7, _field(1, node)), True


def _field(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size >= 0x80:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def _damager(change: Change) -> Damager:
    def damage(data: bytes, rng: Rng) -> tuple[bytes, bool]:
        model = onnx.load_model_from_string(data)
        must_refuse = change(model, rng)
        return model.SerializeToString(deterministic=True), must_refuse

    return damage


ONNX: dict[str, Damager] = {
    "weights in another file": _damager(_weights_elsewhere),
    "wrong sizes of a weight": _damager(_wrong_dims),
    "wrong inputs or outputs": _damager(_wrong_ports),
    "operators of others": _damager(_other_operators),
    "wrong wires": _damager(_wrong_wires),
    "a fill of petabytes": _damager(_huge_fill),
    "graphs in graphs": graphs_in_graphs,
    "another opset": _damager(_other_opset),
    "a weight that is NaN": _damager(_not_finite),
    "a weight cut short": _damager(_shortened),
}


def _weight(model: ModelProto, rng: Rng) -> TensorProto:
    """One that has numbers and sizes."""
    found = [each for each in model.graph.initializer if len(each.raw_data) >= 4 and each.dims]
    return found[int(rng.integers(len(found)))]


def _node(model: ModelProto, rng: Rng) -> onnx.NodeProto:
    return model.graph.node[int(rng.integers(len(model.graph.node)))]
