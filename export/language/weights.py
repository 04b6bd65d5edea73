"""A language model's tensors -> their places in a GGUF file, streamed through in blocks.

Memory holds one block, or one query or key matrix of a Llama, whose rows are put into another order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType
from gguf.quants import quantize
from numpy.typing import NDArray

from magno.export.errors import CheckpointError
from magno.export.language.architectures import Architecture, head_dim
from magno.export.language.rope import frequency_factors
from magno.export.weights.tensors import StoredTensor, Tensors

FILE_TYPES = {
    "f32": (LlamaFileType.ALL_F32, GGMLQuantizationType.F32),
    "f16": (LlamaFileType.MOSTLY_F16, GGMLQuantizationType.F16),
    "bf16": (LlamaFileType.MOSTLY_BF16, GGMLQuantizationType.BF16),
}
BLOCK_BYTES = 32 << 20  # of float32
OUTPUT = "lm_head.weight"
ROPE_FACTORS = "rope_freqs.weight"


@dataclass(frozen=True, slots=True)
class Placed:
    """One tensor of the GGUF file to be."""

    name: str  # llama.cpp's
    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    stored: StoredTensor | NDArray[np.float32]
    heads: int = 0  # of a matrix or bias whose rows llama.cpp wants in pairs; 0: as they are

    @property
    def bytes(self) -> int:
        return int(np.prod(self.shape)) * (4 if self.kind is GGMLQuantizationType.F32 else 2)


def place(tensors: Tensors, config: Any, architecture: Architecture, llm_type: str) -> list[Placed]:
    """Where each tensor goes: matrices in `llm_type`, vectors in float32, no output matrix when tied.

    Raises CheckpointError for a tensor that has no place.
    """
    names = gguf.get_tensor_name_map(architecture.arch, config.num_hidden_layers)
    placed = []
    if (factors := frequency_factors(config, head_dim(config))) is not None:
        placed.append(Placed(ROPE_FACTORS, factors.shape, GGMLQuantizationType.F32, factors))
    for name, tensor in tensors.items():
        if name == OUTPUT and config.tie_word_embeddings:
            continue
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise CheckpointError(
                f"{name[:200]} wants a place in llama.cpp's {architecture.name}, found none."
            )
        kind = FILE_TYPES[llm_type][1] if len(tensor.shape) > 1 else GGMLQuantizationType.F32
        heads = _paired_heads(name, config) if architecture.rotates_neighbours else 0
        placed.append(Placed(target, tensor.shape, kind, tensor, heads))
    return placed


def write_tensor(file: BinaryIO, placed: Placed) -> None:
    """Append the bytes of one tensor. Raises CheckpointError for a weight that its type cannot hold."""
    for block in _blocks(placed):
        with np.errstate(over="ignore"):
            raw = quantize(block, placed.kind)
        if placed.kind is GGMLQuantizationType.F16 and not np.isfinite(raw).all():
            raise CheckpointError(
                f"{placed.name} wants weights within float16's 65504, found larger: use bf16 or f32."
            )
        file.write(np.ascontiguousarray(raw).data)


def add_info(writer: GGUFWriter, placed: Placed) -> None:
    """Announce a tensor; its bytes follow the header."""
    writer.add_tensor_info(
        placed.name, placed.shape, np.dtype(np.float32), placed.bytes, raw_dtype=placed.kind
    )


def paired(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of each head, (first half, second half) -> (first, second) alternating: as llama.cpp's llama rotates."""
    halves = values.reshape(heads, 2, -1, *values.shape[1:])
    return halves.swapaxes(1, 2).reshape(values.shape)


def _blocks(placed: Placed) -> Iterator[NDArray[np.float32]]:
    if isinstance(placed.stored, np.ndarray):
        yield placed.stored
    elif placed.heads:
        yield paired(placed.stored.read(), placed.heads)
    else:
        yield from placed.stored.blocks(BLOCK_BYTES)


def _paired_heads(name: str, config: Any) -> int:
    if ".self_attn.q_proj." in name:
        return int(config.num_attention_heads)
    return int(config.num_key_value_heads) if ".self_attn.k_proj." in name else 0
