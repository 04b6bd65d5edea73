"""Is this a GGUF file that native code may be shown? Knows the container's first bytes, nothing of models.

Layout (ggml/docs/gguf.md): magic "GGUF", version u32, tensor count u64, metadata count u64, little endian. A
crafted count makes readers loop or allocate without bound, so counts are held against the file's size first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from magno.runtime.units import MagnoError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
HEADER = struct.Struct("<4sIQQ")
# The smallest the format can hold: key length, type, a one-byte value; name length, rank, type, offset.
ENTRY_BYTES = 8 + 4 + 1
TENSOR_BYTES = 8 + 4 + 4 + 8


class GgufError(MagnoError, ValueError):
    """A language model file that is not what its name says."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """The first 24 bytes of a GGUF file."""

    version: int
    tensors: int
    entries: int  # of metadata


def parse_header(head: bytes, size_bytes: int, name: str) -> GgufHeader:
    """The header in `head` (at least 24 bytes where the file has them) of a file of `size_bytes`.

    Raises GgufError, naming the file as `name`.
    """
    again = "Export the bundle again, or copy it again if it was cut on the way."
    if head[:4] != MAGIC:
        raise GgufError(f"{name} wants to begin with {MAGIC!r}, found {head[:4]!r}. {again}")
    if len(head) < HEADER.size:
        raise GgufError(f"{name} wants a header of {HEADER.size} bytes, found {len(head)} in all. {again}")
    _, version, tensors, entries = HEADER.unpack(head[: HEADER.size])
    if version not in VERSIONS:
        raise GgufError(f"{name} wants GGUF version 2 or 3 (little endian), found {version}. {again}")
    if tensors < 1 or entries < 1:
        raise GgufError(
            f"{name} wants tensors and metadata, found {tensors} tensors and {entries} entries. {again}"
        )
    least = HEADER.size + tensors * TENSOR_BYTES + entries * ENTRY_BYTES
    if least > size_bytes:
        raise GgufError(
            f"{name} states {tensors} tensors and {entries} entries, which want {least} bytes at least, "
            f"found {size_bytes}. {again}"
        )
    return GgufHeader(version, tensors, entries)


def read_header(path: Path) -> GgufHeader:
    """The checked header of the file at `path`. Raises GgufError."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER.size)
            size_bytes = path.stat().st_size
    except OSError as error:
        raise GgufError(
            f"{path} wants to be a readable file, found {error.strerror}. Check the path."
        ) from error
    return parse_header(head, size_bytes, path.name)
