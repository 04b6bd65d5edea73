"""Picture in, CodecFrame out: nothing is held back where no B-picture makes it necessary."""

from __future__ import annotations

from collections.abc import Callable

import av
import pytest
from av.video.frame import PictureType

from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.camera.h264.nal import NalType, nal_type, split_nal_units, unescape
from magno.runtime.camera.h264.nal_bits import Bits, HeaderError
from magno.runtime.camera.h264.nal_sets import parse_sps
from magno.runtime.conformance.encoding import Encoding, encode
from magno.runtime.units import AccessUnit, Link
from tests import synthetic
from tests.runtime.camera.test_nal import escape, sps_of

SIZE, PICTURES = (64, 64), 12


@pytest.mark.parametrize(
    "encoding",
    [
        *(Encoding(preset=preset) for preset in ("ultrafast", "veryfast", "medium", "slow")),
        *(Encoding(references=references) for references in (2, 4)),
        Encoding(slices=4),
        Encoding(intra_refresh=True, gop=6),
        Encoding(gop=4),
        Encoding("mpeg4"),
        Encoding("mpeg4", gop=4),
    ],
    ids=str,
)
def test_each_picture_is_out_after_its_access_unit(encoding: Encoding) -> None:
    units = encode(synthetic.panned(SIZE, (2, 1), PICTURES), encoding)
    decoder = Decoder(encoding.codec, None, 16, rate=synthetic.RATE)
    for unit in units:
        assert [frame.pts_ns for frame in decoder.decode(unit)] == [unit.pts_ns]
    assert decoder.flush() == []


@pytest.mark.parametrize("lost", [(), (4,), (4, 5, 6)])
def test_stream_that_does_not_say_whether_it_reorders_is_not_held_back(lost: tuple[int, ...]) -> None:
    """As cameras send it: picture order counts, and nothing of how they are to be reordered."""
    units = forced(lambda index: False)
    decoder = Decoder("h264", None, 16, rate=synthetic.RATE)
    assert parse_sps(sps_of(units[0].data))[1].reorders is None
    for index, unit in enumerate(units):
        if index not in lost:
            assert [frame.pts_ns for frame in decoder.decode(unit)] == [unit.pts_ns]


def test_stream_that_turns_out_to_have_b_pictures_comes_in_order() -> None:
    """libavcodec finds out with the first that is shown before what it has already given: this one is left out."""
    decoder = Decoder("h264", None, 16, rate=synthetic.RATE)
    units = forced(lambda index: index in (5, 8))
    frames = [frame for unit in units for frame in decoder.decode(unit)] + decoder.flush()
    shown = [frame.pts_ns for frame in frames]
    assert shown == sorted(shown) and len(shown) >= PICTURES - 1
    assert all(frame.motion and frame.motion.link is not Link.BROKEN for frame in frames)


@pytest.mark.parametrize("b_pictures", [1, 2, 3])
@pytest.mark.parametrize("encoder", ["libx264", "mpeg4"])
def test_b_pictures_wait_for_the_picture_they_refer_to_and_no_longer(encoder: str, b_pictures: int) -> None:
    encoding = Encoding(encoder, b_pictures=b_pictures)
    units = encode(synthetic.panned(SIZE, (2, 1), 24), encoding)
    decoder, shown = Decoder(encoding.codec, None, 16), []
    for fed, unit in enumerate(units, 1):
        shown += [frame.pts_ns for frame in decoder.decode(unit)]
        assert fed - len(shown) <= b_pictures + 2
    shown += [frame.pts_ns for frame in decoder.flush()]
    assert shown == sorted(unit.pts_ns for unit in units)


def forced(is_b: Callable[[int], bool]) -> list[AccessUnit]:
    """Pictures of types by choice, from an encoder that was allowed B-pictures, and says nothing of reordering."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height = SIZE
    context.pix_fmt, context.framerate = "yuv420p", synthetic.RATE
    context.time_base = 1 / context.framerate
    context.options = {"x264-params": "bframes=2:b-adapt=0:b-pyramid=none:ref=1:keyint=100"}
    packets = []
    for index, image in enumerate(synthetic.panned(SIZE, (2, 1), PICTURES)):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        kind = PictureType.B if is_b(index) else PictureType.P
        frame.pts, frame.pict_type = index, kind if index else PictureType.I
        packets += context.encode(frame)
    packets += context.encode(None)
    return [AccessUnit(silent(bytes(p)), int(p.pts) * synthetic.PICTURE_NS, 0) for p in packets]


def silent(unit: bytes) -> bytes:
    nals = [
        without_restriction(nal) if nal_type(nal) == NalType.SPS else nal for nal in split_nal_units(unit)
    ]
    return b"".join(b"\0\0\0\1" + nal for nal in nals)


def without_restriction(sps: bytes) -> bytes:
    """The SPS without bitstream_restriction (E.1.1), which ends it: a flag, another, and six numbers."""
    bits = "".join(f"{byte:08b}" for byte in unescape(sps)).rstrip("0")[:-1]
    for place in range(len(bits) - 8, 0, -1):
        if bits[place] == "1" and is_restriction(bits[place + 1 :]):
            cut = bits[:place] + "01"
            return escape(
                b"".join(
                    int(cut[at : at + 8].ljust(8, "0"), 2).to_bytes(1, "big") for at in range(0, len(cut), 8)
                )
            )
    raise ValueError("an SPS without bitstream_restriction")


def is_restriction(text: str) -> bool:
    bits = Bits(int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big"))
    try:
        bits.flag()
        numbers = [bits.golomb() for _ in range(6)]
    except HeaderError:
        return False
    used = 1 + sum(2 * (number + 1).bit_length() - 1 for number in numbers)
    return used == len(text) and numbers[:2] == [0, 0] and numbers[5] <= 16
