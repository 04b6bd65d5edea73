"""Fixtures made once a session: a tiny checkpoint, what is exported from it, the real clips."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

# Before numpy and torch are there, and for every process that a test starts: what tests compute is so small that
# threads bring little, and those that spin for each other cost a busy machine many times what is computed.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest

from tests.tiny import tiny_checkpoint


@pytest.fixture(autouse=True)
def engine_is_heard() -> Iterator[None]:
    """Commands and benches quieten the engine's log for the rest of their process, which here is everybody's."""
    yield
    for name in ("magno.engine", "magno.camera"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def clips() -> Path:
    return Path(__file__).parent / "clips"


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder with random weights. Read it only: all tests share it."""
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "checkpoint")


@pytest.fixture(scope="session")
def tiny_gguf(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny language model in float32, so that logits compare closely."""
    from magno.export.gguf_from_checkpoint import gguf_from_checkpoint

    out = tmp_path_factory.mktemp("gguf") / "llm.gguf"
    gguf_from_checkpoint(tiny_folder, out, llm_type="f32")
    return out


@pytest.fixture(scope="session")
def tiny_bundle(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the tiny checkpoint. Read it only: copy it before damaging it."""
    from magno.export.bundle_from_checkpoint import bundle_from_checkpoint

    return bundle_from_checkpoint(tiny_folder, tmp_path_factory.mktemp("bundle") / "tiny", llm_type="f32")
