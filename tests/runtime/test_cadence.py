"""The rules by themselves: when an adaptive window ends, and what is a cut, in tables and in real encodes."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime import cadence, fusion
from magno.runtime.cadence import Gathered
from magno.runtime.conformance.encoding import Encoding, encode
from magno.runtime.conformance.known_motion import panning
from magno.runtime.units import BlockMode
from tests.runtime.test_features import CODEC
from tests.synthetic import decode, uniform_field

CLIPS = Path(__file__).parents[1] / "clips"
QUIET = Gathered(8, moving=0.0, near_range=0.0, lost=0.0)
MOVING = replace(QUIET, moving=0.1)


@pytest.mark.parametrize(
    ("window", "end"),
    [
        (replace(MOVING, pictures=7), False),
        (MOVING, True),  # as a fixed one
        (QUIET, False),  # nothing moves: it runs on
        (replace(QUIET, pictures=31), False),
        (replace(QUIET, pictures=32), True),  # but not for ever
        (replace(MOVING, pictures=20), True),  # something has begun to move
        (replace(QUIET, pictures=20, lost=0.6), True),  # or to be lost
        (replace(MOVING, pictures=3, near_range=0.05), True),  # soon it would clip
        (replace(MOVING, pictures=1, near_range=0.05), False),  # too early: the windows would not end
        (replace(MOVING, pictures=3, near_range=0.005), False),  # wild vectors
        (
            replace(MOVING, pictures=3, near_range=0.05, near_range_alone=0.045),
            False,
        ),  # a new one had them too
        (replace(MOVING, pictures=3, lost=0.9, lost_alone=0.1), True),
        (replace(MOVING, pictures=3, lost=0.9, lost_alone=0.8), False),  # a new one would lose as much
        (replace(MOVING, pictures=3, lost=0.45, lost_alone=0.0), False),
    ],
)
def test_when_an_adaptive_window_ends(window: Gathered, end: bool) -> None:
    assert cadence.ends(window, 8) is end


share = st.floats(0, 1)


@given(st.builds(Gathered, st.integers(1, 200), share, share, share, share, share), st.integers(1, 40))
def test_windows_are_never_shorter_or_longer_than_told(window: Gathered, pictures: int) -> None:
    if window.pictures < pictures * cadence.EARLIEST:
        assert not cadence.ends(window, pictures)
    if window.pictures >= pictures * cadence.LATEST:
        assert cadence.ends(window, pictures)
    if window.pictures >= pictures and window.moving > cadence.STILL_BLOCKS:
        assert cadence.ends(window, pictures)


def test_what_is_gathered_is_in_model_pixels() -> None:
    """CODEC takes 8 px of 64 either way, so 6 is near; of 320 px, they are 30."""
    near, below = fusion.start(uniform_field((0, 120))), fusion.start(uniform_field((0, 119)))
    assert cadence.gathered(near, uniform_field(), (240, 320), CODEC) == Gathered(1, 1.0, 1.0, 0.0)
    assert cadence.gathered(below, uniform_field(), (240, 320), CODEC).near_range == 0.0
    alone = cadence.gathered(near, uniform_field((0, 120)), (240, 320), CODEC)
    assert alone.near_range_alone == 1.0


def test_what_is_lost_counts_as_lost_and_not_as_moving() -> None:
    field = uniform_field((400, 0))
    field.mode[:2] = BlockMode.INTRA
    found = cadence.gathered(fusion.start(field), field, (48, 32), CODEC)
    assert (found.lost, found.lost_alone, found.moving) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("pict_type", "mode", "ahead"),
    [("B", BlockMode.MISSING, True), ("B", BlockMode.INTRA, False), ("P", BlockMode.MISSING, False)],
)
def test_a_b_picture_without_vectors_into_the_past_looks_ahead(
    pict_type: str, mode: BlockMode, ahead: bool
) -> None:
    field = uniform_field(blocks=(4, 5))
    field.mode.flat[:2] = mode
    assert not cadence.looks_ahead(pict_type, field)  # a tenth may
    field.mode.flat[:3] = mode
    assert cadence.looks_ahead(pict_type, field) is ahead


@lru_cache(maxsize=4)
def real(name: str, first: int) -> list[np.ndarray]:
    """Ten pictures of a clip."""
    with av.open(str(CLIPS / name)) as container:
        shown = [
            frame.to_ndarray(width=320, height=192, format="rgb24")
            for frame, _ in zip(container.decode(video=0), range(first + 10), strict=False)
        ]
    return shown[first:]


@pytest.mark.parametrize("encoding", [Encoding(preset="ultrafast", crf=18), Encoding(crf=35, b_pictures=3)])
@pytest.mark.parametrize(
    ("before", "after"),
    [("bottle-detection.mp4", "bunny_h264.mp4"), ("bunny_h264.mp4", "car-detection.mp4")],
)
def test_a_cut_inside_a_gop_is_found_and_nothing_else(before: str, after: str, encoding: Encoding) -> None:
    frames = decode(encode(real(before, 60) + real(after, 60), encoding))
    cuts, last = [], frames[0]
    for frame in (frame for frame in frames if frame.motion is not None and frame.pict_type == "P"):
        assert frame.motion is not None
        if cadence.is_cut(cadence.unknown(frame.motion), cadence.unlike(last.picture, frame.picture)):
            cuts.append(frame.sequence)
        last = frame
    first = next(frame.sequence for frame in frames if frame.sequence >= 10 and frame.pict_type == "P")
    assert cuts == [first]


@pytest.mark.parametrize(
    ("unknown", "unlike", "cut"),
    [(0.9, 50.0, True), (0.64, 50.0, False), (0.78, 19.0, False), (0.94, 0.0, False), (0.96, 0.0, True)],
)
def test_what_is_a_cut(unknown: float, unlike: float, cut: bool) -> None:
    assert cadence.is_cut(unknown, unlike) is cut


def test_intra_refresh_is_no_cut() -> None:
    refresh = Encoding(gop=5, intra_refresh=True)  # a fifth of every picture
    frames = decode(encode(panning((256, 192), (1, 0), 20).pictures(), refresh))
    shares = [cadence.unknown(frame.motion) for frame in frames[1:] if frame.motion is not None]
    assert max(shares) > 0.15 and not any(cadence.is_cut(share, 255) for share in shares)
