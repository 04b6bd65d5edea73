"""How long ago something happened: what a language model begins with, to tell it from two moments' columns.

A moment is a cosine and a sine of each period (runtime.capture_time). Of the difference of two, both are sums of
products of theirs, and a gated layer multiplies; so the shortest period alone tells seconds, however strong each of the
two arrives. Left to itself, a model wrote over these columns in its first layers, and no head learned to copy them.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

ROTATION = 2  # columns: a cosine and a sine
MOMENTS = 3  # rotations: then, now, and what is between
COPIED, WRITTEN, GATED, TOLD = 1.0, 3.0, 2.0, 3.0  # strengths, such that states of length 2 to 4 carry them
ANSWERING = 0.5  # of a word's row among the logits


@torch.no_grad()
def clear_moments(language: Any, columns: int, layers: int) -> None:
    """Nothing but moments is in the last `columns` before layer number `layers`: no word or layer writes there."""
    words = language.get_input_embeddings().weight
    words[:, words.shape[1] - columns :] = 0
    for weight in _writing(language, layers):
        weight[len(weight) - columns :] = 0


def keep_moments(language: Any, columns: int, guided: int) -> None:
    """That this stays so while it learns, and that what layer number `guided` writes there stays as it began: a guess
    that it adds does well where it looks at the wrong moment, and spoils what the right one says."""
    clear_moments(language, columns, guided)
    language.get_input_embeddings().weight.register_hook(lambda grad: _without(grad.T, columns).T)
    for weight in _writing(language, guided + 1):
        weight.register_hook(lambda grad: _without(grad, columns))


@torch.no_grad()
def ground_elapsed(
    language: Any, guided: int, heads: tuple[int, int], periods_s: tuple[float, ...], seconds: list[int]
) -> None:
    """Of layer number `guided`, two heads copy the moments that they look at, then and now, and its gated part writes
    what is between them, in the columns of `elapsed`; `seconds`: the words for 1, 2, 3 ... of them."""
    if len(periods_s) < MOMENTS:
        return
    columns, layer = ROTATION * len(periods_s), language.model.layers[guided]
    attention, gated = layer.self_attn, layer.mlp
    attention.o_proj.weight[-columns:] = 0
    gated.down_proj.weight[-columns:] = 0
    first = attention.o_proj.weight.shape[0] - columns
    then, now, between = (range(first + start, first + start + ROTATION) for start in (0, 2, 4))
    for head, found in zip(heads, (then, now), strict=True):
        copies = slice((head + 1) * attention.head_dim - ROTATION, (head + 1) * attention.head_dim)
        attention.v_proj.weight[copies] = 0
        attention.v_proj.bias[copies] = 0
        attention.v_proj.weight[copies, first : first + ROTATION] = COPIED * torch.eye(ROTATION)
        attention.o_proj.weight[:, copies] = 0
        attention.o_proj.weight[list(found), copies] = WRITTEN * torch.eye(ROTATION)
    # cos(now - then) and sin(now - then) are two products each: cosine or sine of then, of now, and of which it is one
    terms = ((0, 0, 0, 1.0), (1, 1, 0, 1.0), (0, 1, 1, 1.0), (1, 0, 1, -1.0))
    units = gated.down_proj.weight.shape[1] - 2 * len(terms)
    for unit, ((a, b, told, sign), side) in enumerate(product(terms, (1.0, -1.0)), start=units):
        # x y = y silu(x) - y silu(-x)
        for weight in (gated.gate_proj.weight, gated.up_proj.weight):
            weight[unit] = 0
        gated.gate_proj.weight[unit, then[a]] = side * GATED
        gated.up_proj.weight[unit, now[b]] = side * GATED
        gated.down_proj.weight[:, unit] = 0
        gated.down_proj.weight[between[told], unit] = sign * TOLD
    for number, word in enumerate(seconds, start=1):
        turned = math.tau * number / periods_s[0]
        told_by = torch.tensor([math.cos(turned), math.sin(turned)])
        language.lm_head.weight[word, list(between)] = ANSWERING * told_by


def elapsed(states: Tensor, columns: int) -> Tensor:
    """(..., width) of that layer -> (..., 2): in what direction they say how long ago it was; length 1."""
    start = states.shape[-1] - columns + 2 * ROTATION
    return nn.functional.normalize(states[..., start : start + ROTATION], dim=-1)


def elapsed_loss(states: Tensor, periods_s: tuple[float, ...], ago_s: Tensor) -> Tensor:
    """0 where all say how long ago it was, 2 where they say half the shortest period more."""
    if len(periods_s) < MOMENTS:
        return states.sum() * 0
    turned = math.tau * ago_s / periods_s[0]
    wanted = torch.stack([turned.cos(), turned.sin()], dim=-1)
    return 1 - (elapsed(states, ROTATION * len(periods_s)) * wanted).sum(-1).mean()


def _writing(language: Any, layers: int) -> list[Tensor]:
    """The weights by which these layers write; a row for each column of their output."""
    writing = language.model.layers[:layers]
    return [
        weight for layer in writing for weight in (layer.self_attn.o_proj.weight, layer.mlp.down_proj.weight)
    ]


def _without(grad: Tensor, columns: int) -> Tensor:
    kept = len(grad) - columns
    return torch.cat([grad[:kept], torch.zeros_like(grad[kept:])])
