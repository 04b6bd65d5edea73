"""A batch is what the runtime will hold: a question sees the stream up to its moment and itself, nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from magno.training.batches import Batch, Batcher
from magno.training.clips import encode, observe, random_settings
from magno.training.facts import MOVERS, STEP_PX
from magno.training.grounding import words_of
from magno.training.pocket import CODEC, LAYOUT
from magno.training.questions.words import COLOURS
from magno.training.rows import IGNORE, LONG, SHORT, Span
from magno.training.samples import Samples
from magno.training.scenes.compose import Recipe, compose
from magno.training.scenes.film import film
from magno.training.scenes.grounds import Paint
from magno.training.shards import Shard
from magno.training.tokenizer import build_tokenizer
from magno.training.train import new_model
from magno.training.trainee import Trainee


def untrained() -> Trainee:
    model, tokenizer = new_model()
    return Trainee(model, words_of(tokenizer))


@pytest.fixture(scope="module")
def trainee() -> Trainee:
    torch.manual_seed(0)
    return untrained().eval()


def batcher_of(*, train: bool, questions: int = 6) -> Batcher:
    return Batcher(build_tokenizer(768), CODEC, LAYOUT, train=train, questions=questions)


def of_clips(shard: Shard, *, train: bool = False, seed: int = 0, span: Span = LONG) -> Batch:
    everything = [(shard, clip) for clip in range(shard.clips)]
    return batcher_of(train=train).batch(everything, np.random.default_rng(seed), span)


def test_questions_in_one_row_do_not_see_each_other(shard: Shard, trainee: Trainee) -> None:
    """Each answer's likelihood in a shared row equals what a row with that question alone gives."""
    batch = batcher_of(train=False).batch([(shard, 0)], np.random.default_rng(0))
    told = batch.labels[0] != IGNORE
    assert int(told.sum()) >= 4
    together = _states(trainee, batch)
    for column in torch.nonzero(told).flatten():
        visible = batch.mask[0, 0, column]
        alone = batch._replace(mask=batch.mask & visible[None, None, None, :])
        assert torch.allclose(_states(trainee, alone)[column], together[column], atol=1e-4)


