"""The throw-away heads: which token tells of which mover, and that what they ask for can be learned."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import torch

from magno.training.facts import CELLS
from magno.training.heads import MotionHead, matched, soft_cells
from magno.training.pocket import CODEC
from magno.training.samples import Place, Windows, windows_of
from magno.training.shards import Shard

WIDTH = 32


def test_tokens_share_out_the_movers_as_cheaply_as_can_be() -> None:
    cost = torch.randn(50, 3, 3, generator=torch.Generator().manual_seed(0))
    for one, chosen in zip(cost, matched(cost), strict=True):
        assert sorted(chosen.tolist()) == [0, 1, 2]
        total = min(sum(float(one[i, j]) for i, j in enumerate(way)) for way in permutations(range(3)))
        assert abs(float(one[torch.arange(3), chosen].sum()) - total) < 1e-5


def test_a_place_is_shared_by_the_cells_around_it() -> None:
    points = torch.tensor([[[0.5 / CELLS, 2.5 / CELLS], [1.0 / CELLS, 0.0], [1.0, 1.0]]])
    cells = soft_cells(points)[0]
    assert torch.allclose(cells.sum(-1), torch.ones(3))
    assert cells[0, 2 * CELLS] == 1.0 and cells[1, 0] == cells[1, 1] == 0.5 and cells[2, -1] == 1.0


def test_a_patch_says_where_it_lies_as_a_mover_says_where_it_went() -> None:
    """With a head that reads cells off the token, each patch's own cell costs nothing, another's much."""
    head = MotionHead(CELLS**2)
    with torch.no_grad():
        head.end.weight.copy_(30 * torch.eye(CELLS**2))
        head.end.bias.zero_()
    own = torch.eye(CELLS**2)[None]
    assert head.place_loss(own).item() < 1e-3 < 10 < head.place_loss(own.flip(1)).item()


def test_the_order_of_movers_does_not_matter(shard: Shard) -> None:
    windows = _windows(shard)
    torch.manual_seed(0)
    head, tokens = MotionHead(WIDTH), torch.randn(len(windows.motion), 4, WIDTH)
    turned = windows._replace(
        **{name: getattr(windows, name).flip(1) for name in ("mover", "start", "end", "moved")}
    )
    first, chosen, told = head.loss(tokens, windows)
    again, other, other_told = head.loss(tokens, turned)
    assert torch.allclose(first, again) and torch.equal(told, other_told)
    assert torch.equal(chosen[told], 2 - other[told])


def test_tokens_that_know_all_are_asked_for_nothing_more(shard: Shard) -> None:
    """Free tokens fall far below what a window says without them."""
    windows = _windows(shard)
    torch.manual_seed(0)
    head = MotionHead(WIDTH)
    tokens = torch.randn(len(windows.motion), 4, WIDTH, requires_grad=True)
    optimiser = torch.optim.Adam([tokens, *head.parameters()], 0.05)
    losses = []
    for _ in range(150):
        optimiser.zero_grad()
        loss = head.loss(tokens, windows)[0]
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.35 * losses[0]


def _windows(shard: Shard) -> Windows:
    places = [
        Place(shard, clip, int(item))
        for clip in range(shard.clips)
        for item in np.flatnonzero(shard.kinds(clip))
    ]
    windows = windows_of(places, CODEC, None)
    assert int(windows.mover.sum()) > 5
    return windows
