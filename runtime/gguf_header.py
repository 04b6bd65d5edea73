"""Is this a GGUF file that native code may be shown? Knows the container's first part, nothing of models.

Layout (ggml/docs/gguf.md): magic "GGUF", version u32, tensor count u64, metadata count u64, then the
metadata; little endian. A crafted count makes readers loop or allocate without bound, so counts are held
against the file's size first. llama.cpp ends the process over a token that is listed twice, so tokens are
compared here.
"""

from __future__ import annotations

import mmap
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
STRING, ARRAY = 8, 9  # value types
VALUE_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # the others
TOKENS = b"tokenizer.ggml.tokens"
AGAIN = "Export the bundle again, or copy it again if it was cut on the way."


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
    if head[:4] != MAGIC:
        raise GgufError(f"{name} wants to begin with {MAGIC!r}, found {head[:4]!r}. {AGAIN}")
    if len(head) < HEADER.size:
        raise GgufError(f"{name} wants a header of {HEADER.size} bytes, found {len(head)} in all. {AGAIN}")
    _, version, tensors, entries = HEADER.unpack(head[: HEADER.size])
    if version not in VERSIONS:
        raise GgufError(f"{name} wants GGUF version 2 or 3 (little endian), found {version}. {AGAIN}")
    if tensors < 1 or entries < 1:
        raise GgufError(
            f"{name} wants tensors and metadata, found {tensors} tensors and {entries} entries. {AGAIN}"
        )
    least = HEADER.size + tensors * TENSOR_BYTES + entries * ENTRY_BYTES
    if least > size_bytes:
        raise GgufError(
            f"{name} states {tensors} tensors and {entries} entries, which want {least} bytes at least, "
            f"found {size_bytes}. {AGAIN}"
        )
    return GgufHeader(version, tensors, entries)


def check_metadata(data: bytes | mmap.mmap, entries: int, name: str) -> None:
    """Walk the metadata after the header: all within `data`, no token listed twice. Raises GgufError."""
    walk = _Walk(data, HEADER.size, name)
    for _ in range(entries):
        key, kind = walk.string(), walk.number(4)
        if kind != ARRAY:
            walk.value(kind)
            continue
        kind, count = walk.number(4), walk.number(8)
        if kind != STRING:
            walk.value(kind, count)
            continue
        seen: set[bytes] = set()
        for _ in range(count):
            text = walk.string().partition(b"\0")[0]  # llama.cpp reads them as C strings
            if key != TOKENS or not text:
                continue
            if text in seen:
                raise GgufError(f"{name} wants each token once, found {text[:40]!r} twice. {AGAIN}")
            seen.add(text)


class _Walk:
    """A place in the metadata that never leaves the file."""

    def __init__(self, data: bytes | mmap.mmap, offset: int, name: str) -> None:
        self.data, self.offset, self.name = data, offset, name

    def take(self, size: int) -> bytes:
        start, self.offset = self.offset, self.offset + size
        if self.offset > len(self.data):
            raise GgufError(
                f"{self.name} wants {self.offset} bytes of metadata, found {len(self.data)} in all. {AGAIN}"
            )
        return self.data[start : self.offset]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def string(self) -> bytes:
        return self.take(self.number(8))

    def value(self, kind: int, count: int = 1) -> None:
        if kind == STRING:
            self.string()
        elif kind in VALUE_BYTES:
            self.take(VALUE_BYTES[kind] * count)
        else:
            raise GgufError(f"{self.name} wants metadata of known types, found type {kind}. {AGAIN}")


def read_header(path: Path) -> GgufHeader:
    """The header of the file at `path`, once it and the metadata are checked. Raises GgufError."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER.size)
            header = parse_header(head, path.stat().st_size, path.name)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                check_metadata(data, header.entries, path.name)
    except OSError as error:
        raise GgufError(
            f"{path} wants to be a readable file, found {error.strerror}. Check the path."
        ) from error
    return header
