"""What may be shown to native code."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magno.runtime.gguf.header import (
    HEADER,
    STRINGS_LIMIT,
    GgufError,
    GgufHeader,
    check_file,
    parse_header,
    read_header,
    read_metadata,
)
from magno.runtime.gguf.walk import Walk
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
        (header(tensors=2**20), 2**40, "65536 tensors and entries at most"),
        (header(entries=2**20), 2**40, "65536 tensors and entries at most"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(head: bytes, size_bytes: int, message: str) -> None:
    with pytest.raises(GgufError, match=message) as caught:
        parse_header(head, size_bytes, "x.gguf")
    assert str(caught.value).startswith("x.gguf")


def test_a_file_cut_in_its_metadata_is_refused(tiny_gguf: Path, tmp_path: Path) -> None:
    path = tmp_path / "llm.gguf"
    path.write_bytes(tiny_gguf.read_bytes()[:3000])
    with pytest.raises(GgufError, match="3000 in all"):
        read_header(path)


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


def entry(key: bytes, value: bytes) -> bytes:
    return struct.pack("<Q", len(key)) + key + value


def strings(*texts: bytes) -> bytes:
    items = b"".join(struct.pack("<Q", len(text)) + text for text in texts)
    return struct.pack("<IIQ", 9, 8, len(texts)) + items


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (entry(b"tokenizer.ggml.tokens", strings(b"a", b"b")), None),
        (entry(b"tokenizer.ggml.merges", strings(b"a b", b"a b")), None),
        (entry(b"x", struct.pack("<IB", 7, 1)), None),
        (entry(b"x", struct.pack("<II", 9, 5) + struct.pack("<Q3I", 3, 1, 2, 3)), None),
        (entry(b"tokenizer.ggml.tokens", strings(b"a", b"b", b"a")), "b'a' twice"),
        (entry(b"tokenizer.ggml.tokens", strings(b"a", b"a\0b")), "b'a' twice"),
        (entry(b"tokenizer.ggml.tokens", strings(b"", b"")), None),
        (entry(b"tokenizer.ggml.tokens", struct.pack("<IIQ", 9, 8, 2**40)), "texts in its metadata at most"),
        (entry(b"x", struct.pack("<IIQ", 9, 8, STRINGS_LIMIT)), "in all"),
        (struct.pack("<Q", 2**40), "names of 65536 bytes at most"),
        (entry(b"x", struct.pack("<I", 13)), "type 13"),
        (entry(b"x", struct.pack("<IIQ", 9, 9, 1)), "type 9"),
        (entry(b"x", struct.pack("<IIQ", 9, 12, 2**61)), "found 49 in all"),
        (entry(b"x", struct.pack("<IQ", 8, 2**64 - 1)), "in all"),
        (entry(b"x", b""), "in all"),
    ],
)
def test_metadata_is_walked_to_its_end(metadata: bytes, message: str | None) -> None:
    data = header(tensors=1, entries=1) + metadata
    if message is None:
        assert len(read_metadata(Walk(data, HEADER.size, "x.gguf"), 1)) == 1
    else:
        with pytest.raises(GgufError, match=message):
            read_metadata(Walk(data, HEADER.size, "x.gguf"), 1)


def test_a_key_that_stands_twice_is_refused() -> None:
    one = entry(b"x", struct.pack("<IB", 7, 1))
    with pytest.raises(GgufError, match="each key once, found 'x' twice"):
        read_metadata(Walk(header() + one + one, HEADER.size, "x.gguf"), 2)


@given(st.binary(max_size=200), st.integers(1, 8))
def test_any_metadata_passes_or_is_refused(metadata: bytes, entries: int) -> None:
    try:
        check_file(header() + metadata, GgufHeader(3, 2, entries), "x.gguf")
    except GgufError as error:
        assert str(error).startswith("x.gguf")


@given(st.data())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_real_file_with_altered_bytes_passes_or_is_refused(tiny_gguf: Path, data: st.DataObject) -> None:
    altered = bytearray(tiny_gguf.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        altered[data.draw(st.integers(0, 20_000))] = data.draw(st.integers(0, 255))
    try:
        check_file(bytes(altered), parse_header(bytes(altered[:24]), len(altered), "x.gguf"), "x.gguf")
    except GgufError as error:
        assert str(error).startswith("x.gguf") and "\n" not in str(error)


def test_a_file_cut_in_its_weights_is_refused(tiny_gguf: Path, tmp_path: Path) -> None:
    path = tmp_path / "llm.gguf"
    path.write_bytes(tiny_gguf.read_bytes()[:-100])
    with pytest.raises(GgufError, match="found the file end at"):
        read_header(path)
