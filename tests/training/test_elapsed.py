"""What a language model begins with, to tell how long ago something was."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from magno.runtime.capture_time import columns
from magno.runtime.clock import NS_PER_S
from magno.training.elapsed import clear_moments, elapsed, elapsed_loss, ground_elapsed, keep_moments
from magno.training.pocket import LAYOUT
from magno.training.train import new_model

PERIODS = LAYOUT.time_periods_s
COLUMNS, GUIDED, HEADS = 2 * len(PERIODS), 4, (1, 3)
SECONDS = [16, 17, 18]


@pytest.fixture(scope="module")
def language() -> torch.nn.Module:
    """One whose two heads look at what is marked in columns 0 and 1, and whose other weights are as they begin."""
    torch.manual_seed(0)
    language = new_model()[0].language.eval()
    clear_moments(language, COLUMNS, GUIDED)
    ground_elapsed(language, GUIDED, HEADS, PERIODS, SECONDS)
    attention = language.model.layers[GUIDED].self_attn
    still = attention.head_dim // 2 - 1  # the column that positions hardly turn
    with torch.no_grad():
        for part in (attention.q_proj, attention.k_proj):
            part.weight.zero_()
            part.bias.zero_()
        for marker, head in enumerate(HEADS):
            attention.q_proj.bias[head * attention.head_dim + still] = 40.0
            attention.k_proj.weight[head * attention.head_dim + still, marker] = 40.0
    return language


def said(language: torch.nn.Module, then_s: float, now_s: float, strengths: tuple[float, float]) -> Tensor:
    """The state of a question, after the layer, of a stream of two windows that are otherwise as strong as told."""
    torch.manual_seed(0)
    states = torch.zeros(1, 3, 256)
    for number, (time_s, strength) in enumerate(zip((then_s, now_s), strengths, strict=True)):
        states[0, number, 10:200] = strength * torch.randn(190)
        states[0, number, number] = 5.0
        states[0, number, -COLUMNS:] = torch.from_numpy(columns([round(time_s * NS_PER_S)], PERIODS)[0])
    states[0, 2, 10:200] = torch.randn(190)
    positions = torch.arange(3)[None]
    layer = language.model.layers[GUIDED]
    causal = torch.full((3, 3), -torch.inf).triu(1)[None, None]
    turning = language.model.rotary_emb(states, positions)
    with torch.no_grad():
        told = layer(states, attention_mask=causal, position_embeddings=turning)
    return (told[0] if isinstance(told, tuple) else told)[0, 2]


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1e6), st.floats(0, 3.9), st.floats(0.5, 4.0), st.floats(0.5, 4.0))
def test_it_tells_what_is_between_two_moments_however_strong_each_is(
    language: torch.nn.Module, then_s: float, ago_s: float, before: float, strength: float
) -> None:
    state = said(language, then_s, then_s + ago_s, (before, strength))
    most = 1 - math.cos(math.tau * 0.05 / PERIODS[0])  # 0.05 s
    assert elapsed_loss(state, PERIODS, torch.tensor(ago_s)).item() < most


@pytest.mark.parametrize("ago_s", [1, 2, 3])
def test_the_word_for_it_is_what_its_columns_say_most(language: torch.nn.Module, ago_s: int) -> None:
    state = said(language, 7.3, 7.3 + ago_s, (1.0, 1.0))
    between = slice(256 - COLUMNS + 4, 256 - COLUMNS + 6)
    by_word = language.lm_head.weight[SECONDS, between] @ state[between]
    assert by_word.argmax().item() + 1 == ago_s


def test_words_and_layers_never_write_over_moments() -> None:
    torch.manual_seed(0)
    language = new_model()[0].language
    keep_moments(language, COLUMNS, GUIDED)
    with torch.no_grad():
        for part in (
            language.model.layers[GUIDED].self_attn.o_proj,
            language.model.layers[GUIDED].mlp.down_proj,
        ):
            part.weight[-COLUMNS:] = 0
    words = torch.randint(0, 500, (2, 12))
    moments = torch.randn(2, 12, COLUMNS)

    def states() -> tuple[Tensor, ...]:
        embedded = language.get_input_embeddings()(words)
        embedded = embedded + torch.nn.functional.pad(moments, (256 - COLUMNS, 0))
        return tuple(language.model(inputs_embeds=embedded, output_hidden_states=True).hidden_states)

    optimiser = torch.optim.AdamW(language.parameters(), 0.01)
    before = states()[0][..., :-COLUMNS].detach()
    for _ in range(3):
        optimiser.zero_grad()
        language.lm_head(states()[-1]).logsumexp(-1).mean().backward()
        optimiser.step()
    learned = states()
    assert not torch.equal(learned[0][..., :-COLUMNS], before)
    for state in learned[: GUIDED + 2]:
        torch.testing.assert_close(state[..., -COLUMNS:], moments)
    assert not torch.allclose(learned[-1][..., -COLUMNS:], moments)


def test_a_model_that_is_told_no_time_begins_as_it_was() -> None:
    language = new_model()[0].language
    before = {name: weight.clone() for name, weight in language.named_parameters()}
    keep_moments(language, 0, GUIDED)
    ground_elapsed(language, GUIDED, HEADS, (), SECONDS)
    language.lm_head(language.model(input_ids=torch.tensor([[1, 2]]))[0]).sum().backward()
    for name, weight in language.named_parameters():
        assert torch.equal(weight, before[name])
    assert language.get_input_embeddings().weight.grad.abs().sum() > 0
    assert elapsed(torch.ones(3, 256), COLUMNS).shape == (3, 2)
