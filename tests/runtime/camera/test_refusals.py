"""What the decoder refuses by name, whatever the source: interlaced pictures, and B-pictures where none are wanted."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.camera.decoding.intake import INTERLACED_PICTURES
from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.conformance.encoding import Encoding, encode
from magno.runtime.units import AccessUnit, CodecFrame
from tests import synthetic
from tests.runtime.camera.test_nal import encoded

SIZE = (64, 64)
INTERLACED = {"preset": "ultrafast", "x264-params": "interlaced=1:bframes=0"}


def as_units(packets: list[tuple[bytes, int]]) -> list[AccessUnit]:
    return [AccessUnit(data, shown * synthetic.PICTURE_NS, 0) for data, shown in packets]


def decoded(units: list[AccessUnit], codec: str = "h264", b_frames: str = "skip") -> list[CodecFrame]:
    decoder = Decoder(codec, None, 16, b_frames=b_frames)
    return [frame for unit in units for frame in decoder.decode(unit)] + decoder.flush()


def muxed(path: Path, encoder: str, options: dict[str, str]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, Fraction(25), options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for index, image in enumerate(synthetic.panned(SIZE, (2, 0), 6)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "encoder", "options"),
    [
        ("a.mp4", "libx264", INTERLACED),
        ("a.mkv", "libx264", INTERLACED),
        ("a.h264", "libx264", INTERLACED),
        ("a.ts", "mpeg2video", {"flags": "+ildct+ilme"}),
        ("a.mp4", "mpeg4", {"flags": "+ildct+ilme"}),
    ],
)
def test_interlaced_pictures_from_any_source(
    tmp_path: Path, name: str, encoder: str, options: dict[str, str]
) -> None:
    request = CameraRequest(str(muxed(tmp_path / name, encoder, options)), 16, "fast")
    with CameraReader(request) as reader, pytest.raises(CameraError, match=r"interlaced.*progressive"):
        reader.opened()
        list(reader.frames())


def test_headers_that_turn_interlaced_in_a_sound_stream_are_damage_at_first() -> None:
    sound = encode(synthetic.panned(SIZE, (2, 0), 4), Encoding())
    other = as_units(encoded(INTERLACED, SIZE, INTERLACED_PICTURES + 2))
    assert len(decoded([*sound, *other[:5], sound[0]])) > 4
    with pytest.raises(CameraError, match="interlaced"):
        decoded([*sound, *other])


@pytest.mark.parametrize("encoder", ["libx264", "mpeg4"])
def test_b_pictures_are_refused_when_asked(encoder: str) -> None:
    encoding = Encoding(encoder, b_pictures=2)
    units = encode(synthetic.panned(SIZE, (2, 0), 8), encoding)
    for policy in ("use", "skip"):
        assert len(decoded(units, encoding.codec, policy)) == 8
    with pytest.raises(CameraError, match=r"without B-pictures.*--b-frames skip"):
        decoded(units, encoding.codec, "refuse")
    plain = encode(synthetic.panned(SIZE, (2, 0), 8), replace(encoding, b_pictures=0))
    assert len(decoded(plain, encoding.codec, "refuse")) == 8


def test_refusal_reaches_the_owner_of_the_reader(clips: Path) -> None:
    request = CameraRequest(str(clips / "bottle-detection.mp4"), 16, "fast", b_frames="refuse")
    with CameraReader(request) as reader, pytest.raises(CameraError, match="without B-pictures"):
        reader.opened()
        list(reader.frames())
