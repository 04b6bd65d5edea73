"""What a camera sends as a JPEG: an array, or one sentence, and the next one is decoded all the same."""

from __future__ import annotations

import numpy as np
import pytest

from magno.runtime.camera.jpeg import JpegDecoder, JpegError
from magno.runtime.camera.process.picture_queue import Jpeg
from tests.jpegs import jpeg_of


def grey(side_px: int) -> Jpeg:
    return Jpeg(jpeg_of(np.full((side_px, side_px + 16, 3), 128, np.uint8)))


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8" + bytes(400), b"GIF89a", grey(8).data])
def test_what_is_no_jpeg_is_a_sentence_and_the_next_one_is_decoded(data: bytes) -> None:
    decoder = JpegDecoder()
    with pytest.raises(JpegError, match="wants a JPEG"):
        decoder.pixels(Jpeg(data))
    pixels = decoder.pixels(grey(32))
    assert pixels.shape == (32, 48, 3) and abs(int(pixels.mean()) - 128) < 4


def test_a_camera_may_change_its_size() -> None:
    decoder = JpegDecoder()
    assert [decoder.pixels(grey(side)).shape for side in (32, 64, 16)] == [
        (32, 48, 3),
        (64, 80, 3),
        (16, 32, 3),
    ]
