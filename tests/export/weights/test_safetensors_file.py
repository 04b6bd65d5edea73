"""A header says where tensors lie, and is believed only where it can be true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from magno.export.errors import CheckpointError
from magno.export.weights.safetensors_file import LENGTH, parse_header, read_header


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8), **more: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets} | more


def parse(values: Any, data_bytes: int = 8) -> Any:
    text = values if isinstance(values, bytes) else json.dumps(values).encode()
    return parse_header(text, LENGTH.size + len(text) + data_bytes, "weights")


def test_tensors_lie_where_the_library_puts_them(tmp_path: Path) -> None:
    tensors = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.ones(5, np.float16),
        "c": np.array(7, np.float32),
    }
    save_file(tensors, tmp_path / "w.safetensors", metadata={"format": "np"})
    found = read_header(tmp_path / "w.safetensors")
    data = (tmp_path / "w.safetensors").read_bytes()
    assert {name: item.shape for name, item in found.items()} == {"a": (2, 3), "b": (5,), "c": ()}
    for name, array in tensors.items():
        item = found[name]
        assert data[item.offset : item.offset + item.bytes] == array.tobytes()


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (b"", "header with a fault"),
        (b"\xff", "header with a fault"),
        (b"[" * 100_000, "header with a fault"),
        ([], "it is no object"),
        (b'{"a":{},"a":{}}', "a key stands twice"),
        ({"a": 3}, "wants dtype, shape and data_offsets"),
        ({"a": entry(extra=1)}, "wants dtype, shape and data_offsets"),
        ({"a": entry(dtype="F31")}, "the type 'F31' is unknown"),
        ({"a": entry(dtype=[])}, "is unknown"),
        ({"a": entry(shape=[-2])}, "small lists of whole numbers"),
        ({"a": entry(shape=[2.0])}, "small lists of whole numbers"),
        ({"a": entry(shape=[True])}, "small lists of whole numbers"),
        ({"a": entry(shape=[1] * 9)}, "small lists of whole numbers"),
        ({"a": entry(offsets=[8])}, "small lists of whole numbers"),
        ({"a": entry(shape=[3])}, "a tensor of 12 bytes has 8"),
        ({"a": entry(shape=[1 << 47, 1 << 47])}, "bytes has 8"),
        ({"a": entry(offsets=[4, 12])}, "wants to begin at byte"),
        ({"a": entry(), "b": entry()}, "'b' wants to begin at byte"),
        ({}, "the file wants .* bytes, not"),
    ],
)
def test_a_header_that_lies_is_refused_in_one_sentence(values: Any, fault: str) -> None:
    with pytest.raises(CheckpointError, match=f"weights wants to be a safetensors file, found .*{fault}"):
        parse(values)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 a pickle", b"\xff" * 64, LENGTH.pack(1 << 62) + b"{}"])
def test_what_is_no_safetensors_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match="wants to be a safetensors file"):
        read_header(tmp_path / "w.safetensors")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


@given(
    st.binary(max_size=64)
    | st.dictionaries(st.text(max_size=4), JSON | st.builds(entry, JSON, JSON, JSON)).map(
        lambda values: json.dumps(values).encode()
    )
)
@settings(max_examples=60)
def test_any_header_is_read_or_refused(text: bytes) -> None:
    try:
        found = parse(text)
    except CheckpointError as error:
        assert "\n" not in str(error)
    else:
        assert sum(item.bytes for item in found.values()) == 8
