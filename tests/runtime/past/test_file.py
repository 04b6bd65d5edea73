"""A file of the past is taken as it was written, or refused in one sentence."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magno.runtime.past.file import LENGTH, MAGIC, Origin, PastFileError, pack, read_header, read_items
from magno.runtime.units import Encoded, SpanKind

WIDTH = 8
ORIGIN = Origin("pocket 0123", "front", "boot", "life")
ITEMS = [
    Encoded(SpanKind.KEYFRAME, np.full((4, WIDTH), 0.5, np.float16), 7, -(10**9), 5, 1),
    Encoded(SpanKind.WINDOW, np.full((2, WIDTH), -3.0, np.float16), 7, 10**18, 6, 8),
]


def sealed(header: bytes, rows: bytes = b"") -> bytes:
    body = MAGIC + LENGTH.pack(len(header)) + header + rows
    return body + hashlib.sha256(body).digest()


def header_of(data: bytes) -> dict[str, object]:
    (length,) = LENGTH.unpack(data[len(MAGIC) : len(MAGIC) + LENGTH.size])
    found: dict[str, object] = json.loads(data[len(MAGIC) + LENGTH.size :][:length])
    return found


def refused(path: Path) -> str:
    with pytest.raises(PastFileError) as found:
        read_items(path, ORIGIN, WIDTH)
    return str(found.value)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.past"
    path.write_bytes(pack(ORIGIN, ITEMS))
    assert read_header(path).origin == ORIGIN
    for found, wanted in zip(read_items(path, ORIGIN, WIDTH), ITEMS, strict=True):
        assert (found.rows == wanted.rows).all() and found.rows.dtype == np.float16
        assert replace(found, rows=wanted.rows) == wanted


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_passes(tmp_path: Path, data: st.DataObject) -> None:
    """Cut, longer, or any byte another: never a traceback, never taken for sound."""
    whole, path = bytearray(pack(ORIGIN, ITEMS)), tmp_path / "a.past"
    at = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(("cut", "longer", "flipped")))
    if kind == "cut":
        del whole[at:]
    elif kind == "longer":
        whole += bytes(at + 1)
    else:
        whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    assert refused(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"entries": []},
        {"entries": [{**header_of(pack(ORIGIN, ITEMS))["entries"][1], "kind": "window"}]},  # type: ignore[index]
        {"entries": [{**header_of(pack(ORIGIN, ITEMS))["entries"][0], "kind": "system"}]},  # type: ignore[index]
        {"entries": [{**header_of(pack(ORIGIN, ITEMS))["entries"][0], "rows": -1}]},  # type: ignore[index]
        {"entries": [{**header_of(pack(ORIGIN, ITEMS))["entries"][0], "rows": 10**12}]},  # type: ignore[index]
        {"entries": [{**header_of(pack(ORIGIN, ITEMS))["entries"][0], "pts_ns": 10**30}]},  # type: ignore[index]
        {"entries": [{**header_of(pack(ORIGIN, ITEMS))["entries"][0], "pts_ns": 1.5}]},  # type: ignore[index]
        {"entries": list(reversed(header_of(pack(ORIGIN, ITEMS))["entries"]))},  # type: ignore[call-overload]
        {"embed_dim": 0},
        {"embed_dim": True},
        {"more": 1},
        {"origin": None},
    ],
)
def test_a_header_that_says_what_cannot_be_is_refused(changes: dict[str, object], tmp_path: Path) -> None:
    header = {**header_of(pack(ORIGIN, ITEMS)), **changes}
    path = tmp_path / "a.past"
    path.write_bytes(sealed(json.dumps(header).encode(), bytes(6 * WIDTH * 2)))
    assert "header" in refused(path) or "bytes" in refused(path)


@pytest.mark.parametrize("header", [b"", b"[" * 100_000, b"\xff{}", b"null", b"1" * 5000])
def test_no_header_is_no_file(header: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.past"
    path.write_bytes(sealed(header))
    assert "header" in refused(path)


def test_rows_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.past"
    path.write_bytes(pack(ORIGIN, [replace(ITEMS[0], rows=np.full((4, WIDTH), np.nan, np.float16))]))
    assert "finite" in refused(path)


def test_what_is_another_s_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.past"
    path.write_bytes(pack(replace(ORIGIN, bundle="another"), ITEMS))
    assert "another's" in refused(path)


def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(pack(ORIGIN, ITEMS))
    (tmp_path / "link.past").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe.past")
    (tmp_path / "folder.past").mkdir()
    for name in ("link.past", "pipe.past", "folder.past", "missing.past"):
        assert refused(tmp_path / name)
