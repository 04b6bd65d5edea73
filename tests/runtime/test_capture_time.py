"""The time of a capture in the columns of embeddings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.bundle import open_bundle
from magno.runtime.capture_time import columns, with_time, without_time
from magno.runtime.clock import NS_PER_S
from magno.runtime.encoder import open_encoder
from magno.runtime.encoding import encoded
from magno.runtime.spec import SpecError
from magno.runtime.units import CodecFrame
from magno.runtime.window import Keyframe
from tests.tiny import LAYOUT

PERIODS = (4.0, 16.0, 64.0, 256.0)
YEAR_NS = 31_557_600 * NS_PER_S


@given(st.integers(0, 60 * YEAR_NS), st.floats(0.1, 250.0))
def test_how_long_ago_can_be_read_from_the_longest_period(now_ns: int, ago_s: float) -> None:
    """As exactly since the epoch as since the stream's beginning."""
    earlier, now = columns([now_ns, now_ns + round(ago_s * NS_PER_S)], PERIODS)[:, -2:].astype(np.float64)
    turned = np.arctan2(now[1], now[0]) - np.arctan2(earlier[1], earlier[0])
    read = turned / (2 * np.pi) % 1.0 * PERIODS[-1]
    assert abs((read - ago_s + 128) % 256 - 128) < 1e-3


def test_all_columns_are_as_strong_as_tokens() -> None:
    told = columns([NS_PER_S * second for second in range(256)], PERIODS)
    assert told.shape == (256, 8) and told.dtype == np.float32
    np.testing.assert_allclose(np.square(told).mean(0), 1.0, atol=1e-5)


def test_the_last_columns_tell_it_and_the_others_stay() -> None:
    rows = np.random.default_rng(0).normal(size=(5, 24)).astype(np.float32)
    before = rows.copy()
    timed = with_time(rows, 3 * NS_PER_S, PERIODS)
    np.testing.assert_array_equal(timed[:, :16], rows[:, :16])
    np.testing.assert_array_equal(timed[:, 16:], np.tile(columns([3 * NS_PER_S], PERIODS), (5, 1)))
    np.testing.assert_array_equal(rows, before)
    assert with_time(rows, 3 * NS_PER_S, ()) is rows
    timeless = without_time(timed, PERIODS)
    assert not timeless[:, 16:].any() and (timeless[:, :16] == rows[:, :16]).all()
    assert without_time(rows, ()) is rows


def test_what_an_encoder_says_is_told_with_its_picture_s_time(tiny_bundle: Path) -> None:
    bundle = open_bundle(tiny_bundle)
    timed = replace(bundle.spec, layout=replace(LAYOUT, time_periods_s=(4.0, 16.0)))
    side = bundle.spec.codec.image_px
    picture = np.zeros((side, side, 3), np.uint8)
    frame = CodecFrame(0, 7 * NS_PER_S, 99, "I", None, picture, (side, side))
    with open_encoder(bundle) as encoder:
        plain, told = (encoded(Keyframe(frame, 0), encoder, spec).rows for spec in (bundle.spec, timed))
    np.testing.assert_array_equal(plain[:, :-4], told[:, :-4])
    np.testing.assert_array_equal(told[:, -4:], np.tile(columns([7 * NS_PER_S], (4.0, 16.0)), (len(told), 1)))


@pytest.mark.parametrize("periods", [(0.0,), (-1.0,), (4.0, 1e7), (float("nan"),)])
def test_a_period_is_a_time(periods: tuple[float, ...]) -> None:
    with pytest.raises(SpecError, match="time_periods_s wants"):
        replace(LAYOUT, time_periods_s=periods)


def test_they_leave_room_for_what_is_seen(tiny_bundle: Path) -> None:
    spec = open_bundle(tiny_bundle).spec
    many = (1.0,) * (spec.embed_dim // 2)
    with pytest.raises(SpecError, match="time_periods_s wants fewer columns"):
        replace(spec, layout=replace(spec.layout, time_periods_s=many))
