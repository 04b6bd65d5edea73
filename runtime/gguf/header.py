"""Is this a GGUF file that native code may be shown? Knows the container, nothing of models.

Layout (ggml/docs/gguf.md): magic "GGUF", version u32, tensor count u64, metadata count u64, the metadata, what each
tensor is and where; padding; the tensors' bytes. Little endian. A crafted count makes readers loop or allocate without
bound, so every count is held against the file's size and a limit first. llama.cpp ends the process over a token that
is listed twice, so tokens are compared here. `gguf_tensors` and `gguf_values` check what the walk found.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from magno.runtime.gguf.tensors import TensorInfo, check_tensors
from magno.runtime.gguf.values import Array, Value, alignment_of, check_values
from magno.runtime.gguf.walk import AGAIN, GgufError, Walk

__all__ = ["GgufError", "GgufHeader", "parse_header", "read_header"]

MAGIC = b"GGUF"
VERSIONS = (2, 3)
HEADER = struct.Struct("<4sIQQ")
# The smallest the format can hold: key length, type, a one-byte value; name length, rank, type, offset.
ENTRY_BYTES = 8 + 4 + 1
TENSOR_BYTES = 8 + 4 + 4 + 8
ENTRIES_LIMIT = TENSORS_LIMIT = 1 << 16
STRINGS_LIMIT = 1 << 20  # in all arrays together: the largest vocabularies have 800,000 with their merges
METADATA_LIMIT_BYTES = 128 << 20
SHOWN_BYTES = 1 << 16  # longer texts are not looked into
STRING, ARRAY = 8, 9  # value types
TOKENS = b"tokenizer.ggml.tokens"


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """The first 24 bytes of a GGUF file; and once all before the tensors' bytes is checked, where those lie."""

    version: int
    tensors: int
    entries: int  # of metadata
    infos: tuple[TensorInfo, ...] = ()
    first_byte: int = 0  # of the first tensor


def read_header(path: Path) -> GgufHeader:
    """The header of the file at `path`, once all before the tensors' bytes is checked. Raises GgufError."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER.size)
            header = parse_header(head, path.stat().st_size, path.name)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return check_file(data, header, path.name)
    except OSError as error:
        raise GgufError(
            f"{path} wants to be a readable file, found {error.strerror}. Check the path."
        ) from error


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
    if tensors > TENSORS_LIMIT or entries > ENTRIES_LIMIT:
        raise GgufError(
            f"{name} wants {TENSORS_LIMIT} tensors and entries at most, found {tensors} tensors and {entries} "
            f"entries. {AGAIN}"
        )
    return GgufHeader(version, tensors, entries)


def check_file(data: bytes | mmap.mmap, header: GgufHeader, name: str) -> GgufHeader:
    """Walk all that stands before the tensors' bytes; the header with what was found. Raises GgufError."""
    walk = Walk(data, HEADER.size, name)
    values = read_metadata(walk, header.entries)
    check_values(values, name)
    tensors = [_tensor(walk) for _ in range(header.tensors)]
    first_byte = check_tensors(tensors, walk.offset, alignment_of(values, name), len(data), name)
    return replace(header, infos=tuple(tensors), first_byte=first_byte)


def read_metadata(walk: Walk, entries: int) -> dict[str, Value]:
    """Every value by its key; all within the file, no key and no token twice. Raises GgufError."""
    values: dict[str, Value] = {}
    strings = 0
    for _ in range(entries):
        key, kind = walk.string(SHOWN_BYTES), walk.number(4)
        if (text := key.decode("utf-8", "replace")) in values:
            raise GgufError(f"{walk.name} wants each key once, found {text[:60]!r} twice. {AGAIN}")
        if kind == ARRAY:
            kind, count = walk.number(4), walk.number(8)
            strings += count if kind == STRING else 0
            if strings > STRINGS_LIMIT:
                raise GgufError(
                    f"{walk.name} wants {STRINGS_LIMIT} texts in its metadata at most, found {strings}. {AGAIN}"
                )
            _skip_array(walk, kind, count, unique=key == TOKENS)
            values[text] = Array(kind, count)
        else:
            values[text] = _value(walk, kind)
        if walk.offset > METADATA_LIMIT_BYTES:
            raise GgufError(
                f"{walk.name} wants {METADATA_LIMIT_BYTES} bytes of metadata at most, found more. {AGAIN}"
            )
    return values


def _value(walk: Walk, kind: int) -> Value:
    if kind == STRING:
        length = walk.number(8)
        return walk.take(length)[:SHOWN_BYTES].decode("utf-8", "replace")
    value: Value = walk.numbers(kind)[0]
    return value


def _skip_array(walk: Walk, kind: int, count: int, *, unique: bool) -> None:
    if kind != STRING:
        walk.skip_numbers(kind, count)
        return
    if not unique:
        walk.skip_strings(count)
        return
    seen: set[bytes] = set()
    for text in _c_strings(walk, count):
        if text in seen:
            raise GgufError(f"{walk.name} wants each token once, found {text[:40]!r} twice. {AGAIN}")
        seen.add(text)


def _c_strings(walk: Walk, count: int) -> Iterator[bytes]:
    """As llama.cpp reads them: up to a zero byte. Empty ones are left out."""
    for text in walk.strings(count):
        if cut := text.partition(b"\0")[0]:
            yield cut


def _tensor(walk: Walk) -> TensorInfo:
    name = walk.string(SHOWN_BYTES).decode("utf-8", "replace")
    rank = walk.number(4)
    if not 1 <= rank <= 4:
        raise GgufError(f"{walk.name}: {name[:60]!r} wants 1 to 4 dimensions, found {rank}. {AGAIN}")
    shape = tuple(walk.number(8) for _ in range(rank))
    return TensorInfo(name, shape, walk.number(4), walk.number(8))
