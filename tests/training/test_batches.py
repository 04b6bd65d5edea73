"""A batch is what the runtime will hold: a question sees the stream up to its moment and itself, nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from magno.export.model import MagnoModel
from magno.training import dataset
from magno.training.batches import IGNORE, Batcher
from magno.training.clips import encode, observe, random_settings
from magno.training.dataset import AMBIGUOUS, Shard, load_shard, make_shard
from magno.training.pocket import CODEC, LAYOUT, VOCAB_LIMIT, pocket_config
from magno.training.tokenizer import build_tokenizer
from magno.training.train import Trainee
from magno.training.world import random_scene, render


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Shard:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "CLIPS_A_SHARD", 4)
        path = make_shard(tmp_path_factory.mktemp("data") / "train-00000.npz", 0, clips)
    return load_shard(path)


@pytest.fixture(scope="module")
def trainee() -> Trainee:
    tokenizer = build_tokenizer(VOCAB_LIMIT)
    torch.manual_seed(0)
    return Trainee(
        MagnoModel(pocket_config(tokenizer.get_vocab_size(), tokenizer.token_to_id("<|im_end|>"), 0))
    ).eval()


def test_a_shard_is_whole(shard: Shard) -> None:
    assert len(shard.colour) == len(shard.shape) == 4
    assert shard.item_at[-1] == len(shard.kinds) == len(shard.direction)
    assert shard.keyframe_at[-1] == len(shard.keyframes) == (shard.kinds == 0).sum()
    assert shard.window_at[-1] == len(shard.motion) == len(shard.residual) == (shard.kinds == 1).sum()
    assert (shard.direction[shard.kinds == 0] == AMBIGUOUS).all()
    assert (shard.direction >= 0).sum() > 8


def test_windows_follow_the_cadence() -> None:
    scene, settings = random_scene(1, 50), random_settings(np.random.default_rng(0))
    seen = observe(encode(render(scene), settings), settings, CODEC, 8)
    assert seen.kinds[0] == 0 and seen.last_picture[0] == 0
    windows = np.flatnonzero(seen.kinds)
    assert (seen.last_picture[windows] - seen.first_picture[windows] <= 8).all()
    assert seen.motion.dtype == np.float16 and np.isfinite(seen.motion).all()


def test_questions_in_one_row_do_not_see_each_other(shard: Shard, trainee: Trainee) -> None:
    """Each answer's likelihood in a shared row equals what a row with that question alone gives."""
    batcher = Batcher(build_tokenizer(VOCAB_LIMIT), CODEC, LAYOUT, train=False)
    batch = batcher.batch([(shard, 0)], np.random.default_rng(0))
    told = batch.labels[0] != IGNORE
    assert int(told.sum()) >= 4
    together = _logits(trainee, batch)[told]
    for column in torch.nonzero(told).flatten():
        visible = batch.mask[0, 0, column]
        alone = batch._replace(mask=batch.mask & visible[None, None, None, :])
        assert torch.allclose(_logits(trainee, alone)[column], _logits(trainee, batch)[column], atol=1e-4)
    assert together.isfinite().all()


def test_an_answer_does_not_see_what_came_later(shard: Shard, trainee: Trainee) -> None:
    batcher = Batcher(build_tokenizer(VOCAB_LIMIT), CODEC, LAYOUT, train=False)
    batch = batcher.batch([(shard, 0)], np.random.default_rng(0))
    first_answer = int(torch.nonzero(batch.labels[0] != IGNORE)[0])
    before = _logits(trainee, batch)[first_answer]
    later = batch.motion.clone()
    later[-1] += 5.0  # the newest window
    assert torch.allclose(_logits(trainee, batch._replace(motion=later))[first_answer], before, atol=1e-5)
    earlier = batch.motion.clone()
    earlier[0] += 5.0
    assert not torch.allclose(
        _logits(trainee, batch._replace(motion=earlier))[first_answer], before, atol=1e-5
    )


def test_positions_of_a_question_go_on_from_its_moment(shard: Shard) -> None:
    batcher = Batcher(build_tokenizer(VOCAB_LIMIT), CODEC, LAYOUT, train=True)
    for seed in range(5):
        batch = batcher.batch([(shard, 1), (shard, 2)], np.random.default_rng(seed))
        for row in range(2):
            for column in torch.nonzero(batch.labels[row] != IGNORE).flatten():
                seen = batch.mask[row, 0, column]
                positions = batch.positions[row][seen]
                assert len(set(positions.tolist())) == len(positions)  # none twice
                assert positions.max() == batch.positions[row, column]


def _logits(trainee: Trainee, batch: object) -> torch.Tensor:
    with torch.no_grad():
        return trainee.hidden(batch)[0][0]
