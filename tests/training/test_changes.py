"""What residual tokens are asked for: where the picture changed otherwise than by moving."""

from __future__ import annotations

import torch

from magno.training.changes import GRID, ChangeHead, change_map

SIDE, WIDTH = 128, 16


def test_a_change_is_told_where_it_is_and_which_way() -> None:
    residual = torch.zeros(2, 1, SIDE, SIDE)
    residual[0, 0, :8, 8:16] = 0.25
    residual[1, 0, -8:, :8] = -0.09
    told = change_map(residual)
    assert told.shape == (2, 2, GRID, GRID)
    assert torch.nonzero(told).tolist() == [[0, 0, 0, 1], [0, 1, 0, 1], [1, 0, 15, 0], [1, 1, 15, 0]]
    assert torch.allclose(told[told != 0], torch.tensor([0.5, 0.5, 0.3, -0.3]))


def test_noise_is_a_change_that_goes_no_way() -> None:
    size, signed = change_map(torch.randn(64, 1, SIDE, SIDE)).unbind(1)
    assert size.mean() > 0.85 and signed.mean().abs() < 0.01


def test_tokens_alike_whatever_changed_cost_as_much_as_knowing_nothing() -> None:
    torch.manual_seed(0)
    head, residual = ChangeHead(WIDTH, 4), torch.randn(32, 1, SIDE, SIDE) * torch.rand(32, 1, 1, 1)
    tokens = torch.randn(32, 4, WIDTH, requires_grad=True)
    for free, least, most in ((False, 0.9, 1.5), (True, 0.0, 0.3)):
        shown = tokens if free else tokens[:1].detach().expand(32, -1, -1)
        optimiser = torch.optim.Adam([*head.parameters(), *([tokens] if free else [])], 0.02)
        for _ in range(200):
            optimiser.zero_grad()
            loss = head.loss(shown, residual)
            loss.backward()
            optimiser.step()
        assert least < loss.item() < most


def test_where_nothing_ever_changed_nothing_is_asked() -> None:
    head = ChangeHead(WIDTH, 4)
    torch.nn.init.zeros_(head.map.weight)
    torch.nn.init.zeros_(head.map.bias)
    assert head.loss(torch.randn(3, 4, WIDTH), torch.zeros(3, 1, SIDE, SIDE)).item() == 0.0
