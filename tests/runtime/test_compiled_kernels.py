"""What TensorRT-RTX compiled is kept beside the engine: on a twin of its cache that has the real one's names."""

from __future__ import annotations

import logging
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from magno.runtime.backends import compiled_kernels
from magno.runtime.backends.compiled_kernels import CompiledKernels, keeps_kernels, kernels_path
from magno.runtime.backends.tensorrt_library import Library
from magno.runtime.backends.tensorrt_session import TensorRtSession
from tests.runtime.cuda_twin import CudaTwin, EngineTwin
from tests.runtime.test_tensorrt_session import GRAPH, library, numbers, on

HERE = b"RTX 4090, driver 580\n"


class CacheTwin:
    """Of IRuntimeCache: it takes what was compiled in its own environment, else nothing, and stays as it is."""

    def __init__(self) -> None:
        self.compiled: set[bytes] = set()

    def deserialize(self, blob: bytes) -> bool:
        if not blob.startswith(HERE):
            return False
        self.compiled = set(blob[len(HERE) :].splitlines())
        return True

    def serialize(self) -> bytes:
        return HERE + b"\n".join(sorted(self.compiled))


class ConfigTwin:
    """Of IRuntimeConfig."""

    cuda_graph_strategy = "disabled"

    def __init__(self) -> None:
        self.cache: CacheTwin | None = None

    def create_runtime_cache(self) -> CacheTwin:
        return CacheTwin()

    def set_runtime_cache(self, cache: CacheTwin) -> bool:
        self.cache = cache
        return True


class CompilingTwin(EngineTwin):
    """An engine that compiles a kernel for each batch it has not seen, unless its cache has it."""

    def __init__(self, cuda: CudaTwin) -> None:
        super().__init__(cuda)
        self.config, self.compilations = ConfigTwin(), 0

    def create_runtime_config(self) -> ConfigTwin:
        return self.config

    def execute_async_v3(self, stream: int) -> bool:
        assert self.config.cache is not None
        kernel = b"double %d rows" % self.shape[0]
        self.compilations += kernel not in self.config.cache.compiled
        self.config.cache.compiled.add(kernel)
        return super().execute_async_v3(stream)


def compiled(path: Path, sizes: list[int]) -> int:
    """How many kernels an engine compiled that was opened, ran such batches and was closed."""
    cuda = CudaTwin()
    engine = CompilingTwin(cuda)
    with on(cuda):
        session = TensorRtSession(library(), engine, GRAPH, (1, 1, 4), path)
        for at, rows in enumerate(sizes):
            np.testing.assert_array_equal(session.infer(numbers(rows, at)), 2 * numbers(rows, at)["x"])
        session.close()
    assert not cuda.memory and not cuda.handles
    return engine.compilations


def kept_by(config: Any, path: Path) -> CompiledKernels:
    log = SimpleNamespace(complaints=deque(["another\ndriver"]))
    return CompiledKernels(Library("tensorrt-rtx", "1.7", None, log), config, path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return kernels_path(tmp_path / "vision.engine")


def test_an_engine_opened_again_compiles_only_what_is_new(path: Path) -> None:
    assert compiled(path, [1, 3, 1, 3]) == 2
    assert path.name == "vision.kernels" and path.stat().st_mode & 0o777 == 0o644
    assert compiled(path, [3, 1, 1]) == 0
    assert compiled(path, [1, 2]) == 1
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_it_is_on_the_disk_once_a_batch_was_run(path: Path) -> None:
    """A robot is switched off, and closes nothing."""
    cuda = CudaTwin()
    with on(cuda):
        session = TensorRtSession(library(), CompilingTwin(cuda), GRAPH, (1, 1, 4), path)
        session.infer(numbers(1, 0))
        assert path.read_bytes() == HERE + b"double 1 rows"
        session.close()


def test_what_was_not_added_to_is_not_written_again(path: Path) -> None:
    compiled(path, [1])
    before = path.stat().st_ino
    compiled(path, [1, 1])
    assert path.stat().st_ino == before


def test_what_does_not_fit_is_one_line_and_made_anew(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(b"GTX 1080, driver 390\ndouble 1 rows")
    path.chmod(0o644)
    assert compiled(path, [1]) == 1
    (record,) = caplog.records
    assert "wants to be of this GPU, driver and library, found: a kernel failed. Its" in record.getMessage()
    assert compiled(path, [1]) == 0 and len(caplog.records) == 1


def test_what_others_may_write_is_not_read(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(HERE + b"anybody's code")
    path.chmod(0o666)
    config = ConfigTwin()
    kept = kept_by(config, path)
    assert config.cache is not None and not config.cache.compiled
    assert "writable by its owner alone, found mode 666" in caplog.text and len(caplog.records) == 1
    kept.keep()
    assert path.read_bytes() == HERE and path.stat().st_mode & 0o777 == 0o644


def test_it_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(compiled_kernels, "LIMIT_BYTES", 40)
    config = ConfigTwin()
    kept = kept_by(config, path)
    assert config.cache is not None
    config.cache.compiled = {b"k" * 100}
    kept.keep()
    assert not path.exists() and "wants at most 40 bytes, found: 121." in caplog.text
    path.write_bytes(HERE + b"k" * 100)
    path.chmod(0o644)
    kept_by(config := ConfigTwin(), path)
    assert config.cache is not None and not config.cache.compiled


def test_a_disk_that_cannot_be_written_costs_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    assert compiled(tmp_path / "nowhere" / "vision.kernels", [1]) == 1
    assert "wants to be writable, found: No such file or directory" in caplog.text
    assert not list(tmp_path.iterdir())


def test_the_library_that_compiles_nothing_here_is_let_be(path: Path) -> None:
    assert not keeps_kernels(SimpleNamespace())
    cuda = CudaTwin()
    with on(cuda):
        session = TensorRtSession(library(), EngineTwin(cuda), GRAPH, (1, 1, 1), path)
        session.infer(numbers(1, 0))
        session.close()
    assert not path.exists()


def test_the_twin_has_the_librarys_own_names() -> None:
    trt = pytest.importorskip(
        "tensorrt_rtx", reason="tensorrt-rtx is not installed: pip install 'magno[rtx]'"
    )
    assert keeps_kernels(trt.IRuntimeConfig) and hasattr(trt.IRuntimeConfig, "cuda_graph_strategy")
    for twin, real in ((CacheTwin, trt.IRuntimeCache), (ConfigTwin, trt.IRuntimeConfig)):
        assert {name for name in vars(twin) if not name.startswith("_")} <= set(dir(real))
