"""What may be shown to native code."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.gguf_header import HEADER, GgufError, GgufHeader, parse_header, read_header
from magno.runtime.units import MagnoError


def header(magic: bytes = b"GGUF", version: int = 3, tensors: int = 2, entries: int = 5) -> bytes:
    return struct.pack("<4sIQQ", magic, version, tensors, entries)


def test_a_real_file_passes(tiny_gguf: Path) -> None:
    found = read_header(tiny_gguf)
    assert found.version == 3 and found.tensors > 10 and found.entries > 10


@pytest.mark.parametrize("version", [2, 3])
def test_a_plausible_header_passes(version: int) -> None:
    assert parse_header(header(version=version), 10_000, "x.gguf") == GgufHeader(version, 2, 5)


@pytest.mark.parametrize(
    ("head", "size_bytes", "message"),
    [
        (b"", 0, "begin with"),
        (b"GGU", 3, "begin with"),
        (b"#!/bin/sh\necho hello there all", 30, "begin with"),
        (b"GGUF\x03\x00", 6, "24 bytes, found 6"),
        (header(version=1), 10_000, "version 2 or 3"),
        (struct.pack(">4sIQQ", b"GGUF", 3, 2, 5), 10_000, "version 2 or 3"),
        (header(tensors=0), 10_000, "0 tensors"),
        (header(entries=0), 10_000, "0 entries"),
        (header(tensors=2**63), 10_000, "at least, found 10000"),
        (header(entries=2**64 - 1), 51, "at least, found 51"),
        (header(tensors=2, entries=5), 136, "137 bytes at least"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(head: bytes, size_bytes: int, message: str) -> None:
    with pytest.raises(GgufError, match=message) as caught:
        parse_header(head, size_bytes, "x.gguf")
    assert str(caught.value).startswith("x.gguf")


@pytest.mark.parametrize("name", ["none.gguf", "."])
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(GgufError, match="Check the path"):
        read_header(tmp_path / name)


@given(st.binary(max_size=40) | st.binary(max_size=30).map(lambda tail: b"GGUF\x03\0\0\0" + tail))
def test_any_bytes_pass_or_are_refused(data: bytes) -> None:
    try:
        found = parse_header(data[: HEADER.size], len(data), "x.gguf")
    except MagnoError:
        return
    assert found.tensors + found.entries <= len(data)
