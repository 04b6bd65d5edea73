"""What measures the in-process encoder, on scenes whose motion is known."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from magno.calibration.codec import x264_presets as encoder
from magno.calibration.codec.x264_presets import EncoderBenchError, look
from magno.runtime.camera.encode import CHOSEN, Settings
from magno.runtime.conformance.known_motion import panning

SCENE = panning((320, 320), (0.75, 0.5), encoder.PICTURES)


def test_what_was_chosen_sees_fractions_of_a_pixel_and_whole_pixel_search_does_not() -> None:
    pictures = SCENE.pictures()
    chosen, fastest = look(SCENE, pictures, CHOSEN), look(SCENE, pictures, Settings("ultrafast", 23))
    assert chosen.error_px < 0.1 and chosen.window_error_px < 0.3 and chosen.coverage > 0.99
    assert fastest.error_px > 0.3
    assert chosen.kilobytes > 0 and chosen.encode_ms > 0 and chosen.decode_ms > 0


@pytest.mark.parametrize(
    ("size", "clip", "found"),
    [
        ("640", "tests/clips/car-detection.mp4", "640x480"),
        ("64x48", "x.mp4", "320"),
        ("320x320", "no.mp4", "clip"),
    ],
)
def test_what_cannot_be_measured_is_told_in_one_sentence(size: str, clip: str, found: str) -> None:
    with pytest.raises(EncoderBenchError, match=found):
        encoder.measure(argparse.Namespace(size=size, clip=Path(clip)), lambda text: None)
