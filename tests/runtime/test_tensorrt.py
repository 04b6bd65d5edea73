"""TensorRT in the runtime: what needs no GPU is tested anywhere; the rest is skipped without one, with the reason."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.export.engines.build import Options, build_engines
from magno.export.engines.progress import Standing
from magno.export.verify.parity import example_inputs
from magno.export.verify.tolerance import compare
from magno.runtime.backends import EncoderError
from magno.runtime.backends.tensorrt_library import MODULES, load_library
from magno.runtime.backends.tensorrt_session import runs
from magno.runtime.bundle import open_bundle
from magno.runtime.encoder import open_encoder


@given(st.integers(1, 50), st.integers(1, 9), st.integers(0, 9))
def test_batches_of_any_size_pass_an_engine_whole_and_in_order(rows: int, smallest: int, more: int) -> None:
    parts = list(runs(rows, smallest, smallest + more))
    assert [row for part, _ in parts for row in range(part.start, part.stop)] == list(range(rows))
    for part, run in parts:
        assert part.stop - part.start <= run and smallest <= run <= smallest + more


@pytest.mark.parametrize("flavour", MODULES)
def test_a_missing_library_is_one_sentence(
    flavour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{MODULES[flavour]}.py").write_text("raise ImportError('libcuda.so.1: no such\\nfile')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, MODULES[flavour], raising=False)
    with pytest.raises(
        EncoderError, match=rf"{flavour} wants its library, found: libcuda.so.1: no such file\."
    ):
        load_library(flavour)


def test_an_unknown_engine_is_one_sentence() -> None:
    with pytest.raises(EncoderError, match="one of tensorrt, tensorrt-rtx, found 'openvino'"):
        load_library("openvino")


@pytest.mark.parametrize("flavour", MODULES)
def test_what_is_missing_here_is_said_at_once(flavour: str, tiny_bundle: Path) -> None:
    reason = missing(flavour)
    if reason is None:
        pytest.skip("nothing is missing")
    with pytest.raises(EncoderError, match=r"wants (its library|cuda-python|an NVIDIA GPU)") as caught:
        open_encoder(open_bundle(tiny_bundle), flavour)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("flavour", MODULES)
@pytest.mark.parametrize("batch", [(1, 1, 1), (2, 2, 4)])
def test_the_engines_answer_as_onnx_runtime_does(
    flavour: str, batch: tuple[int, int, int], tiny_bundle: Path, tmp_path: Path
) -> None:
    needs_gpu(flavour)
    copy = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    build_engines(copy, Options(flavour, batch), Standing())
    bundle = open_bundle(copy)
    with open_encoder(bundle, "ort") as wanted, open_encoder(bundle, flavour) as found:
        for rows in (1, 1, 1, 5, 2, 1):  # prepared, recorded, launched; then other sizes and back
            pixels, motion, residual = example_inputs(bundle.spec, rows)
            parity = compare(wanted.keyframe(pixels), found.keyframe(pixels))
            assert parity.min_cosine > 0.9999
            parity = compare(wanted.window(motion, residual), found.window(motion, residual))
            assert parity.min_cosine > 0.9999
        np.testing.assert_array_equal(found.keyframe(pixels), found.keyframe(pixels))


def test_what_was_compiled_is_kept_and_garbage_in_its_place_costs_nothing(
    tiny_bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    needs_gpu("tensorrt-rtx")
    copy = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    folder, _ = build_engines(copy, Options("tensorrt-rtx", (1, 1, 1)), Standing())
    bundle = open_bundle(copy)
    inputs = example_inputs(bundle.spec, 1)

    def told() -> list[bytes]:
        with open_encoder(bundle, "tensorrt-rtx") as encoder:
            return [encoder.keyframe(inputs[0]).tobytes(), encoder.window(*inputs[1:]).tobytes()]

    first = told()
    kept = {path: path.read_bytes() for path in folder.glob("*.kernels")}
    assert len(kept) == 2 and all(kept.values())
    assert told() == first and not caplog.records
    for path in kept:
        path.write_bytes(b"garbage")
    assert told() == first and len(caplog.records) == 2
    assert all(path.read_bytes() != b"garbage" for path in kept)


def missing(flavour: str) -> str | None:
    """Why no engine of this flavour can run here; None where one can."""
    for module in (MODULES[flavour], "cuda"):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed"
    from magno.runtime.backends.cuda import NoGpu, find_gpu

    try:
        gpu = find_gpu()
    except NoGpu as error:
        return str(error)
    if flavour == "tensorrt-rtx" and gpu.compute_capability == "9.0":
        return f"tensorrt-rtx does not know the {gpu.name}"
    return None


def needs_gpu(flavour: str) -> None:
    """Skip with the reason. Where MAGNO_REQUIRE_GPU=1 says that a GPU must be here, one flavour must run: else fail."""
    reason = missing(flavour)
    if reason is not None and os.environ.get("MAGNO_REQUIRE_GPU") == "1" and all(map(missing, MODULES)):
        pytest.fail(f"a GPU was required: {reason}")
    if reason is not None:
        pytest.skip(reason)
