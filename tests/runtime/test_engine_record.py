"""The record beside an engine: what it says is checked, and an engine that is not for here is refused by it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.backends import EncoderError
from magno.runtime.backends.engine_record import (
    EngineFile,
    EngineRecord,
    Gpu,
    Here,
    Settings,
    check_graph,
    check_here,
    device_folder,
    is_batch,
    parse_record,
)
from magno.runtime.spec import to_dict

ONNX, PLAN = "a" * 64, "b" * 64
SETTINGS = Settings(True, False, 3, 1 << 30, False, "DETAILED")
RECORD = EngineRecord(
    format=1,
    flavour="tensorrt",
    version="10.3.0",
    gpu="Orin (nvgpu)",
    compute_capabilities=("8.7",),
    settings=SETTINGS,
    engines={"vision.onnx": EngineFile(ONNX, PLAN, 1000, (1, 1, 4), "engine", 12.5)},
    created="2026-11-21T12:00:00+00:00",
)
PORTABLE = dataclasses.replace(
    RECORD, flavour="tensorrt-rtx", version="1.7.1", gpu="", compute_capabilities=("8.6", "8.9")
)
ORIN = Here("tensorrt", "10.3.0", Gpu("Orin (nvgpu)", "8.7"))
RTX = Here("tensorrt-rtx", "1.7.1", Gpu("NVIDIA GeForce RTX 4090", "8.9"))


def text_of(values: Any) -> bytes:
    return json.dumps(values).encode()


def changed(**engine: Any) -> bytes:
    values = to_dict(RECORD)
    values["engines"]["vision.onnx"].update(engine)
    return text_of(values)


@pytest.mark.parametrize("record", [RECORD, PORTABLE])
def test_a_record_is_read_as_it_was_written(record: EngineRecord) -> None:
    assert parse_record(text_of(to_dict(record)), "engines.json") == record


@pytest.mark.parametrize(("record", "here"), [(RECORD, ORIN), (PORTABLE, RTX)])
def test_an_engine_for_here_is_taken(record: EngineRecord, here: Here) -> None:
    check_here(record, here)
    assert check_graph(record, "vision.onnx", ONNX) is record.engines["vision.onnx"]


@pytest.mark.parametrize(
    ("record", "here", "says"),
    [
        (
            RECORD,
            dataclasses.replace(ORIN, version="10.7.0"),
            "wants the tensorrt that built it 10.3.0, found 10.7.0",
        ),
        (RECORD, RTX, "wants the library that built it tensorrt, found tensorrt-rtx"),
        (
            RECORD,
            dataclasses.replace(ORIN, gpu=Gpu("NVIDIA Thor", "8.7")),
            r"wants the GPU it was built on Orin \(nvgpu\), found NVIDIA Thor",
        ),
        (
            RECORD,
            dataclasses.replace(ORIN, gpu=Gpu("Orin (nvgpu)", "8.6")),
            "wants a GPU of compute capability 8.7, found 8.6",
        ),
        (
            PORTABLE,
            dataclasses.replace(RTX, gpu=Gpu("NVIDIA H100", "9.0")),
            r"wants a GPU of compute capability 8.6 or 8.9, found 9.0 \(NVIDIA H100\)",
        ),
    ],
)
def test_an_engine_for_elsewhere_is_refused_by_what_differs(
    record: EngineRecord, here: Here, says: str
) -> None:
    with pytest.raises(EncoderError, match=says):
        check_here(record, here)


@pytest.mark.parametrize(
    ("name", "onnx_sha256", "says"),
    [
        ("delta.onnx", ONNX, "wants an engine of delta.onnx, found those of vision.onnx"),
        (
            "vision.onnx",
            "c" * 64,
            "wants the vision.onnx it was built from, sha256 aaaaaaaaaaaa…, found cccccccccccc…",
        ),
    ],
)
def test_an_engine_of_another_graph_is_refused(name: str, onnx_sha256: str, says: str) -> None:
    with pytest.raises(EncoderError, match=says):
        check_graph(RECORD, name, onnx_sha256)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "wants JSON"),
        (b"\xff\xfe", "wants JSON"),
        (b"[]", "wants an object"),
        (b"[" * 60_000, "wants JSON"),
        (b'{"format": 1' + b"0" * 5000 + b"}", "wants"),
        (b"{}", "lacks the key 'format'"),
        (b" " * (2 << 20), "wants at most"),
        (text_of({**to_dict(RECORD), "format": 2}), "wants format 1, found 2: update magno"),
        (text_of({**to_dict(RECORD), "colour": "red"}), "unknown key 'colour'"),
        (text_of({**to_dict(RECORD), "flavour": "openvino"}), "a flavour of tensorrt or tensorrt-rtx"),
        (text_of({**to_dict(RECORD), "version": "\n" * 5}), "the version of tensorrt"),
        (text_of({**to_dict(RECORD), "gpu": "a\x1b[2Jb"}), "a printable GPU name"),
        (text_of({**to_dict(RECORD), "engines": {}}), "1 to 16 engines, found 0"),
        (text_of({**to_dict(RECORD), "compute_capabilities": []}), "compute capabilities like 8.9"),
        (text_of({**to_dict(RECORD), "compute_capabilities": ["8"]}), "compute capabilities like 8.9"),
        (text_of(to_dict(RECORD)).replace(b"vision.onnx", b"../vision.onnx"), "engines named by their graph"),
        (changed(sha256="B" * 64), "a sha256 of vision.onnx"),
        (changed(bytes=0), "a size above 0"),
        (changed(bytes=True), "wants int"),
        (changed(batch=[1, 2]), "a batch of three rising numbers"),
        (changed(batch=[4, 2, 1]), "a batch of three rising numbers"),
        (changed(build_s=1e400), "finite number"),
    ],
)
def test_a_record_that_is_wrong_is_one_sentence(text: bytes, says: str) -> None:
    with pytest.raises(EncoderError, match=says) as caught:
        parse_record(text, "engines.json")
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)


@given(st.binary(max_size=200), st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
def test_any_bytes_are_a_record_or_one_sentence(data: bytes, at: int, patch: bytes) -> None:
    whole = text_of(to_dict(RECORD))
    at %= len(whole)
    for text in (data, whole[:at], whole[:at] + patch + whole[at + len(patch) :]):
        try:
            record = parse_record(text, "engines.json")
        except EncoderError as error:
            assert str(error).startswith("engines.json") and "\n" not in str(error)
        else:
            assert parse_record(text_of(to_dict(record)), "engines.json") == record


@pytest.mark.parametrize(
    ("flavour", "gpu", "folder"),
    [
        ("tensorrt-rtx", "", "any-gpu.tensorrt-rtx"),
        ("tensorrt-rtx", "NVIDIA GeForce RTX 4090", "nvidia-geforce-rtx-4090.tensorrt-rtx"),
        ("tensorrt", "Orin (nvgpu)", "orin-nvgpu.tensorrt"),
        ("tensorrt", "../../etc", "etc.tensorrt"),
    ],
)
def test_a_device_has_a_folder(flavour: str, gpu: str, folder: str) -> None:
    assert device_folder(flavour, gpu) == folder


@given(st.lists(st.integers(-2, 2000), max_size=4).map(tuple))
def test_a_batch_is_three_numbers_that_do_not_fall(batch: tuple[int, ...]) -> None:
    wanted = len(batch) == 3 and sorted(batch) == list(batch) and batch[0] >= 1 and batch[-1] <= 1024
    assert is_batch(batch) == wanted
