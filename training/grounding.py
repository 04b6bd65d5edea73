"""Where the language model begins: words stand for what the tokens already say, and attention matches what is alike.

Before it is trained, a language model knows neither that a token of a red thing and the word "red" have to do with each
other, nor how to look for one with the other. Heads have taught the tokens colours, shapes, places and directions; the
word for each begins as the direction in which its head reads it. Queries begin equal to keys, so that like finds like,
and what is found is passed on as it is (after "Mimetic Initialization of Self-Attention Layers", arXiv 2305.09828).
With random beginnings, no question was answered above chance after an hour; with these, within minutes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import Qwen2ForCausalLM

from magno.training.facts import CELLS
from magno.training.heads import MotionHead, NameHead
from magno.training.questions.words import COLOURS, NOUNS, SHAPES, WAYS_4, written

SPOTS = ("top", "bottom", "centre")  # left and right are ways too
SECONDS = ("1", "2", "3")  # that something is ago
ANSWERING = 0.7  # length of a word's row among the logits
LOOKING, PASSING, PASSING_FOUND = 0.04, 0.02, 0.07  # of attention's random beginnings


@dataclass(frozen=True, slots=True)
class Words:
    """Token numbers of words that are one token each."""

    colours: list[int]  # as words.COLOURS
    shapes: list[int]  # as words.SHAPES + words.NOUNS
    ways: list[int]  # as words.WAYS_4
    spots: list[int]  # as SPOTS
    seconds: list[int]  # 1, 2, 3


def words_of(tokenizer: Tokenizer) -> Words:
    """Raises ValueError where a word is not one token."""

    def numbers(words: tuple[str, ...]) -> list[int]:
        found = [tokenizer.encode(written(word), add_special_tokens=False).ids for word in words]
        if any(len(ids) != 1 for ids in found):
            raise ValueError(f"The words {', '.join(words)} want a token each, found several of one.")
        return [ids[0] for ids in found]

    return Words(numbers(COLOURS), numbers(SHAPES + NOUNS), numbers(WAYS_4), numbers(SPOTS), numbers(SECONDS))


@torch.no_grad()
def ground(
    language: Qwen2ForCausalLM, words: Words, names: tuple[NameHead, ...], motion: MotionHead, guided: int
) -> None:
    """Begin `language` from the heads that read tokens; `guided`: number of the layer that looks for a question's
    thing."""
    embedded, answering = language.get_input_embeddings().weight, language.lm_head.weight
    embedded.normal_(0, 1)  # as strong as tokens
    answering.normal_(0, 0.03)
    for numbers, meaning in _meanings(words, names, motion):
        embedded[numbers] = meaning * math.sqrt(embedded.shape[1])
        answering[numbers] = meaning * ANSWERING
    for number, layer in enumerate(language.model.layers):
        attention = layer.self_attn
        attention.q_proj.weight.normal_(0, LOOKING)
        attention.k_proj.weight.copy_(attention.q_proj.weight)
        attention.v_proj.weight.normal_(0, PASSING_FOUND if number == guided else PASSING)
        attention.o_proj.weight.copy_(attention.v_proj.weight.T)


def _meanings(
    words: Words, names: tuple[NameHead, ...], motion: MotionHead
) -> list[tuple[list[int], Tensor]]:
    """Token numbers, and the direction of length 1 in which a token says each (n, width)."""
    colours = sum(_apart(head.colour.weight) for head in names)
    shapes = sum(_apart(head.shape.weight) for head in names)
    right, down = normalize(motion.moved.weight[:2], dim=-1)
    end = motion.end.weight
    grid = (end - end.mean(0)).view(CELLS, CELLS, -1)
    third = 3 * CELLS // 8
    sides = (grid[:, :third], grid[:, -third:], grid[:third], grid[-third:], grid[third:-third, third:-third])
    left_side, right_side, top, bottom, centre = (normalize(side.mean((0, 1)), dim=-1) for side in sides)
    ways = torch.stack([left_side - right, right_side + right, -down, down])
    return [
        (words.colours, normalize(colours[1 : 1 + len(COLOURS)], dim=-1)),
        (words.shapes, normalize(shapes[1:], dim=-1)),
        (words.ways, normalize(ways, dim=-1)),
        (words.spots, torch.stack([top, bottom, centre])),
    ]


def _apart(rows: Tensor) -> Tensor:
    """What tells each row from the others; length 1."""
    return normalize(rows - rows.mean(0), dim=-1)


class WordHead(nn.Module):
    """A state -> logits of colour and of shape, by the language model's own words for them."""

    def __init__(self, words: Words, sharpness: float = 16.0) -> None:
        super().__init__()
        self._words, self._sharpness = words, sharpness

    def logits(self, states: Tensor, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """(N, width) and the word embeddings -> (N, colours) and (N, shapes)."""
        states, rows = normalize(states, dim=-1) * self._sharpness, normalize(embedded, dim=-1)
        return states @ rows[self._words.colours].T, states @ rows[self._words.shapes].T
