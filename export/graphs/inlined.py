"""A graph whose weights lie in a file beside it -> one file with everything inside, weight by weight.

The bytes are those that protobuf would write of the whole model, which would have to be in memory several times for
it. Wire format: a message is its fields in the order of their numbers; one that holds others is a tag, a length and
their bytes. Field numbers: onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto

from magno.export.errors import CheckpointError
from magno.export.graphs.half import half_bytes

MOST_BYTES = (1 << 31) - 1  # of a protobuf message
HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
GRAPH, INITIALIZER, RAW_DATA = (
    ModelProto.GRAPH_FIELD_NUMBER,
    GraphProto.INITIALIZER_FIELD_NUMBER,
    TensorProto.RAW_DATA_FIELD_NUMBER,
)
BYTES_FIELD = 2  # wire type of what has a length


def is_outside(tensor: TensorProto) -> bool:
    return bool(tensor.data_location == TensorProto.EXTERNAL)


def write_inlined(model: ModelProto, folder: Path, out: Path) -> None:
    """Write `model`, whose outside weights lie in `folder`; those of another type than float32 are rounded to it on
    the way. Raises CheckpointError for one beyond its type, or a file beyond what protobuf can hold."""
    before, after = _around(model.graph, INITIALIZER)
    weights = list(model.graph.initializer)
    inner = sum(_field_bytes(INITIALIZER, _tensor_bytes(tensor)) for tensor in weights)
    graph_bytes = len(before) + inner + len(after)
    head, tail = _around(model, GRAPH)
    total = len(head) + _field_bytes(GRAPH, graph_bytes) + len(tail)
    if total > MOST_BYTES:
        raise CheckpointError(
            f"{out.name} wants at most {MOST_BYTES / 1e9:.2f} GB in one file, found {total / 1e9:.2f}: "
            "use --precision fp16 or bf16."
        )
    with out.open("wb") as file:
        file.write(head + _key(GRAPH, graph_bytes) + before)
        for tensor in weights:
            file.write(_key(INITIALIZER, _tensor_bytes(tensor)))
            _write_tensor(tensor, folder, file)
        file.write(after + tail)


def _write_tensor(tensor: TensorProto, folder: Path, file: BinaryIO) -> None:
    if not is_outside(tensor):
        file.write(tensor.SerializeToString(deterministic=True))
        return
    before, after = _around(_described(tensor), RAW_DATA)
    file.write(before + _key(RAW_DATA, _raw_bytes(tensor)))
    place = _place(tensor)
    numbers = np.memmap(
        folder / place["location"], np.uint8, "r", int(place.get("offset", 0)), (int(place["length"]),)
    )
    if tensor.data_type in HALVES:
        file.write(half_bytes(numbers.view("<f4"), tensor.name, tensor.data_type))
    else:
        file.write(numbers.data)
    file.write(after)


def _tensor_bytes(tensor: TensorProto) -> int:
    """Of its message, weights inside."""
    if not is_outside(tensor):
        return int(tensor.ByteSize())
    return int(_described(tensor).ByteSize()) + _field_bytes(RAW_DATA, _raw_bytes(tensor))


def _raw_bytes(tensor: TensorProto) -> int:
    length = int(_place(tensor)["length"])
    return length // 2 if tensor.data_type in HALVES else length


def _described(tensor: TensorProto) -> TensorProto:
    """Without its weights, and without where they lie."""
    return TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)


def _place(tensor: TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _around(message: Any, number: int) -> tuple[bytes, bytes]:
    """What is written of a message before and after the fields of this number."""
    before, after = type(message)(), type(message)()
    for part in (before, after):
        part.CopyFrom(message)
    for field, _ in message.ListFields():
        if field.number >= number:
            before.ClearField(field.name)
        if field.number <= number:
            after.ClearField(field.name)
    return before.SerializeToString(deterministic=True), after.SerializeToString(deterministic=True)


def _field_bytes(number: int, length: int) -> int:
    return len(_key(number, length)) + length


def _key(number: int, length: int) -> bytes:
    """Tag and length of a field."""
    return bytes((*_varint(number << 3 | BYTES_FIELD), *_varint(length)))


def _varint(value: int) -> Iterator[int]:
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
