"""A few GOPs of a camera's past as one file: a JSON header, their rows in half precision, a sha256 of all before it.

    "magnopst" | header's length, uint32 little-endian | header | rows, (n, embed_dim) float16 little-endian | sha256

Nothing in it is code. A file is hostile until checked: its kind and size first, then every number of its header, then
its sum. Knows no folder and no clock.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np

from magno.runtime.spec import SpecError, from_dict
from magno.runtime.units import Encoded, MagnoError, SpanKind

MAGIC = b"magnopst"
MAX_HEADER_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 28
MAX_NUMBER = 1 << 62
ROW = np.dtype("<f2")
LENGTH = struct.Struct("<I")
SUM_BYTES = hashlib.sha256().digest_size


class PastFileError(MagnoError):
    """A file of the past that is not taken."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose past it is."""

    bundle: str  # that encoded it: rows of another mean nothing to this language model
    camera: str
    boot: str  # of the machine, while which its monotonic clock goes on
    life: str  # one watching of the camera, by one process


@dataclass(frozen=True, slots=True)
class Entry:
    """A keyframe or window without its rows."""

    kind: SpanKind
    rows: int
    gop: int
    pts_ns: int
    capture_ns: int
    pictures: int
    is_cut: bool = False

    def __post_init__(self) -> None:
        if not all(-MAX_NUMBER <= number <= MAX_NUMBER for number in (self.pts_ns, self.capture_ns)):
            raise SpecError(
                f"A time wants 62 bits, found {str(self.pts_ns)[:30]}, {str(self.capture_ns)[:30]}."
            )
        if not (0 < self.rows < 1 << 20 and 0 <= self.gop < MAX_NUMBER and 0 < self.pictures < 1 << 30):
            raise SpecError(
                f"An entry wants rows, a GOP and pictures, found {self.rows}, {self.gop}, {self.pictures}."
            )


@dataclass(frozen=True, slots=True)
class Header:
    """What a file holds; its entries in the order of their time, from a keyframe on."""

    origin: Origin
    embed_dim: int
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        if not self.entries or self.entries[0].kind is not SpanKind.KEYFRAME:
            raise SpecError("A file of the past wants to begin with a keyframe, found that it does not.")
        if any(later.pts_ns < sooner.pts_ns for sooner, later in pairwise(self.entries)):
            raise SpecError("A file of the past wants its entries in order, found time going back.")
        if any(entry.kind is SpanKind.SYSTEM for entry in self.entries):
            raise SpecError("A file of the past wants keyframes and windows, found a system text.")
        if not 0 < self.embed_dim <= 1 << 16:
            raise SpecError(f"embed_dim wants 1 to {1 << 16}, found {self.embed_dim}.")

    @property
    def rows_bytes(self) -> int:
        return sum(entry.rows for entry in self.entries) * self.embed_dim * ROW.itemsize


def pack(origin: Origin, items: Sequence[Encoded]) -> bytes:
    """The file of these, which begin with a keyframe."""
    entries = tuple(
        Entry(item.kind, len(item.rows), item.gop, item.pts_ns, item.capture_ns, item.pictures, item.is_cut)
        for item in items
    )
    header = asdict(Header(origin, items[0].rows.shape[1], entries))
    for entry in header["entries"]:
        entry["kind"] = entry["kind"].value
    text = json.dumps(header, separators=(",", ":")).encode()
    body = b"".join(
        [MAGIC, LENGTH.pack(len(text)), text, *(item.rows.astype(ROW).tobytes() for item in items)]
    )
    return body + hashlib.sha256(body).digest()


def read_header(path: Path) -> Header:
    """What a file says that it holds; its rows are not looked at. Raises PastFileError."""
    try:
        with _opened(path) as file:
            return _header(file, os.fstat(file.fileno()).st_size, path.name)
    except OSError as error:
        raise PastFileError(f"{path.name} wants to be read, found that it cannot be ({error}).") from error


def read_items(path: Path, origin: Origin, embed_dim: int) -> list[Encoded]:
    """What it holds, rows in float16, once its sum was found right. Raises PastFileError, where it is another's too."""
    try:
        with _opened(path) as file:
            data = file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise PastFileError(f"{path.name} wants to be read, found that it cannot be ({error}).") from error
    header = _header(io.BytesIO(data), len(data), path.name)
    if hashlib.sha256(data[:-SUM_BYTES]).digest() != data[-SUM_BYTES:]:
        raise PastFileError(f"{path.name} wants to be as it was written, found it altered. Delete it.")
    if header.origin != origin or header.embed_dim != embed_dim:
        raise PastFileError(f"{path.name} wants to be of {origin.camera[:80]}, found another's. Delete it.")
    rows = np.frombuffer(data[len(data) - SUM_BYTES - header.rows_bytes : -SUM_BYTES], ROW)
    rows = rows.reshape(-1, embed_dim).astype(np.float16)
    if not np.isfinite(rows).all():
        raise PastFileError(f"{path.name} wants finite rows, found infinity or NaN. Delete it.")
    items, first = [], 0
    for entry in header.entries:
        these = rows[first : first + entry.rows]
        items.append(
            Encoded(
                entry.kind, these, entry.gop, entry.pts_ns, entry.capture_ns, entry.pictures, entry.is_cut
            )
        )
        first += entry.rows
    return items


def _opened(path: Path) -> BinaryIO:
    """A plain file, no larger than one may be: a pipe would be waited for, and a link leads elsewhere."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_FILE_BYTES:
        os.close(descriptor)
        raise PastFileError(
            f"{path.name} wants to be a file of {MAX_FILE_BYTES} bytes at most, found another."
        )
    return os.fdopen(descriptor, "rb")


def _header(file: BinaryIO, size: int, name: str) -> Header:
    start = file.read(len(MAGIC) + LENGTH.size)
    if len(start) < len(MAGIC) + LENGTH.size or not start.startswith(MAGIC):
        raise PastFileError(f"{name} wants to be a file of the past, found something else. Delete it.")
    (length,) = LENGTH.unpack(start[len(MAGIC) :])
    try:
        header = from_dict(Header, json.loads(file.read(min(length, MAX_HEADER_BYTES))), "header")
    except (ValueError, RecursionError, SpecError) as error:  # ValueError: JSON's and UTF-8's
        told = str(error)[:200]
        raise PastFileError(f"{name} wants a header, found none that can be read ({told}).") from error
    wanted = len(start) + length + header.rows_bytes + SUM_BYTES
    if size != wanted:
        raise PastFileError(f"{name} wants {wanted} bytes, found {size}: it was cut or altered. Delete it.")
    return header
