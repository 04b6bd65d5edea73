"""Tensors -> safetensors, shard by shard and block by block: a checkpoint larger than memory can be written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from magno.export.weights.safetensors_file import DTYPE_BYTES, LENGTH, METADATA
from magno.export.weights.tensors import INDEX, WEIGHTS
from magno.runtime.whole import whole_file

Blocks = Callable[[str, tuple[int, ...]], Iterator[NDArray[np.float32]]]
Progress = Callable[[str, int, int], None]  # which tensor, how many numbers are done, how many there are


@dataclass(frozen=True, slots=True)
class Sharding:
    """How weights are stored."""

    dtype: str
    limit_bytes: int  # of a shard, but for one with a single larger tensor


def write_weights(
    folder: Path,
    shapes: dict[str, tuple[int, ...]],
    blocks: Blocks,
    sharding: Sharding,
    progress: Progress = lambda name, done, total: None,
) -> list[Path]:
    """Write model.safetensors, or shards and their index; each aside, and renamed when whole."""
    shards = _shards(shapes, sharding)
    files = [folder / WEIGHTS]
    if len(shards) > 1:
        files = [folder / f"model-{n + 1:05}-of-{len(shards):05}.safetensors" for n in range(len(shards))]
    total, done = sum(math.prod(shape) for shape in shapes.values()), 0
    for path, names in zip(files, shards, strict=True):
        with whole_file(path) as part, part.open("wb") as file:
            file.write(_header({name: shapes[name] for name in names}, sharding.dtype))
            for name in names:
                progress(name, done, total)
                for block in blocks(name, shapes[name]):
                    file.write(stored(block, sharding.dtype).tobytes())
                done += math.prod(shapes[name])
    if len(shards) > 1:
        where = {name: path.name for path, names in zip(files, shards, strict=True) for name in names}
        size = total * DTYPE_BYTES[sharding.dtype]
        text = json.dumps({"metadata": {"total_size": size}, "weight_map": where}, indent=2)
        (folder / INDEX).write_text(text + "\n", encoding="utf-8")
    return files


def stored(block: NDArray[np.float32], dtype: str) -> NDArray[np.float32 | np.float16 | np.uint16]:
    """float32 numbers as they are stored; bfloat16 is rounded to the nearest, ties to even."""
    if dtype != "BF16":
        return block.astype("<f2" if dtype == "F16" else "<f4")
    bits = block.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def _shards(shapes: dict[str, tuple[int, ...]], sharding: Sharding) -> list[list[str]]:
    shards: list[list[str]] = [[]]
    held = 0
    for name, shape in shapes.items():
        size = math.prod(shape) * DTYPE_BYTES[sharding.dtype]
        if shards[-1] and held + size > sharding.limit_bytes:
            shards.append([])
            held = 0
        shards[-1].append(name)
        held += size
    return shards


def _header(shapes: dict[str, tuple[int, ...]], dtype: str) -> bytes:
    values: dict[str, object] = {METADATA: {"format": "pt"}}
    at = 0
    for name, shape in shapes.items():
        size = math.prod(shape) * DTYPE_BYTES[dtype]
        values[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(values, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers are aligned
    return LENGTH.pack(len(text)) + text
