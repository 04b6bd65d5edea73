"""What residual tokens are asked for, as heads.py asks motion tokens: where the picture changed otherwise than by
moving, by how much, and whether it became lighter or darker. Thrown away after training.

Without it nothing asked those tokens for anything that the motion tokens had not said, and they became the same four
whatever the residual was.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, smooth_l1_loss

GRID = 16  # cells a side
BETA = 0.1


class ChangeHead(nn.Module):
    """All of a window's residual tokens together -> the map of what changed."""

    def __init__(self, width: int, tokens: int) -> None:
        super().__init__()
        self.map = nn.Linear(tokens * width, 2 * GRID * GRID)

    def loss(self, tokens: Tensor, residual: Tensor) -> Tensor:
        """tokens (W, 4, width), residual (W, 1, S, S) in the codec's residual_scale -> what is not told of the maps, 1
        for a head that knows only their mean."""
        wanted = change_map(residual).flatten(1)
        apart = smooth_l1_loss(wanted, wanted.mean(0, keepdim=True).expand_as(wanted), beta=BETA)
        return smooth_l1_loss(self.map(tokens.flatten(1)), wanted, beta=BETA) / apart.clamp(min=1e-4)


def change_map(residual: Tensor) -> Tensor:
    """(W, 1, S, S) -> (W, 2, GRID, GRID): roots of the mean size and, signed, of the mean, so that a faint change
    counts beside a strong one."""
    cell = residual.shape[-1] // GRID
    size, mean = avg_pool2d(residual.abs(), cell), avg_pool2d(residual, cell)
    return torch.cat([size.sqrt(), mean.sign() * mean.abs().sqrt()], dim=1)
