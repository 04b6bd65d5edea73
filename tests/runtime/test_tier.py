"""Which tier a device has the time for."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.spec import CodecSpec, ResidualKind
from magno.runtime.tier import EASY, LADDER, MOST, Costs, Tier, plan, share

CODEC = CodecSpec(128, 16, 32, 2.0, 8.0, 64.0, 8, 4, (ResidualKind.PIXEL_MC,))
FULL, LONGER, LONGEST, KEYFRAMES = LADDER
SHARES = st.lists(st.floats(0, 10), min_size=4, max_size=4).map(
    lambda found: dict(zip(LADDER, sorted(found, reverse=True), strict=True))
)


def shares(full: float) -> dict[Tier, float]:
    """As they fall from tier to tier, about."""
    return {FULL: full, LONGER: full / 2, LONGEST: full / 4, KEYFRAMES: full / 6}


@pytest.mark.parametrize(
    ("tier", "full", "behind", "rested", "wanted"),
    [
        (FULL, 0.1, False, True, FULL),
        (FULL, 0.69, False, True, FULL),
        (FULL, 0.8, False, False, LONGER),
        (FULL, 2.0, False, False, LONGEST),
        (FULL, 4.0, False, False, KEYFRAMES),
        (FULL, 100.0, False, False, KEYFRAMES),
        (KEYFRAMES, 100.0, True, False, KEYFRAMES),
        (FULL, 0.1, True, True, LONGER),  # what drops is behind, whatever it should cost
        (LONGER, 0.1, True, False, LONGEST),
        (LONGER, 0.1, False, False, LONGER),
        (LONGER, 0.1, False, True, FULL),
        (LONGER, 0.6, False, True, LONGER),  # between the two bounds it stays
        (KEYFRAMES, 0.1, False, True, LONGEST),  # one at a time
    ],
)
def test_the_table(tier: Tier, full: float, behind: bool, rested: bool, wanted: Tier) -> None:
    assert plan(tier, shares(full), behind=behind, rested=rested) is wanted


@given(st.sampled_from(LADDER), SHARES, st.booleans(), st.booleans())
def test_down_at_once_and_up_one_at_a_time(
    tier: Tier, found: dict[Tier, float], behind: bool, rested: bool
) -> None:
    planned = plan(tier, found, behind=behind, rested=rested)
    steps = LADDER.index(planned) - LADDER.index(tier)
    if steps < 0:
        assert steps == -1 and rested and not behind and found[planned] <= EASY
    elif planned is not KEYFRAMES:
        assert found[planned] <= MOST or not behind
    assert behind or found[tier] > MOST or steps <= 0


@given(st.sampled_from(LADDER), SHARES)
def test_what_was_chosen_is_kept(tier: Tier, found: dict[Tier, float]) -> None:
    """While nothing becomes faster or slower, it goes one way alone: it does not swing."""
    path = [tier]
    for _ in range(8):
        path.append(plan(path[-1], found, behind=False, rested=True))
    ups = [LADDER.index(b) - LADDER.index(a) for a, b in pairwise(path)]
    assert all(step >= 0 for step in ups) or all(step <= 0 for step in ups)
    assert path[-1] is path[-2]


@given(st.floats(0, 1e3), st.floats(0, 1e3), st.floats(0, 100), st.floats(0.1, 240))
def test_each_tier_is_cheaper_than_the_one_before(
    keyframe_ms: float, window_ms: float, picture_ms: float, rate: float
) -> None:
    costs = Costs(keyframe_ms, window_ms, picture_ms)
    found = [share(costs, tier, CODEC, rate) for tier in LADDER]
    assert all(later <= sooner * (1 + 1e-9) for sooner, later in pairwise(found))


def test_a_share_is_of_real_time() -> None:
    """A keyframe of 20 ms, four windows of 10, and a ms a picture: 93 of the 1,320 ms that 33 pictures last."""
    assert share(Costs(20.0, 10.0, 1.0), FULL, CODEC, 25.0) == pytest.approx(93 / 1320)
    assert share(Costs(20.0, 10.0, 1.0), KEYFRAMES, CODEC, 25.0) == pytest.approx(20 / (129 * 40))
