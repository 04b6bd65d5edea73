"""Engines on the disk: only what fits, only whole, and only from a folder that nobody else can write."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import pytest

from magno.runtime.backends import EncoderError
from magno.runtime.backends.engine_file import engine_name, read_engine, read_owned
from magno.runtime.backends.engine_record import EngineFile, device_folder
from magno.runtime.spec import to_dict
from tests.runtime.test_engine_record import ORIN, PORTABLE, RECORD, RTX

GRAPH, PLAN = b"the graph", b"the engine"


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    return with_engines(tmp_path / "bundle")


def with_engines(bundle: Path) -> Path:
    """A bundle's vision.onnx with an engine for Orin, and one for any RTX card."""
    path = bundle / "vision.onnx"
    path.parent.mkdir()
    path.write_bytes(GRAPH)
    digests = [hashlib.sha256(data).hexdigest() for data in (GRAPH, PLAN)]
    for record, gpu in ((RECORD, ORIN.gpu.name), (PORTABLE, "")):
        folder = path.parent / "engines" / device_folder(record.flavour, gpu)
        folder.mkdir(0o755, parents=True)
        file = EngineFile(*digests, len(PLAN), (1, 1, 1), "engine", 1.0)
        values = to_dict(dataclasses.replace(record, engines={"vision.onnx": file}))
        for name, data in (("engines.json", json.dumps(values).encode()), ("vision.engine", PLAN)):
            (folder / name).write_bytes(data)
            (folder / name).chmod(0o644)
        folder.chmod(0o755)
    (path.parent / "engines").chmod(0o755)
    return path


def folder_of(onnx: Path) -> Path:
    return onnx.parent / "engines" / "orin-nvgpu.tensorrt"


def test_the_engine_of_this_device_is_read(onnx: Path) -> None:
    found = read_engine(onnx, ORIN)
    assert (found.data, found.path) == (PLAN, folder_of(onnx) / "vision.engine")
    assert found.file.batch == (1, 1, 1)


def test_the_engine_for_any_gpu_is_the_second_choice(onnx: Path) -> None:
    found = read_engine(onnx, RTX)
    assert found.path.parent.name == "any-gpu.tensorrt-rtx"


def test_no_engine_says_what_is_there_and_what_to_run(onnx: Path) -> None:
    with pytest.raises(EncoderError) as caught:
        read_engine(onnx, dataclasses.replace(RTX, flavour="tensorrt"))
    assert (
        "for NVIDIA GeForce RTX 4090 and tensorrt, found any-gpu.tensorrt-rtx, orin-nvgpu.tensorrt."
        in str(caught.value)
    )
    assert str(caught.value).endswith(f"Run: magno build {onnx.parent} --engine tensorrt.")
    alone = onnx.parent.parent / "other" / "vision.onnx"
    with pytest.raises(EncoderError, match=r"found none\. Run: magno build"):
        read_engine(alone, ORIN)


def test_an_engine_of_another_graph_is_stale(onnx: Path) -> None:
    onnx.write_bytes(b"exported again")
    with pytest.raises(EncoderError, match=r"wants the vision.onnx it was built from.*Run: magno build"):
        read_engine(onnx, ORIN)


def test_a_graph_that_is_gone_is_one_sentence(onnx: Path) -> None:
    onnx.unlink()
    with pytest.raises(
        EncoderError, match=r"vision.onnx to be readable, found: No such file or directory\. Run:"
    ):
        read_engine(onnx, ORIN)


def test_a_newer_library_makes_engines_stale(onnx: Path) -> None:
    with pytest.raises(
        EncoderError, match=r"orin-nvgpu.tensorrt wants the tensorrt that built it 10.3.0, found 11.0"
    ):
        read_engine(onnx, dataclasses.replace(ORIN, version="11.0"))


@pytest.mark.parametrize("data", [PLAN + b"!", PLAN[:-1], b"x" * len(PLAN), b""])
def test_a_changed_engine_is_refused(onnx: Path, data: bytes) -> None:
    (folder_of(onnx) / "vision.engine").write_bytes(data)
    with pytest.raises(EncoderError, match=r"vision.engine wants .* found"):
        read_engine(onnx, ORIN)


@pytest.mark.parametrize("name", ["", "..", "vision.engine", "engines.json"])
@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_what_others_can_write_is_not_read(onnx: Path, name: str, mode: int) -> None:
    path = folder_of(onnx) / name
    path.chmod(mode)
    with pytest.raises(
        EncoderError, match=rf"writable by its owner alone, found mode {mode:o}: an engine is native"
    ):
        read_engine(onnx, ORIN)


@pytest.mark.parametrize("name", ["vision.engine", "engines.json", "."])
def test_what_somebody_else_owns_is_not_read(onnx: Path, name: str) -> None:
    if os.geteuid():
        pytest.skip("only root can give a file away")
    os.chown(folder_of(onnx) / name, 12345, -1)
    with pytest.raises(EncoderError, match="wants this user or root as its owner, found user 12345"):
        read_engine(onnx, ORIN)


@pytest.mark.parametrize("name", ["vision.engine", "engines.json", "."])
def test_a_link_is_not_followed(onnx: Path, name: str) -> None:
    path = folder_of(onnx) / name
    moved = onnx.parent.parent / "elsewhere"
    path.rename(moved)
    path.symlink_to(moved)
    with pytest.raises(EncoderError, match="found"):
        read_engine(onnx, ORIN)


def test_a_pipe_or_folder_in_place_of_a_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o644)
    (tmp_path / "folder").mkdir(0o755)
    for name in ("pipe", "folder", "nothing"):
        with pytest.raises(EncoderError, match=f"{name} wants to be a"):
            read_owned(tmp_path / name, 100)


def test_an_engine_is_named_after_its_graph() -> None:
    assert engine_name("vision.onnx") == "vision.engine"
