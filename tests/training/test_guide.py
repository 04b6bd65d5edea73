"""How answers begin: words that stand for what tokens say, and attention that is told where to look."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from magno.training.batches import Batch, Batcher
from magno.training.grounding import words_of
from magno.training.guide import NOWHERE, _happened, _mover_columns, _shown
from magno.training.make_data import Job, make_shard
from magno.training.pocket import CODEC, LAYOUT
from magno.training.pointers import called, matches, pointers
from magno.training.questions.words import COLOURS
from magno.training.rows import LONG, SHORT, Span
from magno.training.samples import Samples
from magno.training.shards import Shard, open_shard
from magno.training.symmetry import AS_IT_IS
from magno.training.tokenizer import build_tokenizer
from magno.training.train import new_model
from magno.training.trainee import Trainee
from tests.training.row_makers import rows_of

CUT_SEED = 63  # of a scene of two shots


@pytest.fixture
def trainee() -> Trainee:
    torch.manual_seed(0)
    model, tokenizer = new_model()
    return Trainee(model, words_of(tokenizer)).eval()


def batch_of(shard: Shard, *, questions: int = 10, span: Span = SHORT) -> Batch:
    batcher = Batcher(build_tokenizer(768), CODEC, LAYOUT, train=True, questions=questions)
    return batcher.batch([(shard, clip) for clip in range(shard.clips)], np.random.default_rng(0), span)


def test_settled_tokens_say_what_they_said(shard: Shard, trainee: Trainee) -> None:
    samples = Samples([shard], CODEC)
    keyframes, windows = (take(12, np.random.default_rng(0)) for take in (samples.keyframes, samples.windows))

    def said() -> list[float]:
        parts = {**trainee.named(keyframes).parts, **trainee.moved(windows).parts}
        return [part.item() for part in parts.values()]

    before = said()
    trainee.settle(keyframes)
    assert said() == pytest.approx(before, rel=1e-4)
    assert trainee.model.vision(keyframes.pixels).square().mean().item() == pytest.approx(1.0, rel=1e-3)


def test_a_word_begins_as_what_its_head_reads(shard: Shard, trainee: Trainee) -> None:
    trainee.settle(Samples([shard], CODEC).keyframes(4, np.random.default_rng(0)))
    language, words = trainee.model.language, trainee._words
    embedded = language.get_input_embeddings().weight
    reads = trainee.thing_names.colour.weight[1 : 1 + len(COLOURS)] @ embedded[words.colours].T
    assert reads.argmax(1).tolist() == list(range(len(COLOURS)))
    right = trainee.motion.moved.weight[0]
    leftwards, rightwards = (embedded[words.ways[:2]] @ right).tolist()
    assert rightwards > 0 > leftwards
    for layer in language.model.layers:
        assert torch.equal(layer.self_attn.q_proj.weight, layer.self_attn.k_proj.weight)
        passed = layer.self_attn.o_proj.weight == layer.self_attn.v_proj.weight.T
        assert passed[:-8].float().mean() > 0.98  # the last columns tell times alone (elapsed.py)


def test_every_word_has_a_token_of_its_own() -> None:
    words = words_of(new_model()[1])
    numbers = [*words.colours, *words.shapes, *words.ways, *words.spots, *words.seconds]
    assert len(set(numbers)) == len(numbers) == 8 + 9 + 4 + 3 + 3


@pytest.mark.parametrize(
    ("slot", "wanted"),
    [
        ("the red square", (1, 1)),
        ("the black object", (8, 0)),
        ("the car", (0, 7)),
        ("green ring", (2, 6)),
        ("the object", (0, 0)),
    ],
)
def test_what_a_question_calls_its_thing(slot: str, wanted: tuple[int, int]) -> None:
    assert called(slot) == wanted


def test_what_is_not_told_matches_any_thing() -> None:
    colours, shapes = np.array([0, 1, 1, 2]), np.array([0, 1, 2, 1])
    assert matches(colours, shapes, (1, 0)).tolist() == [False, True, True, False]
    assert matches(colours, shapes, (0, 1)).tolist() == [False, True, False, True]
    assert matches(colours, shapes, (0, 0)).tolist() == [False, True, True, True]


def test_pointers_point_into_what_the_question_sees(shard: Shard) -> None:
    tokenizer = build_tokenizer(768)
    rows = rows_of(40)
    found = 0
    for clip in range(shard.clips):
        lessons = [lesson for lesson in shard.lessons if lesson.clip == clip]
        row = rows.row(shard, clip, lessons, AS_IT_IS, np.random.default_rng(0))
        suffix = tokenizer.token_to_id("<|im_end|>")
        told = pointers(row, shard, AS_IT_IS, CODEC.patches)
        assert [each.column + 1 for _, each in told if row.ids[each.column] == suffix] == row.answers
        for lesson, pointer in told:
            assert row.labels[pointer.column + 1] != -100
            assert all(column < row.fork_at[pointer.column] for column in pointer.patches)
            windows = [item for item, kind in zip(row.items, row.kinds, strict=True) if kind == 1]
            assert all(windows[at] <= lesson.item for at in (pointer.window, pointer.turn) if at >= 0)
            assert len(pointer.sought) == (any(lesson.slots) or lesson.thing >= 0)
            found += bool(pointer.patches)
    assert found > 20


def test_a_second_word_looks_where_the_first_did(shard: Shard) -> None:
    """ "up" and "up left" are told apart after "up": there the thing is to be found as well."""
    rows = rows_of(40)
    met = set()
    for clip in range(shard.clips):
        lessons = [
            lesson
            for lesson in shard.lessons
            if lesson.clip == clip and lesson.phrase in ("direction", "where")
        ]
        row = rows.row(shard, clip, lessons, AS_IT_IS, np.random.default_rng(0))
        told = pointers(row, shard, AS_IT_IS, CODEC.patches)
        for lesson, answer in zip(row.lessons, row.answers, strict=True):
            lines = [pointer for each, pointer in told if each is lesson]
            known = lesson.thing >= 0
            assert [line.column for line in lines] == [answer - 1, answer][: 1 + known]
            assert all(dataclasses.replace(line, column=answer - 1) == lines[0] for line in lines)
            met.add((lesson.phrase, known))
    assert met >= {("direction", True), ("where", True)}


def test_what_is_nowhere_is_looked_for_nowhere_else(shard: Shard) -> None:
    """A named thing without a token that tells of it, and what never happened, are found at one place of their own."""
    batch = batch_of(shard, questions=40)
    tokens = torch.zeros(len(batch.windows.known), 3, dtype=torch.int64), batch.windows.mover
    movers = _mover_columns(batch, 3)
    shown = _shown(batch, movers, tokens)
    assert bool(shown[batch.asked.named].any(1).all())
    assert not shown[shown[:, NOWHERE]][:, NOWHERE + 1 :].any() and bool(shown[:, NOWHERE].any())
    asked = batch.asked
    never = asked._replace(turn=torch.full_like(asked.turn, -1), turned=torch.ones_like(asked.turned))
    happened = _happened(batch._replace(asked=never), movers, tokens)
    assert bool(happened[:, NOWHERE].all()) and not happened[:, NOWHERE + 1 :].any()


def test_a_cut_is_looked_for_where_it_is_told(shard: Shard) -> None:
    batch = batch_of(shard, questions=40)
    movers = _mover_columns(batch, 3)
    tokens = torch.zeros(len(batch.windows.known), 3, dtype=torch.int64), batch.windows.mover
    asked = batch.asked
    assert not asked.cuts.any()  # no scene of this shard is cut
    told = torch.zeros_like(asked.cuts)
    told[:, 7] = True
    for cuts, place in ((told, 7), (asked.cuts, NOWHERE)):
        about_cuts = asked._replace(
            changed=torch.ones_like(asked.changed), cuts=cuts, turn=torch.full_like(asked.turn, -1)
        )._replace(turned=torch.full_like(asked.turned, -1))
        happened = _happened(batch._replace(asked=about_cuts), movers, tokens)
        assert bool((happened.nonzero()[:, 1] == place).all()) and bool(happened.any(1).all())


def test_a_cut_scene_points_to_its_texts(clips: Path, tmp_path: Path) -> None:
    """Each question whether the view has changed sees the text of a cut where it has, and none where it has not."""
    folder = tmp_path / "train-000000"
    make_shard(Job(folder, CUT_SEED, 1, clips, False))
    cut = open_shard(folder)
    assert cut.clips_told[0]["plot"] == "cut" and cut.arrays.cuts.sum() == 1
    tokenizer = build_tokenizer(768)
    rows = rows_of(60)
    row = rows.row(cut, 0, list(cut.lessons), AS_IT_IS, np.random.default_rng(0))
    at = row.ids.index(tokenizer.token_to_id("<|cut|>"))
    told = [found for found in pointers(row, cut, AS_IT_IS, CODEC.patches) if found[0].family == "changed"]
    assert "yes" in {lesson.answers[0] for lesson, _ in told}
    assert all(pointer.when.cuts == ((at,) if lesson.answers[0] == "yes" else ()) for lesson, pointer in told)


def test_what_is_counted_has_a_middle_each(shard: Shard) -> None:
    batch = batch_of(shard, questions=40, span=LONG)
    asked = batch.asked
    told = [lesson for lesson in shard.lessons if lesson.family == "count"]
    assert bool(asked.counts.any()) and not asked.counted[~asked.counts].any()
    most = max(int(lesson.answers[0]) for lesson in told)
    assert 0 < int(asked.counted.sum(1).max()) <= most + 1  # one may have left since the keyframe


def test_attention_learns_to_look_where_it_is_told(shard: Shard, trainee: Trainee) -> None:
    trainee.settle(Samples([shard], CODEC).keyframes(4, np.random.default_rng(0)))
    batch = batch_of(shard)
    assert batch.asked.patches.any() and len(batch.asked.place) >= len(batch.families)
    optimiser = torch.optim.Adam(trainee.language(), 1e-3)
    seen = []
    for _ in range(8):
        losses = trainee(batch, frozen=True)
        assert {"answers", "names", "looks", "found", "ago", "events"} == set(losses.parts)
        seen.append({name: part.item() for name, part in losses.parts.items()})
        optimiser.zero_grad()
        losses.total.backward()
        optimiser.step()
    assert all(seen[-1][part] < 0.8 * seen[0][part] for part in ("answers", "names", "looks"))


def test_a_batch_without_questions_asks_for_nothing(shard: Shard, trainee: Trainee) -> None:
    losses = trainee(batch_of(shard, questions=0), frozen=True)
    assert all(losses.parts[part].item() >= 0 for part in ("names", "looks", "found"))
