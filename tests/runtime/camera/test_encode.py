"""The encoder as motion estimator: exact on known motion, no picture of delay, any size, true colours."""

from __future__ import annotations

import numpy as np
import pytest
from av.video.frame import PictureType, VideoFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.camera.encode import PictureEncoder
from magno.runtime.camera.request import CameraError
from magno.runtime.conformance.known_motion import Scene, panning, turning
from magno.runtime.fusion import KNOWN
from magno.runtime.units import CodecFrame, Link

EDGE = 3  # blocks at the border, where content comes from outside


def encoded(pictures: list[np.ndarray]) -> list[CodecFrame]:
    """What the ordinary decoder gives; each picture must come out before the next goes in."""
    encoder, decoder, frames = PictureEncoder(), Decoder("h264", None, 32), []
    for index, picture in enumerate(pictures):
        (frame,) = decoder.decode(encoder.encode(picture, index * 1000, index))
        assert (frame.sequence, frame.pts_ns, frame.capture_ns) == (index, index * 1000, index)
        frames.append(frame)
    assert decoder.flush() == []
    return frames


def error_px(scene: Scene, frames: list[CodecFrame]) -> float:
    """Mean endpoint error of one picture's vectors, inside."""
    errors = []
    for index, frame in enumerate(frames[1:], 1):
        assert frame.motion is not None
        off = frame.motion.mv_qpel / 4 - scene.displacement_px(index - 1, index, frame.motion.block_px)
        inside = (slice(EDGE, -EDGE), slice(EDGE, -EDGE))
        errors.append(np.hypot(off[..., 0], off[..., 1])[inside][KNOWN[frame.motion.mode][inside] > 0])
    return float(np.concatenate(errors).mean())


@pytest.mark.parametrize("velocity_px", [(0.25, 0.25), (0.75, -0.5), (2, 1), (5.25, -3), (16, 0)])
def test_pans_are_seen_in_every_picture(velocity_px: tuple[float, float]) -> None:
    scene = panning((320, 240), velocity_px, 6)
    frames = encoded(scene.pictures())
    assert error_px(scene, frames) < 0.1
    assert [frame.pict_type for frame in frames] == list("IPPPPP")
    assert {frame.motion.link for frame in frames[1:] if frame.motion} == {Link.OK}


def test_rotation_is_seen() -> None:
    scene = turning((320, 240), 0.7, 6)
    assert error_px(scene, encoded(scene.pictures())) < 0.25


def test_sensor_noise_makes_no_new_chain_and_little_error() -> None:
    scene, rng = panning((320, 240), (2, 1), 8), np.random.default_rng(5)
    noisy = [
        np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)
        for picture in scene.pictures()
    ]
    frames = encoded(noisy)
    assert [frame.pict_type for frame in frames] == list("IPPPPPPP") and error_px(scene, frames) < 0.1


@settings(max_examples=12, deadline=None)
@given(st.integers(16, 97), st.integers(16, 97), st.booleans())
def test_any_size_is_encoded_grey_and_in_colour(width: int, height: int, grey: bool) -> None:
    picture = np.full((height, width) if grey else (height, width, 3), 90, np.uint8)
    frame = encoded([picture, picture])[1]
    assert frame.size == (width & ~1, height & ~1)
    assert np.abs(frame.picture.astype(int) - 90).max() <= 4


def test_another_size_begins_a_new_stream() -> None:
    frames = encoded([np.zeros((48, 64, 3), np.uint8)] * 2 + [np.zeros((64, 96, 3), np.uint8)] * 2)
    assert [frame.size for frame in frames] == [(64, 48)] * 2 + [(96, 64)] * 2
    assert [frame.motion.link for frame in frames if frame.motion] == [Link.RESET, Link.OK] * 2


@pytest.mark.parametrize("size", [(15, 64), (64, 8200)])
def test_sizes_that_cannot_be_encoded_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(CameraError, match="found"):
        PictureEncoder().encode(np.zeros(size, np.uint8), 0, 0)


@pytest.mark.parametrize("layout", ["yuv420p", "yuvj422p", "yuyv422", "nv12", "rgb24"])
def test_colours_survive_whatever_a_camera_sends(layout: str) -> None:
    colour = (200, 60, 30)
    frame = VideoFrame.from_ndarray(np.full((48, 64, 3), colour, np.uint8), format="rgb24").reformat(
        format=layout
    )
    decoded = Decoder("h264", None, 16).decode(PictureEncoder().encode(frame, 0, 0))[0]
    assert np.abs(decoded.picture.astype(int) - colour).max() <= 8


def test_jpegs_that_call_themselves_intra_are_predicted_all_the_same() -> None:
    encoder, keys = PictureEncoder(), []
    for _ in range(3):
        frame = VideoFrame.from_ndarray(np.full((48, 64), 90, np.uint8), format="gray").reformat(
            format="yuv420p"
        )
        frame.pict_type = PictureType.I
        keys.append(encoder.encode(frame, 0, 0).is_key)
    assert keys == [True, False, False]
