"""Where H.264 pictures stand: the places that real encoders gave them, what was lost, where decoding may begin."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.camera.h264.nal import AccessUnits, begins_picture
from magno.runtime.camera.h264.nal_order import PictureOrder
from tests.runtime.camera.test_nal import SPS, encoded, slice_nal


@pytest.mark.parametrize(
    "params",
    [
        "bframes=0",
        "bframes=0:keyint=6:slices=4",
        "bframes=3:b-adapt=0:keyint=12",
        "bframes=3:b-adapt=0:b-pyramid=normal:keyint=12:ref=4",
        "bframes=2:open-gop=1:keyint=8:min-keyint=8:aud=1",
        "bframes=3:b-pyramid=strict:keyint=40",
        "bframes=0:intra-refresh=1:keyint=10",
    ],
)
def test_places_are_those_that_the_encoder_gave(params: str) -> None:
    order = PictureOrder()
    for index, (data, shown) in enumerate(encoded({"x264-params": params}, pictures=60)):
        place = order.step(data)
        assert place is not None
        assert place.shown == shown, (params, index)


def test_long_stream_does_not_lose_count() -> None:
    """Picture order counts wrap; the 400 pictures here wrap them many times."""
    order = PictureOrder()
    for data, shown in encoded(
        {"preset": "ultrafast", "x264-params": "bframes=2:b-adapt=0:keyint=1000"}, pictures=400
    ):
        place = order.step(data)
        assert place is not None and place.shown == shown


def test_entries_are_idr_pictures_and_recovery_points() -> None:
    plain = PictureOrder()
    places = [
        plain.step(data) for data, _ in encoded({"x264-params": "bframes=0:keyint=6:min-keyint=6:scenecut=0"})
    ]
    assert [index for index, place in enumerate(places) if place and place.entry] == [0, 6, 12, 18]
    refresh = PictureOrder()
    places = [
        refresh.step(data) for data, _ in encoded({"x264-params": "bframes=0:keyint=8:intra-refresh=1"})
    ]
    entries = [index for index, place in enumerate(places) if place and place.entry]
    assert entries[0] == 0 and len(entries) > 1


@pytest.mark.parametrize("lost", [1, 2, 5, 11])
def test_missing_pictures_take_their_time(lost: int) -> None:
    units = encoded({"x264-params": "bframes=0:keyint=100"})
    del units[4 : 4 + lost]
    order = PictureOrder()
    places = [order.step(data) for data, _ in units]
    assert [place.shown for place in places if place] == [shown for _, shown in units]


def test_picture_that_comes_twice_takes_no_time() -> None:
    units = encoded({"x264-params": "bframes=0:keyint=100"}, pictures=8)
    order = PictureOrder()
    places = [order.step(data) for data, _ in [*units[:4], units[3], *units[4:]]]
    assert [place.shown for place in places if place] == [0, 1, 2, 3, 3, 4, 5, 6, 7]


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6))
def test_altered_bytes_raise_nothing(changes: list[tuple[int, int]]) -> None:
    order = PictureOrder()
    data = bytearray(b"".join(_stream()))
    for place, value in changes:
        data[place % len(data)] = value
    units = AccessUnits()
    for unit in units.feed(bytes(data)) + units.flush():
        place = order.step(unit)
        assert place is None or place.sps.size[0] > 0


@cache
def _stream() -> list[bytes]:
    return [data for data, _ in encoded({"x264-params": "bframes=2:keyint=6"}, pictures=16)]


def test_unit_without_a_picture_has_no_place() -> None:
    order = PictureOrder()
    assert order.step(b"") is None and order.step(b"\0\0\1" + SPS) is None
    assert order.step(b"\0\0\1" + slice_nal(True)) is None  # its parameter sets were never sent
    assert not begins_picture(b"\x41") and begins_picture(slice_nal(True))


def test_real_clip_as_a_raw_stream(clips: Path) -> None:
    """Of the clip with B-pictures: every access unit, at the place that the container gave it."""
    with av.open(str(clips / "bottle-detection.mp4")) as container:
        stream = container.streams.video[0]
        raw = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        packets = [out for packet in container.demux(stream) if packet.size for out in raw.filter(packet)]
    pts = np.array([packet.pts for packet in packets])
    parts, order = AccessUnits(), PictureOrder()
    units = parts.feed(b"".join(bytes(packet) for packet in packets)) + parts.flush()
    places = [order.step(unit) for unit in units]
    assert len(units) == len(packets) == 1189
    assert [place.shown for place in places if place] == np.argsort(np.argsort(pts)).tolist()
