"""Weights of a checkpoint folder, named but not read: each tensor is read on its own, in blocks where it is large.

Understood: model.safetensors, or several files under model.safetensors.index.json. Memory stays at what is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from magno.export.errors import CheckpointError
from magno.export.weights.json_file import SMALL_BYTES, read_json
from magno.export.weights.safetensors_file import DTYPE_BYTES, read_header

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
DTYPES = ("F16", "BF16", "F32")  # what weights may be stored in
RAW: dict[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "BF16": np.dtype("<u2"), "F32": np.dtype("<f4")}
BLOCK_BYTES = 64 << 20
SHARDS_LIMIT = 1024
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.safetensors")


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor in a file, by its place."""

    name: str
    shape: tuple[int, ...]
    dtype: str  # as stored: F16, BF16, F32 or another of safetensors' names
    path: Path
    offset: int  # from the file's first byte

    @property
    def bytes(self) -> int:
        """As stored."""
        return math.prod(self.shape) * DTYPE_BYTES[self.dtype]

    def read(self) -> NDArray[np.float32]:
        """All of it, in its shape. Raises CheckpointError for a type that is none of weights, infinity or NaN."""
        values = np.empty(self.shape, np.float32)
        flat, at = values.reshape(-1), 0
        for block in self._runs(BLOCK_BYTES // 4):
            flat[at : at + len(block)] = block
            at += len(block)
        return values

    def blocks(self, limit_bytes: int = BLOCK_BYTES) -> Iterator[NDArray[np.float32]]:
        """It in order, as (n, *shape[1:]) of whole rows, at most about `limit_bytes` of float32 at once (or one row).

        Raises as `read` does.
        """
        if not self.shape:
            yield self.read()
            return
        row = math.prod(self.shape[1:])
        for run in self._runs(max(1, limit_bytes // (4 * max(row, 1))) * row):
            yield run.reshape(-1, *self.shape[1:])

    def _runs(self, numbers: int) -> Iterator[NDArray[np.float32]]:
        """Runs of at most so many numbers, flat."""
        if self.dtype not in DTYPES:
            raise CheckpointError(f"{self.name} wants one of {', '.join(DTYPES)}, found {self.dtype}.")
        total, raw = math.prod(self.shape), RAW[self.dtype]
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                for at in range(0, total, numbers or 1):
                    run = np.fromfile(file, raw, min(numbers, total - at))
                    if len(run) != min(numbers, total - at):
                        raise CheckpointError(f"{self.path} ends inside {self.name}: copy it again.")
                    yield self._checked(_float32(run, self.dtype))
        except OSError as error:
            raise CheckpointError(f"{self.path} wants to be readable, found: {error}.") from error

    def _checked(self, run: NDArray[np.float32]) -> NDArray[np.float32]:
        if not np.isfinite(run).all():
            raise CheckpointError(
                f"{self.name} wants finite weights, found infinity or NaN: train or copy the checkpoint again."
            )
        return run


class Weight(Protocol):
    """What can be read as one tensor: from a file, or made of what a file holds."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> str: ...

    def read(self) -> NDArray[np.float32]: ...


Tensors = Mapping[str, StoredTensor]
Weights = Mapping[str, Weight]


def open_tensors(folder: Path) -> dict[str, StoredTensor]:
    """Every tensor of a checkpoint folder, by name; headers are read, weights are not.

    Raises CheckpointError for a missing, damaged or lying file, naming it.
    """
    if (folder / WEIGHTS).is_file():
        return open_file(folder / WEIGHTS)
    if not (folder / INDEX).is_file():
        raise CheckpointError(f"{folder} lacks {WEIGHTS} (or {INDEX}): only safetensors is read.")
    where = _weight_map(read_json(folder / INDEX, SMALL_BYTES), folder / INDEX)
    tensors: dict[str, StoredTensor] = {}
    for file_name in sorted(set(where.values())):
        if not (folder / file_name).is_file():
            raise CheckpointError(f"{folder} lacks {file_name}, which {INDEX} names: copy it again.")
        tensors |= _shard(folder / file_name, {name for name, file in where.items() if file == file_name})
    return tensors


def open_file(path: Path) -> dict[str, StoredTensor]:
    """Every tensor of one safetensors file, by name. Raises CheckpointError."""
    return {
        name: StoredTensor(name, entry.shape, entry.dtype, path, entry.offset)
        for name, entry in read_header(path).items()
    }


def within(tensors: Tensors, prefix: str) -> dict[str, StoredTensor]:
    """Those whose names begin with `prefix`, without it; each still knows its full name."""
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def check_no_others(tensors: Tensors, wanted: Collection[str], where: object) -> None:
    """No tensor that nobody asked for: it would be left out in silence. Raises CheckpointError naming the first."""
    for name in sorted(tensors.keys() - set(wanted)):
        raise CheckpointError(f"{where} has the tensor {name[:200]!r}, which config.json does not want.")


def check_tensors(tensors: Weights, wanted: Mapping[str, tuple[int, ...]], where: object) -> None:
    """Every wanted tensor is there, in its shape and a type of weights. Raises CheckpointError naming the first."""
    for name, shape in wanted.items():
        if name not in tensors:
            raise CheckpointError(f"{where} lacks the tensor {name!r}, which config.json wants.")
        found = tensors[name]
        if found.shape != shape or found.dtype not in DTYPES:
            raise CheckpointError(
                f"{where}: {name} wants {shape} F16, BF16 or F32, found {found.shape} {found.dtype}."
            )


def _shard(path: Path, named: set[str]) -> dict[str, StoredTensor]:
    held = open_file(path)
    for name in sorted(named ^ held.keys()):
        which = "lacks" if name in named else "has"
        raise CheckpointError(
            f"{path} {which} the tensor {name[:200]!r} against what {INDEX} says: copy both again."
        )
    return held


def _weight_map(values: object, path: Path) -> dict[str, str]:
    found: Any = values.get("weight_map") if isinstance(values, dict) else None
    if not isinstance(found, dict) or not found:
        raise CheckpointError(f"{path} wants a weight_map of tensors and files, found none.")
    for name, file_name in found.items():
        if not isinstance(file_name, str) or not _FILE_NAME.fullmatch(file_name):
            raise CheckpointError(
                f"{path} wants plain names of safetensors files in its own folder, found "
                f"{str(file_name)[:80]!r} for {name[:80]!r}."
            )
    if len(set(found.values())) > SHARDS_LIMIT:
        raise CheckpointError(f"{path} wants at most {SHARDS_LIMIT} files, found more.")
    return found


def _float32(run: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    """numpy has no bfloat16: its bits are the upper half of a float32's."""
    if dtype == "BF16":
        return (run.astype(np.uint32) << 16).view(np.float32)
    return run.astype(np.float32)