def test_an_answer_does_not_see_what_came_later(shard: Shard, trainee: Trainee) -> None:
    batch = batcher_of(train=False, questions=40).batch([(shard, 0)], np.random.default_rng(0))
    told = torch.nonzero(batch.labels[0] != IGNORE).flatten()
    window = batch.window_rows[:, 1].reshape(-1, LAYOUT.window_tokens)
    early = next(int(c) for c in told if not batch.mask[0, 0, c, window[-1]].any())
    before = _states(trainee, batch)[early]
    motion = batch.windows.motion.clone()
    motion[-1] += 5.0  # the newest window
    later = batch._replace(windows=batch.windows._replace(motion=motion))
    assert torch.allclose(_states(trainee, later)[early], before, atol=1e-5)
    late = next(int(c) for c in told if batch.mask[0, 0, c, window[-1]].all())
    assert not torch.allclose(_states(trainee, later)[late], _states(trainee, batch)[late], atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_positions_of_a_question_go_on_from_its_moment(shard: Shard, seed: int) -> None:
    batch = of_clips(shard, train=True, seed=seed)
    for row in range(shard.clips):
        for column in torch.nonzero(batch.labels[row] != IGNORE).flatten():
            seen = batch.mask[row, 0, column]
            positions = batch.positions[row][seen]
            assert len(set(positions.tolist())) == len(positions)  # none twice
            assert positions.max() == batch.positions[row, column]


@pytest.mark.parametrize("span", [SHORT, LONG])
@pytest.mark.parametrize("seed", range(3))
def test_rows_are_no_longer_than_their_span(shard: Shard, seed: int, span: Span) -> None:
    batch = of_clips(shard, train=True, seed=seed, span=span)
    system = len(build_tokenizer(768).encode(LAYOUT.system_text, add_special_tokens=False).ids)
    for row in range(shard.clips):
        stream = (batch.keyframe_rows[:, 0] == row).sum() + (batch.window_rows[:, 0] == row).sum()
        assert 0 < int(stream) <= span.tokens + LAYOUT.keyframe_tokens + system


@pytest.mark.parametrize("seed", range(4))
def test_short_rows_leave_nothing_out(shard: Shard, seed: int) -> None:
    batch = of_clips(shard, train=True, seed=seed, span=SHORT)
    for row in range(shard.clips):
        last = int(
            max(
                column
                for at, column in torch.cat([batch.keyframe_rows, batch.window_rows]).tolist()
                if at == row
            )
        )
        assert (batch.positions[row, : last + 1].diff() == 1).all()


def test_a_frozen_step_teaches_the_language_model_alone(shard: Shard) -> None:
    trainee = untrained()
    trainee(of_clips(shard, train=True, span=SHORT), frozen=True).total.backward()
    assert all(each.grad is None for each in trainee.encoders())
    assert sum(float(each.grad.abs().sum()) > 0 for each in trainee.language() if each.grad is not None) > 60
    assert len(trainee.encoders()) + len(trainee.language()) == len(list(trainee.parameters()))


def test_movers_go_where_the_true_motion_goes(shard: Shard) -> None:
    """In the picture as it is and turned: a mover's displacement joins its two places, and it has a name."""
    movers = 0
    for seed in range(4):
        windows = of_clips(shard, train=True, seed=seed).windows
        assert windows.mover.shape == (len(windows.motion), MOVERS)
        joined = (windows.end - windows.start) * CODEC.image_px / STEP_PX
        assert torch.allclose(joined[windows.mover], windows.moved[..., :2][windows.mover], atol=0.02)
        assert (windows.colour[windows.mover] > 0).all() and (windows.shape[windows.mover] > 0).all()
        movers += int(windows.mover.sum())
    assert movers > 10


def test_samples_by_themselves_are_those_of_rows(shard: Shard) -> None:
    samples, rng = Samples([shard], CODEC), np.random.default_rng(0)
    keyframes, windows = samples.keyframes(8, rng), samples.windows(9, rng)
    batch = of_clips(shard)
    assert keyframes.pixels.shape[1:] == batch.keyframes.pixels.shape[1:] and len(keyframes.pixels) == 8
    for own, of_row in zip(windows, batch.windows, strict=True):
        assert own.shape[1:] == of_row.shape[1:] and own.dtype == of_row.dtype and len(own) == 9


def test_patches_have_the_colours_of_their_things(shard: Shard) -> None:
    batch = of_clips(shard)
    seen: dict[str, list[np.ndarray]] = {}
    cell = CODEC.patch_px
    for number, picture in enumerate(batch.keyframes.pixels.numpy()):
        middle = picture.reshape(3, CODEC.patches, cell, CODEC.patches, cell).mean((2, 4)).reshape(3, -1)
        for patch, colour in enumerate(batch.keyframes.colours[number].tolist()):
            if 0 < colour <= len(COLOURS):
                seen.setdefault(COLOURS[colour - 1], []).append(middle[:, patch])
    assert len(seen) >= 3
    for colour, channel in (("red", 0), ("green", 1), ("blue", 2)):
        if colour in seen:
            assert int(np.mean(seen[colour], axis=0).argmax()) == channel


def test_windows_follow_the_cadence(paint: Paint) -> None:
    scene, settings = compose(1, Recipe(pictures=(50, 50)), paint), random_settings(np.random.default_rng(0))
    seen = observe(encode(film(scene)[0], settings), settings, CODEC, 8)
    assert seen.kinds[0] == 0 and seen.last_picture[0] == 0
    windows = np.flatnonzero(seen.kinds)
    assert (seen.last_picture[windows] - seen.first_picture[windows] <= 8).all()
    assert seen.motion.dtype == np.float16 and np.isfinite(seen.motion).all()


def _states(trainee: Trainee, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return trainee.states(batch)[-1][0]
