"""Heads that are thrown away after training: what the tokens themselves are asked for, long before the language
model has learned to look at them.

A keyframe's token is asked where it lies and what thing is in its patch, and the mean of a thing's tokens, which
thing it is. All of a window's motion tokens together are asked for the map of what moved how, which is learned first.
The first of a window's motion tokens is asked how the background moved, each other one where a thing moved from and
to, and the language model's state at it which thing that was: so that a question's name meets its mover by attention
alone. Which token tells of which mover is whichever fits best (as in DETR, arXiv 2005.12872).
"""

from __future__ import annotations

import math
from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, log_softmax, smooth_l1_loss

from magno.training.facts import CELLS, COLOUR_COUNT, MOVERS, NO_COLOUR, SHAPE_COUNT
from magno.training.samples import Keyframes, Windows

TOKENS = 1 + MOVERS  # of motion in a window: one for the background, one for each mover

APART = 0.15  # of STEP_PX
EMPTY_WEIGHT = 0.15  # of a patch without a thing: most are


class NameHead(nn.Module):
    """A vector -> what is there: logits of colour and of shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.colour, self.shape = nn.Linear(width, COLOUR_COUNT), nn.Linear(width, SHAPE_COUNT)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.colour(x), self.shape(x)

    def loss(self, x: Tensor, colours: Tensor, shapes: Tensor) -> Tensor:
        """x (N, width); a thing without a colour of its own is asked for its shape alone."""
        told_colour, told_shape = self(x)
        known = colours != NO_COLOUR
        return _told(told_colour[known], colours[known]) + _told(told_shape, shapes)


def _told(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy; 0 of nothing."""
    if not len(labels):
        return logits.sum()
    weight = torch.ones(logits.shape[-1])
    weight[0] = EMPTY_WEIGHT
    return cross_entropy(logits, labels, weight)


def things_of(tokens: Tensor, keyframes: Keyframes) -> tuple[Tensor, Tensor, Tensor]:
    """Of each thing in these pictures the mean of its patches' tokens (T, width), its colour and its shape (T,):
    what a corner's patch saw need not reach the others for the thing to be told. tokens (K, P*P, width). Things of one
    look in one picture count as one."""
    on = keyframes.shapes > 0
    picture = torch.arange(len(tokens))[:, None].expand_as(on)
    looks = torch.stack([picture[on], keyframes.colours[on], keyframes.shapes[on]])
    things, number = looks.unique(dim=1, return_inverse=True)
    total = tokens.new_zeros(things.shape[1], tokens.shape[-1]).index_add(0, number, tokens[on])
    patches = torch.bincount(number, minlength=things.shape[1])
    return total / patches[:, None], things[1], things[2]


class MotionHead(nn.Module):
    """A window's motion tokens -> the background's motion, and of each mover whether, whence, whither, how far."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.field = nn.Linear(TOKENS * width, CELLS * CELLS * 2)
        self.ground = nn.Linear(width, 3)
        self.there, self.moved = nn.Linear(width, 1), nn.Linear(width, 4)
        self.start, self.end = nn.Linear(width, CELLS**2), nn.Linear(width, CELLS**2)

    def loss(self, tokens: Tensor, windows: Windows) -> tuple[Tensor, Tensor, Tensor]:
        """tokens (W, 4, width) -> the loss, which mover each of the other three tells of (W, 3) (its number; any where
        there is none), and whether it tells of one (W, 3)."""
        ground, others = tokens[:, 0], tokens[:, 1:]
        told = self.moved(others)
        spots = soft_cells(windows.start), soft_cells(windows.end)
        # (W, token, mover): how badly each token tells of each mover
        cost = 2 * smooth_l1_loss(
            told[:, :, None].expand(-1, -1, MOVERS, -1),
            _with_speed(windows.moved)[:, None].expand(-1, others.shape[1], -1, -1),
            reduction="none",
            beta=0.2,
        ).sum(-1)
        for logits, spot in zip((self.start(others), self.end(others)), spots, strict=True):
            cost = cost - 0.5 * torch.einsum("wkc,wmc->wkm", log_softmax(logits, -1), spot)
        there = self.there(others)[..., 0]
        gain = there[:, :, None] * windows.mover[:, None]  # naming a mover saves as much
        chosen = matched((cost * windows.mover[:, None] - 0.2 * gain).detach())
        told_of = windows.mover.gather(1, chosen)
        own = cost.gather(2, chosen[..., None])[..., 0]
        known = windows.known.to(tokens.dtype)[:, None]
        mover_loss = (own * told_of * known).sum() / (told_of * known).sum().clamp(min=1)
        there_loss = binary_cross_entropy_with_logits(
            there, told_of.to(there.dtype), known.expand_as(there), reduction="mean"
        )
        ground_loss = smooth_l1_loss(self.ground(ground), windows.ground, reduction="none", beta=0.2).sum(-1)
        ground_loss = (ground_loss * known[:, 0]).sum() / known.sum().clamp(min=1)
        whole = mover_loss + there_loss + 3 * ground_loss + 3 * self._field_loss(tokens, windows)
        return whole, chosen, told_of & windows.known[:, None]

    def place_loss(self, patches: Tensor) -> Tensor:
        """A keyframe's token says where it lies in the very words in which a mover's says where it went: so one kind of
        look finds what came to a place, in a keyframe as in a window. patches (K, P*P, width)."""
        side = math.isqrt(patches.shape[1])
        middles = (torch.arange(side) + 0.5) / side
        across, down = middles.expand(side, side), middles[:, None].expand(side, side)
        spots = soft_cells(torch.stack([across, down], dim=-1).reshape(1, -1, 2))
        return -(log_softmax(self.end(patches), -1) * spots).sum(-1).mean()

    def _field_loss(self, tokens: Tensor, windows: Windows) -> Tensor:
        """Where something moves otherwise than the background counts as much as all the rest."""
        told = self.field(tokens.flatten(1)).view_as(windows.field)
        apart = (windows.field - windows.ground[:, None, None, :2]).abs().sum(-1) > APART
        weight = torch.where(apart, 1.0, 0.1) * windows.known[:, None, None]
        loss = smooth_l1_loss(told, windows.field, reduction="none", beta=0.2).sum(-1)
        return (loss * weight).sum() / weight.sum().clamp(min=1)


def _with_speed(moved: Tensor) -> Tensor:
    """(W, N, 3) -> (W, N, 4): and how far, whichever way: which of two is faster is then read off their tokens as a
    difference."""
    return torch.cat([moved, moved[..., :2].norm(dim=-1, keepdim=True)], dim=-1)


def soft_cells(points: Tensor) -> Tensor:
    """(W, N, 2) of 0 to 1 -> (W, N, CELLS * CELLS): shares of the four cells around each."""
    at = (points * CELLS - 0.5).clamp(0, CELLS - 1)
    grid = torch.arange(CELLS, dtype=points.dtype)
    near = (1 - (at[..., None] - grid).abs()).clamp(min=0)  # (W, N, 2, CELLS)
    return (near[..., 1, :, None] * near[..., 0, None, :]).flatten(-2)


def matched(cost: Tensor) -> Tensor:
    """(W, tokens, movers) -> (W, tokens): the mover of each token, of all ways to share them out the cheapest."""
    ways = torch.tensor(list(permutations(range(cost.shape[2]), cost.shape[1])))  # (ways, tokens)
    tokens = torch.arange(cost.shape[1])
    total = cost[:, tokens[None, :], ways].sum(-1)  # (W, ways)
    return ways[total.argmin(1)]
