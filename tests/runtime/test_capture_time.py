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
from magno.runtime.encoding import encoded, with_rows
from magno.runtime.fusion import Displacement
from magno.runtime.spec import SpecError
from magno.runtime.units import CodecFrame
from magno.runtime.window import FusedWindow, Keyframe
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
    lags_ns = [0, 0, NS_PER_S, 0, NS_PER_S // 2]
    lagging = with_time(rows, 3 * NS_PER_S, PERIODS, lags_ns)
    np.testing.assert_array_equal(
        lagging[:, 16:], columns([3 * NS_PER_S - lag_ns for lag_ns in lags_ns], PERIODS)
    )
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


def test_a_window_s_tokens_lag_by_its_length(tiny_bundle: Path) -> None:
    spec = open_bundle(tiny_bundle).spec
    lags = tuple(number / 2 for number in range(LAYOUT.window_tokens))
    layout = replace(LAYOUT, time_periods_s=(4.0, 16.0), time_lags=lags)
    side = spec.codec.image_px
    picture = np.zeros((side, side, 3), np.uint8)
    frame = CodecFrame(0, 7 * NS_PER_S, 99, "P", None, picture, (side, side))
    displacement = Displacement(np.zeros((1, 1, 2), np.float32), np.ones((1, 1), np.float32), side, 8)
    window = FusedWindow(displacement, picture, frame, 0, 7 * NS_PER_S - NS_PER_S // 3)
    rows = with_rows(window, np.zeros((len(lags), spec.embed_dim), np.float32), layout).rows
    told = [7 * NS_PER_S - round(lag * (NS_PER_S // 3)) for lag in lags]
    np.testing.assert_array_equal(rows[:, -4:], columns(told, (4.0, 16.0)))
    keyframe = with_rows(Keyframe(frame, 0), np.zeros((9, spec.embed_dim), np.float32), layout).rows
    np.testing.assert_array_equal(keyframe[:, -4:], np.tile(columns([7 * NS_PER_S], (4.0, 16.0)), (9, 1)))


@pytest.mark.parametrize("lags", [(0.0,), (-1.0,) * 8, (17.0,) * 8, (float("nan"),) * 8])
def test_a_lag_is_a_few_windows(lags: tuple[float, ...]) -> None:
    with pytest.raises(SpecError, match="time_lags wants"):
        replace(LAYOUT, time_lags=lags)


@pytest.mark.parametrize("periods", [(0.0,), (-1.0,), (4.0, 1e7), (float("nan"),)])
def test_a_period_is_a_time(periods: tuple[float, ...]) -> None:
    with pytest.raises(SpecError, match="time_periods_s wants"):
        replace(LAYOUT, time_periods_s=periods)


def test_they_leave_room_for_what_is_seen(tiny_bundle: Path) -> None:
    spec = open_bundle(tiny_bundle).spec
    many = (1.0,) * (spec.embed_dim // 2)
    with pytest.raises(SpecError, match="time_periods_s wants fewer columns"):
        replace(spec, layout=replace(spec.layout, time_periods_s=many))
