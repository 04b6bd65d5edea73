"""Random checkpoints of every family, narrow. Read them only: all tests share them."""

from __future__ import annotations

from pathlib import Path

import pytest

from magno.export.random_checkpoint import write_random
from magno.export.random_models.models import Choice

NAMES = (
    "siglip-base-16-224",
    "qwen2-0.5b",
    "qwen3-0.6b",
    "llama-3.2-1b",
    "delta-paper-small",
    "projector",
    "projector-newline",
    "llava-video",
)


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder of each."""
    folder = tmp_path_factory.mktemp("zoo")
    for name in NAMES:
        write_random(name, folder / name, Choice(tiny=True), shard_bytes=100_000)
    return folder
