"""The header of a safetensors file -> where each tensor lies. Knows no model and reads no weights.

Layout (huggingface/safetensors): u64 little-endian header length, that much JSON, then the tensors' bytes, one after
another without holes. Nothing is mapped and nothing is kept open, so a large file costs no memory.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magno.export.errors import CheckpointError

LENGTH = struct.Struct("<Q")
HEADER_LIMIT_BYTES = 4 << 20  # some 40,000 tensors
RANK_LIMIT, SIDE_LIMIT = 8, 1 << 48
METADATA = "__metadata__"
# Every type the format knows; those that weights may have are the reader's choice.
DTYPE_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
AGAIN = "Copy the checkpoint again"


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of a file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int  # from the file's first byte
    bytes: int


def read_header(path: Path) -> dict[str, Entry]:
    """The tensors of a file, by name. Raises CheckpointError, one sentence."""
    try:
        with path.open("rb") as file:
            size_bytes = file.seek(0, 2)
            file.seek(0)
            head = file.read(LENGTH.size)
            length = header_bytes(head, size_bytes, str(path))
            text = file.read(length)
    except OSError as error:
        raise CheckpointError(f"{path} wants to be readable, found: {error.strerror or error}.") from error
    return parse_header(text, size_bytes, str(path))


def header_bytes(head: bytes, size_bytes: int, where: str) -> int:
    """Length of the JSON that follows the first eight bytes `head` of a file of `size_bytes`."""
    length = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else 0
    most = min(HEADER_LIMIT_BYTES, size_bytes - LENGTH.size)
    if not 2 <= length <= most:
        raise CheckpointError(
            f"{where} wants to be a safetensors file, found {size_bytes} bytes with a header of {length}. {AGAIN}."
        )
    return length


def parse_header(text: bytes, size_bytes: int, where: str) -> dict[str, Entry]:
    """The header's JSON `text` of a file of `size_bytes`; touches no file. Raises CheckpointError only."""
    try:
        values = json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
        if not isinstance(values, dict):
            raise ValueError("it is no object")
        values.pop(METADATA, None)
        begin = LENGTH.size + len(text)
        entries = {name: _entry(value, begin) for name, value in values.items()}
        _check_cover(entries, begin, size_bytes)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        reason = str(error).splitlines()[0][:160].rstrip(".") if str(error) else type(error).__name__
        raise CheckpointError(
            f"{where} wants to be a safetensors file, found a header with a fault: {reason}. {AGAIN}."
        ) from error
    return entries


def _entry(value: Any, begin: int) -> Entry:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise ValueError("a tensor wants dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BYTES:
        raise ValueError(f"the type {str(dtype)[:40]!r} is unknown")
    if not _are_sizes(shape, RANK_LIMIT) or not _are_sizes(offsets, 2) or len(offsets) != 2:
        raise ValueError("shape and data_offsets want small lists of whole numbers")
    wanted_bytes = math.prod(shape) * DTYPE_BYTES[dtype]
    if offsets[1] - offsets[0] != wanted_bytes:
        raise ValueError(f"a tensor of {wanted_bytes} bytes has {offsets[1] - offsets[0]}")
    return Entry(dtype, tuple(shape), begin + offsets[0], wanted_bytes)


def _are_sizes(values: Any, most: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= most
        and all(type(value) is int and 0 <= value <= SIDE_LIMIT for value in values)
    )


def _check_cover(entries: dict[str, Entry], begin: int, size_bytes: int) -> None:
    """The tensors must follow each other from the header to the file's last byte: no holes, no overlaps."""
    at = begin
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].offset, item[1].bytes)):
        if entry.offset != at:
            raise ValueError(f"{name[:80]!r} wants to begin at byte {at}, not {entry.offset}")
        at += entry.bytes
    if at != size_bytes:
        raise ValueError(f"the file wants {at} bytes, not {size_bytes}: it was cut, or more was added")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands twice")
    return values
