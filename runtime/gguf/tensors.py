"""Do the tensors that a GGUF file announces lie inside it, one after another? Pure; knows block sizes, no names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from magno.runtime.gguf.walk import AGAIN, GgufError

NAME_LIMIT_BYTES = 63  # GGML_MAX_NAME less its zero
ELEMENTS_LIMIT = 1 << 48
# ggml's types of weights -> numbers a block, bytes a block (ggml.c's table of types). Not its integers and doubles (24
# to 28): over a bias of those llama.cpp ends the process, at its first use.
BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What a file says of one tensor."""

    name: str
    shape: tuple[int, ...]  # the fastest first
    kind: int  # ggml_type
    offset: int  # from the first tensor's first byte


def check_tensors(
    tensors: Sequence[TensorInfo], end_of_infos: int, alignment: int, size_bytes: int, name: str
) -> int:
    """Hold each against its type, its place and the file's size; where in the file the first begins.

    Raises GgufError naming file and tensor.
    """
    start = _padded(end_of_infos, alignment)
    wanted, seen = 0, set()
    for tensor in tensors:
        where = f"{name}: {tensor.name[:NAME_LIMIT_BYTES]!r}"
        if tensor.name in seen or not 0 < len(tensor.name.encode("utf-8", "replace")) <= NAME_LIMIT_BYTES:
            raise GgufError(
                f"{where} wants a name of its own, of 1 to {NAME_LIMIT_BYTES} bytes, found another. {AGAIN}"
            )
        seen.add(tensor.name)
        if tensor.offset != wanted:
            raise GgufError(f"{where} wants to begin at {wanted}, found {tensor.offset}. {AGAIN}")
        wanted += _padded(tensor_bytes(tensor, where), alignment)
        # The last tensor's padding may be missing.
        if start + tensor.offset + tensor_bytes(tensor, where) > size_bytes:
            raise GgufError(
                f"{where} wants to end at {start + tensor.offset + tensor_bytes(tensor, where)}, found the file "
                f"end at {size_bytes}. {AGAIN}"
            )
    return start


def tensor_bytes(tensor: TensorInfo, where: str) -> int:
    """Its size. Raises GgufError for a type or shape that is none."""
    if tensor.kind not in BLOCKS:
        raise GgufError(f"{where} wants a known type, found type {tensor.kind}. {AGAIN}")
    numbers, size_bytes = BLOCKS[tensor.kind]
    elements = math.prod(tensor.shape)
    if not 0 < elements <= ELEMENTS_LIMIT or tensor.shape[0] % numbers:
        raise GgufError(
            f"{where} wants 1 to {ELEMENTS_LIMIT} numbers in rows of {numbers}'s multiples, found {tensor.shape}. "
            f"{AGAIN}"
        )
    return elements // numbers * size_bytes


def _padded(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment
