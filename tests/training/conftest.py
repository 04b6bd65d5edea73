"""What scenes are painted with, and a small shard of the world; made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from magno.training.make_data import Job, make_shard
from magno.training.scenes.grounds import Paint, paint_of
from magno.training.scenes.photographs import stock
from magno.training.shards import Shard, open_shard

SHARD_CLIPS = 4


@pytest.fixture(scope="session")
def shard_folder(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one training shard of SHARD_CLIPS clips, and the same as held out."""
    data = tmp_path_factory.mktemp("data")
    make_shard(Job(data / "train-000000", 0, SHARD_CLIPS, clips, True))
    (data / "held-000000").symlink_to(data / "train-000000", target_is_directory=True)
    return data


@pytest.fixture(scope="session")
def shard(shard_folder: Path) -> Shard:
    return open_shard(shard_folder / "train-000000")


@pytest.fixture(scope="session")
def paint(clips: Path) -> Paint:
    return paint_of(stock(clips, False), False)
