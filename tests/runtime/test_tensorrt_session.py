"""An engine at work, on a twin of the GPU: what goes in comes out, recorded or not, and nothing is left behind."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magno.runtime.backends import EncoderError, Graph, Port, tensorrt, tensorrt_rtx
from magno.runtime.backends.tensorrt_library import Library
from magno.runtime.backends.tensorrt_session import TensorRtSession
from tests.runtime.cuda_twin import CudaTwin, EngineTwin, tensorrt_twin
from tests.runtime.test_engine_file import PLAN, with_engines
from tests.runtime.test_engine_record import RTX

GRAPH = Graph((Port("x", (3, 2)),), Port("y", (3, 2)))
NAME = "magno.runtime.backends.cuda"


def library(cuda: CudaTwin | None = None) -> Library:
    log = SimpleNamespace(complaints=deque(["a kernel\nfailed"]))
    return Library(RTX.flavour, RTX.version, tensorrt_twin(cuda or CudaTwin(), PLAN), log)


@contextmanager
def on(cuda: CudaTwin) -> Iterator[ModuleType]:
    """magno.runtime.backends.cuda with the twin in cuda-python's place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cuda", ModuleType("cuda"))
        patch.setitem(sys.modules, "cuda.bindings", SimpleNamespace(runtime=cuda))
        patch.delitem(sys.modules, NAME, raising=False)
        module = importlib.import_module(NAME)
        patch.setitem(sys.modules, NAME, module)  # undone at the end
        yield module
    sys.modules.pop(NAME, None)


def numbers(rows: int, seed: int) -> dict[str, Any]:
    return {"x": np.random.default_rng(seed).normal(size=(rows, 3, 2)).astype(np.float32)}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=8), st.sampled_from([(1, 1, 1), (1, 1, 4), (2, 3, 4)])
)
def test_any_run_of_batches_comes_out_right_and_leaves_nothing(
    sizes: list[int], batch: tuple[int, ...]
) -> None:
    cuda = CudaTwin()
    with on(cuda):
        session = TensorRtSession(library(), EngineTwin(cuda), GRAPH, batch)
        for at, rows in enumerate(sizes):
            given_ = numbers(rows, at)
            np.testing.assert_array_equal(session.infer(given_), 2 * given_["x"])
        session.close()
        session.close()
    assert not cuda.memory and not cuda.handles


def test_a_steady_batch_is_launched_from_its_recording() -> None:
    cuda = CudaTwin()
    with on(cuda):
        session = TensorRtSession(library(), EngineTwin(cuda), GRAPH, (1, 1, 1))
        for at, launched in enumerate([0, 1, 2, 3]):
            session.infer(numbers(1, at))
            assert cuda.launched == launched
        session.close()


def test_an_engine_that_cannot_be_recorded_runs_all_the_same() -> None:
    cuda = CudaTwin()
    with on(cuda):
        session = TensorRtSession(library(), EngineTwin(cuda, records=False), GRAPH, (1, 1, 4))
        for at in range(4):
            given_ = numbers(2, at)
            np.testing.assert_array_equal(session.infer(given_), 2 * given_["x"])
        session.close()
    assert cuda.launched == 0 and not cuda.handles


def test_an_engine_that_records_by_itself_is_asked_to() -> None:
    cuda, config = CudaTwin(), SimpleNamespace(cuda_graph_strategy="disabled")
    engine = EngineTwin(cuda)
    engine.create_runtime_config = lambda: config  # type: ignore[attr-defined]
    with on(cuda):
        session = TensorRtSession(library(), engine, GRAPH, (1, 1, 1))
        for at in range(3):
            session.infer(numbers(1, at))
        session.close()
    assert config.cuda_graph_strategy == "whole" and cuda.launched == 0


@pytest.mark.parametrize("memory_bytes", [0, 24, 60, 72])
def test_too_little_memory_is_one_sentence_and_leaves_nothing(memory_bytes: int) -> None:
    cuda = CudaTwin(memory_bytes)
    with on(cuda), pytest.raises(EncoderError, match=r"found: out of memory \(CUDA error 2\)"):
        TensorRtSession(library(), EngineTwin(cuda), GRAPH, (1, 1, 1))
    assert not cuda.memory and not cuda.handles


def test_an_engine_that_fails_says_why_and_works_again() -> None:
    cuda = CudaTwin()
    engine = EngineTwin(cuda)
    with on(cuda):
        session = TensorRtSession(library(), engine, GRAPH, (1, 1, 1))
        engine.fails = True
        with pytest.raises(EncoderError, match="wants to run 1 rows, found: a kernel failed"):
            session.infer(numbers(1, 0))
        engine.fails = False
        np.testing.assert_array_equal(session.infer(numbers(1, 0)), 2 * numbers(1, 0)["x"])
        session.close()
        with pytest.raises(EncoderError, match="found it closed"):
            session.infer(numbers(1, 0))


@pytest.mark.parametrize(("rows", "batch"), [(1, (1, 1, 1)), (3, (1, 1, 2)), (1, (2, 2, 4))])
def test_the_layers_are_timed_apart_from_what_answers(rows: int, batch: tuple[int, ...]) -> None:
    cuda = CudaTwin()
    with on(cuda):
        session = TensorRtSession(library(), EngineTwin(cuda), GRAPH, batch)
        for at in range(3):
            session.infer(numbers(rows, at))
        launched = cuda.launched
        assert session.layer_times_ms(numbers(rows, 0), times=4) == {"double": [0.5] * 4}
        assert cuda.launched == launched
        np.testing.assert_array_equal(session.infer(numbers(rows, 9)), 2 * numbers(rows, 9)["x"])
        session.close()
        with pytest.raises(EncoderError, match="found it closed"):
            session.layer_times_ms(numbers(rows, 0), times=1)
    assert not cuda.memory and not cuda.handles


def test_an_engine_of_a_bundle_is_found_checked_and_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx, cuda = with_engines(tmp_path / "bundle"), CudaTwin()
    monkeypatch.setattr(tensorrt, "load_library", lambda flavour: library(cuda))
    with on(cuda):
        session = tensorrt_rtx.open(onnx, GRAPH, 1)
        np.testing.assert_array_equal(session.infer(numbers(3, 0)), 2 * numbers(3, 0)["x"])
        session.close()
        other = Graph(GRAPH.inputs, Port("tokens", (3, 2)))
        with pytest.raises(EncoderError, match=r"wants outputs tokens \(N, 3, 2\) float32, found y \(N, "):
            tensorrt_rtx.open(onnx, other, 1)
        trt = tensorrt_twin(cuda, b"another plan")
        monkeypatch.setattr(tensorrt, "load_library", lambda flavour: dataclasses.replace(library(), trt=trt))
        with pytest.raises(EncoderError, match=r"loaded by tensorrt-rtx 1\.7\.1, found: a kernel failed\."):
            tensorrt_rtx.open(onnx, GRAPH, 1)
    assert not cuda.memory and not cuda.handles


def test_the_gpu_is_known_by_name_and_compute_capability() -> None:
    with on(CudaTwin()) as cuda:
        assert (cuda.find_gpu().name, cuda.find_gpu().compute_capability) == (
            "NVIDIA GeForce RTX 4090",
            "8.9",
        )


@pytest.mark.parametrize(("gpus", "reason"), [(0, "none"), (-1, r"driver is insufficient \(CUDA error 35\)")])
def test_no_gpu_is_one_sentence(gpus: int, reason: str) -> None:
    with on(CudaTwin(gpus=gpus)) as cuda, pytest.raises(cuda.NoGpu, match=f"its driver, found: {reason}\\."):
        cuda.find_gpu()
