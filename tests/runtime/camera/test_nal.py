"""H.264 byte streams: real encoders' and made by hand, cut into pieces, and noise."""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import cache

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.camera.h264.nal import (
    MAX_UNIT_BYTES,
    AccessUnits,
    NalSplitter,
    NalType,
    nal_type,
    split_nal_units,
    unescape,
)
from magno.runtime.camera.h264.nal_bits import Bits, HeaderError
from magno.runtime.camera.h264.nal_order import PictureOrder
from magno.runtime.camera.h264.nal_sets import parse_pps, parse_sps
from magno.runtime.camera.h264.nal_slice import parse_slice, recovery_point
from tests import synthetic

STARTS = st.sampled_from([b"\0\0\1", b"\0\0\0\1", b"\0\0\0\0\0\1"])
PAYLOADS = st.binary(max_size=30).map(lambda data: escape(data + b"\x80"))
NALS = st.builds(lambda kind, payload: bytes([kind]) + payload, st.integers(1, 31), PAYLOADS)


def escape(data: bytes) -> bytes:
    """Emulation prevention as an encoder does it (7.4.1), byte by byte."""
    out, zeros = bytearray(), 0
    for byte in data:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


@given(st.binary(max_size=60).map(lambda data: bytes(byte % 5 for byte in data) + b"\x80"))
def test_emulation_prevention_is_undone(data: bytes) -> None:
    escaped = escape(data)
    assert unescape(escaped) == data and b"\0\0\1" not in escaped


