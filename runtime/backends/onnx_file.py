"""Read an ONNX file that refers to nothing outside itself. Knows the protobuf wire format and no library.

A model's tensors may name other files (external data) and its nodes other domains (custom operators); either
would let a graph reach beyond the file whose sha256 was checked. Field numbers: onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from magno.runtime.backends import EncoderError

DOMAINS = (b"", b"ai.onnx", b"com.microsoft")  # the last is ONNX Runtime's own, built in
EXTERNAL_DATA, DATA_LOCATION, DOMAIN = "external_data", "data_location", "domain"
FIRST_KEY = 1 << 3  # fields are counted from 1
DEPTH_LIMIT = 32
FIELDS_LIMIT = 250_000  # of all messages; the 27 layers of SigLIP so400m have about 12,000
# message -> field number -> the message it holds, or one of the three things looked for.
FIELDS: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 8: "OperatorSet", 20: "Training", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute", 7: DOMAIN},
    "Attribute": {
        5: "Tensor",
        6: "Graph",
        10: "Tensor",
        11: "Graph",
        22: "SparseTensor",
        23: "SparseTensor",
    },
    "Tensor": {13: EXTERNAL_DATA, 14: DATA_LOCATION},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "OperatorSet": {1: DOMAIN},
    "Function": {7: "Node", 9: "OperatorSet", 11: "Attribute"},
    "Training": {1: "Graph", 2: "Graph"},
}


def read_self_contained(path: Path) -> bytes:
    """The file's bytes, after a look through all of its messages. Raises EncoderError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EncoderError(f"{path} wants to be readable, found: {error.strerror}.") from error
    check_self_contained(data, str(path))
    return data


def check_self_contained(data: bytes, where: str) -> None:
    """Raises EncoderError for external data, a foreign operator domain or bytes that are no protobuf."""
    try:
        _walk(memoryview(data), "Model", where, 0, FIELDS_LIMIT)
    except (IndexError, ValueError) as error:
        raise EncoderError(f"{where} wants to be an ONNX file, found other or damaged bytes.") from error


def _walk(data: memoryview, message: str, where: str, depth: int, limit: int) -> int:
    """How many more fields may follow."""
    if depth > DEPTH_LIMIT:
        raise EncoderError(f"{where} wants graphs nested at most {DEPTH_LIMIT} deep, found more.")
    known = FIELDS[message]
    for number, value in fields(data):
        limit -= 1
        if limit < 0:
            raise EncoderError(f"{where} wants at most {FIELDS_LIMIT} fields, found more.")
        kind = known.get(number)
        if kind == EXTERNAL_DATA or (kind == DATA_LOCATION and value != 0):
            raise EncoderError(
                f"{where} wants its weights inside, found external data: export with external_data=False."
            )
        if kind is None or kind == DATA_LOCATION:
            continue
        if isinstance(value, int):
            raise ValueError("a message field holds a number")
        if kind == DOMAIN:
            if bytes(value) not in DOMAINS:
                name = bytes(value[:60]).decode("utf-8", "replace")
                raise EncoderError(f"{where} wants standard operators, found the domain {name!r}.")
        else:
            limit = _walk(value, kind, where, depth + 1, limit)
    return limit


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field number and value of each field: bytes for wire type 2, else an integer (fixed ones as 1)."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key < FIRST_KEY:
            raise ValueError("a field without a number")
        wire = key & 7
        if wire == 0:
            value, at = varint(data, at)
            yield key >> 3, value
        elif wire == 2:
            size, at = varint(data, at)
            if size > len(data) - at:
                raise ValueError("a field reaches past the end")
            yield key >> 3, data[at : at + size]
            at += size
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
            if at > len(data):
                raise ValueError("a number reaches past the end")
            yield key >> 3, 1
        else:
            raise ValueError(f"wire type {wire}")


def varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number longer than 10 bytes")
