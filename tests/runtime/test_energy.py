"""Motion energy: what it is a measure of, and what it is the same for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.clock import NS_PER_S
from magno.runtime.energy import motion_energy
from magno.runtime.fusion import Displacement


def moved(px: tuple[float, float], share: float = 1.0, blocks: tuple[int, int] = (10, 10)) -> Displacement:
    """A share of all blocks came from so far; the others stand still."""
    field = np.zeros((*blocks, 2), np.float32)
    field.reshape(-1, 2)[: round(share * blocks[0] * blocks[1])] = px
    return Displacement(field, np.ones(blocks, np.float32), 8, 8)


@pytest.mark.parametrize(
    ("px", "share", "lasted_s", "expected"),
    [
        ((0.0, 0.0), 1.0, 1.0, 0.0),
        ((64.0, 0.0), 1.0, 1.0, 0.01),  # a tenth of the side in a second
        ((0.0, -64.0), 1.0, 1.0, 0.04),  # two tenths of the height
        ((64.0, 0.0), 0.5, 1.0, 0.005),
        ((64.0, 0.0), 1.0, 0.5, 0.04),  # twice as fast
    ],
)
def test_mean_square_speed(px: tuple[float, float], share: float, lasted_s: float, expected: float) -> None:
    found = motion_energy(moved(px, share), (640, 320), int(lasted_s * NS_PER_S))
    assert found == pytest.approx(expected, rel=1e-5)


def test_what_was_not_traced_says_nothing() -> None:
    came = moved((64.0, 0.0), 0.5)
    came.valid.reshape(-1)[:50] = 0
    assert motion_energy(came, (640, 320), NS_PER_S) == 0
    came.valid[:] = 0
    assert motion_energy(came, (640, 320), NS_PER_S) == 0
    assert motion_energy(moved((1.0, 1.0)), (640, 320), 0) == 0


@given(st.floats(0, 200), st.integers(1, 8), st.integers(1, 50))
def test_the_same_at_any_resolution(px: float, times: int, parts: int) -> None:
    small = motion_energy(moved((px, px)), (64 * parts, 36 * parts), NS_PER_S)
    large = motion_energy(moved((times * px, times * px)), (64 * parts * times, 36 * parts * times), NS_PER_S)
    assert large == pytest.approx(small, rel=1e-4)