@given(st.lists(st.tuples(STARTS, NALS), max_size=8), st.lists(st.integers(0, 400), max_size=12))
def test_nal_units_come_out_however_the_bytes_come_in(
    parts: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    data = b"".join(start + nal for start, nal in parts)
    splitter = NalSplitter()
    found = [nal for piece in pieces(data, cuts) for nal in splitter.feed(piece)]
    assert found + splitter.flush() == [nal for _, nal in parts] == split_nal_units(data)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_noise_raises_nothing(data: bytes, cuts: list[int]) -> None:
    units, order = AccessUnits(), PictureOrder()
    for unit in [unit for piece in pieces(data, cuts) for unit in units.feed(piece)] + units.flush():
        order.step(unit)


def slice_nal(first: bool, idr: bool = False) -> bytes:
    return bytes([0x65 if idr else 0x41, 0x88 if first else 0x48, 0x84])


SPS, PPS, AUD, SEI = b"\x67\x42\x80", b"\x68\xce\x80", b"\x09\x10", b"\x06\x05\x01\x07\x80"


@pytest.mark.parametrize(
    "units",
    [
        [[slice_nal(True)], [slice_nal(True)]],
        [[slice_nal(True), slice_nal(False), slice_nal(False)], [slice_nal(True), slice_nal(False)]],
        [[AUD, slice_nal(True)], [AUD, slice_nal(False)], [AUD, slice_nal(True)]],
        [[SPS, PPS, slice_nal(True, True)], [slice_nal(True)], [SPS, PPS, slice_nal(True, True)]],
        [[SEI, slice_nal(True)], [SEI, SEI, slice_nal(True)], [PPS, slice_nal(True)]],
        [[slice_nal(True), b"\x0a"], [SPS, slice_nal(True, True), b"\x0b"]],
        [[SPS, PPS]],
    ],
)
def test_access_units_begin_where_the_standard_says(units: list[list[bytes]]) -> None:
    joined = [b"".join(b"\0\0\0\1" + nal for nal in unit) for unit in units]
    parts = AccessUnits()
    assert parts.feed(b"".join(joined)) + parts.flush() == joined


@given(st.sampled_from([b"\0\0\1", b"\0\0\0\1"]), st.lists(st.integers(0, 10**6), max_size=20))
def test_real_stream_in_any_pieces_gives_the_encoders_units(start: bytes, cuts: list[int]) -> None:
    encoded = _encoded()
    data = b"".join(start + nal for unit in encoded for nal in split_nal_units(unit))
    parts = AccessUnits()
    found = [unit for piece in pieces(data, cuts) for unit in parts.feed(piece)] + parts.flush()
    assert [split_nal_units(unit) for unit in found] == [split_nal_units(unit) for unit in encoded]


@cache
def _encoded() -> list[bytes]:
    return [unit.data for unit in synthetic.encode(synthetic.panned((64, 48), (1, 0), 8), gop=4)]


def test_endless_nal_unit_is_cut_and_memory_bounded() -> None:
    splitter = NalSplitter()
    splitter.feed(b"\0\0\1\x41")
    for _ in range(MAX_UNIT_BYTES // (1 << 20) + 2):
        assert splitter.feed(b"\xff" * (1 << 20)) == []
        assert len(splitter._buffer) <= MAX_UNIT_BYTES
    assert splitter.overlong and splitter.feed(b"\0\0\1" + AUD + b"\0\0\1") == [AUD]


@given(st.lists(st.integers(0, 2**20), max_size=10))
def test_golomb_numbers(values: list[int]) -> None:
    text = "".join("0" * ((value + 1).bit_length() - 1) + format(value + 1, "b") for value in values) + "1"
    text += "0" * (-len(text) % 8)
    bits = Bits(int(text, 2).to_bytes(len(text) // 8, "big"))
    assert [bits.golomb() for _ in values] == values
    assert [Bits(bytes([code])).signed_golomb() for code in (0x80, 0x40, 0x60, 0x20, 0x28)] == [
        0,
        1,
        -1,
        2,
        -2,
    ]


@pytest.mark.parametrize("data", [b"", b"\0", bytes(8)])
def test_bits_that_end_too_early(data: bytes) -> None:
    with pytest.raises(HeaderError):
        Bits(data).golomb()


@given(st.binary(max_size=80))
def test_headers_of_noise(data: bytes) -> None:
    for parse in (parse_sps, parse_pps, lambda nal: parse_slice(nal, {})):
        try:
            parse(b"\x67" + data)
        except HeaderError as error:
            assert str(error)
    recovery_point(b"\x06" + data)


def encoded(
    codec_options: dict[str, str],
    size: tuple[int, int] = (64, 48),
    pictures: int = 24,
    rate: Fraction = Fraction(30000, 1001),
    pix_fmt: str = "yuv420p",
) -> list[tuple[bytes, int]]:
    """Access units of libx264 in decode order, and at which place each is shown."""
    images = [synthetic.picture(size, synthetic.pan(index, 0)) for index in range(pictures)]
    return of_images(images, codec_options, rate, pix_fmt)


def of_images(
    images: list[np.ndarray],
    codec_options: dict[str, str],
    rate: Fraction = Fraction(30000, 1001),
    pix_fmt: str = "yuv420p",
) -> list[tuple[bytes, int]]:
    context = av.CodecContext.create("libx264", "w")
    context.height, context.width, context.pix_fmt = *images[0].shape[:2], pix_fmt
    context.framerate, context.time_base, context.options = rate, 1 / rate, codec_options
    packets = []
    for index, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts = index
        packets += context.encode(frame.reformat(format=pix_fmt))
    packets += context.encode(None)
    return [(bytes(packet), int(packet.pts)) for packet in packets]


def sps_of(data: bytes) -> bytes:
    return next(nal for nal in split_nal_units(data) if nal_type(nal) == NalType.SPS)


@pytest.mark.parametrize("size", [(64, 48), (250, 180), (640, 360), (18, 34)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv422p", "gray"])
def test_sps_says_size_and_rate(size: tuple[int, int], pix_fmt: str) -> None:
    data = encoded(
        {"preset": "ultrafast", "x264-params": "nal-hrd=vbr:vbv-maxrate=500:vbv-bufsize=500"},
        size,
        1,
        pix_fmt=pix_fmt,
    )
    _, sps = parse_sps(sps_of(data[0][0]))
    assert (sps.size, sps.rate, sps.frames_only) == (size, Fraction(30000, 1001), True)


def test_sps_with_its_end_cut_off_still_says_the_size() -> None:
    whole = sps_of(encoded({"preset": "ultrafast"}, (250, 180), 1)[0][0])
    said = []
    for length in range(1, len(whole)):
        try:
            said.append(parse_sps(whole[:length])[1].size)
        except HeaderError:
            assert not said
    assert said and set(said) == {(250, 180)}
