"""Cameras at a driver: what their urls mean, and the code they share with libavfilter's pictures, run for real."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.device import FORMATS, Device, DeviceSource, capture_ns, device_of
from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.camera.sources import SOURCES, kind_of
from magno.runtime.clock import NS_PER_S, ReplayClock
from magno.runtime.inspection.report import TIME_WORDS
from magno.runtime.units import Link
from tests import synthetic

REQUEST = CameraRequest("v4l2:///dev/video0", 32)
GRAPH = "lavfi:testsrc2=size=160x120:rate=25"


def test_url_names_file_size_rate_and_format() -> None:
    device = device_of("v4l2:///dev/video2?size=1280x720&rate=29.97&format=mjpeg")
    assert (device.name, device.driver) == ("/dev/video2", "v4l2")
    assert device.attempts == ({"video_size": "1280x720", "framerate": "29.97", "input_format": "mjpeg"},)


def test_without_a_format_the_one_that_costs_least_is_asked_for_first() -> None:
    attempts = device_of("v4l2:///dev/video0?size=640x480").attempts
    assert [attempt.get("input_format") for attempt in attempts] == list(FORMATS) == ["h264", "mjpeg", None]
    assert {attempt["video_size"] for attempt in attempts} == {"640x480"}


@pytest.mark.parametrize(
    "url",
    [
        "v4l2://video0",
        "v4l2:///dev/video0?sise=640x480",
        "v4l2:///dev/video0?size=640",
        "v4l2:///dev/video0?size=0x480",
        "v4l2:///dev/video0?rate=0",
        "v4l2:///dev/video0?rate=nan",
        "v4l2:///dev/video0?rate",
        "v4l2://[::1",
    ],
)
def test_urls_that_mean_nothing_are_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(CameraError, match=r"wants v4l2:///dev/video0"):
        device_of(url)


@given(st.text(max_size=40))
def test_no_url_gives_more_than_a_camera_error(rest: str) -> None:
    for start in ("v4l2:///dev/video0?", "v4l2:"):
        with contextlib.suppress(CameraError):
            assert device_of(start + rest).driver == "v4l2"


@pytest.mark.parametrize(
    ("stamp_ns", "now_ns", "captured_ns"),
    [
        (90, 100, 90),
        (110, 100, 100),  # of the future: another clock
        (NS_PER_S, 100 * NS_PER_S, 100 * NS_PER_S),  # far in the past: another clock
    ],
)
def test_capture_time_is_the_drivers_where_it_can_be(stamp_ns: int, now_ns: int, captured_ns: int) -> None:
    assert capture_ns(stamp_ns, now_ns) == captured_ns


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("v4l2:///dev/no-such-camera-of-magno", "it is not there"),
        ("v4l2:///dev/null", "it is no camera"),
        ("lavfi:nosuchfilter=3", "which does not"),
        ("lavfi:sine", "none"),
    ],
)
def test_what_is_not_there_is_told_in_one_sentence(url: str, found: str) -> None:
    with pytest.raises(CameraError, match=found) as told:
        DeviceSource(CameraRequest(url, 32), ReplayClock(), device_of(url))
    assert "\n" not in str(told.value)


def test_only_a_format_that_is_not_had_leads_to_the_next_attempt(tmp_path: Path) -> None:
    raw = tmp_path / "grey.raw"
    raw.write_bytes(bytes(64 * 48 * 3))
    size = {"video_size": "64x48", "pixel_format": "gray"}
    attempts = ({**size, "pixel_format": "none of that name"}, size)
    source = DeviceSource(REQUEST, ReplayClock(), Device(str(raw), "rawvideo", attempts))
    assert source.size == (64, 48) and sum(1 for _ in source.units()) == 3
    source.close()
    with pytest.raises(CameraError, match="it is not there"):
        DeviceSource(REQUEST, ReplayClock(), Device(str(tmp_path / "none"), "rawvideo", attempts))


def test_camera_that_encodes_is_read_as_it_is(tmp_path: Path) -> None:
    sent = synthetic.encode(synthetic.panned((64, 48), (2, 0), 5))
    (tmp_path / "sent.h264").write_bytes(b"".join(unit.data for unit in sent))
    source = DeviceSource(REQUEST, ReplayClock(), Device(str(tmp_path / "sent.h264"), "h264", ({},)))
    assert source.codec == "h264" and [unit.data for unit in source.units()] == [unit.data for unit in sent]
    source.close()


def test_camera_that_sends_jpegs_is_decoded_and_encoded_and_a_damaged_one_is_left_out(tmp_path: Path) -> None:
    pictures = synthetic.panned((64, 48), (2, 0), 5)
    jpegs = [_jpeg(picture) for picture in pictures]
    jpegs[3] = jpegs[3][:2] + b"\0" * 100 + jpegs[3][-2:]
    (tmp_path / "sent.mjpeg").write_bytes(b"".join(jpegs))
    source = DeviceSource(REQUEST, ReplayClock(), Device(str(tmp_path / "sent.mjpeg"), "mjpeg", ({},)))
    frames = synthetic.decode(list(source.units()))
    source.close()
    assert source.codec == "h264" and [frame.pict_type for frame in frames] == list("IPPP")
    moved = [np.median(frame.motion.mv_qpel[..., 0]) for frame in frames[1:] if frame.motion]
    assert moved == [8, 8, 16]  # across the one that is missing, too


def _jpeg(picture: np.ndarray) -> bytes:
    context = av.CodecContext.create("mjpeg", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = picture.shape[1], picture.shape[0], "yuvj420p"
    context.time_base = Fraction(1, 25)
    return bytes(context.encode(av.VideoFrame.from_ndarray(picture, format="rgb24"))[0])


def test_made_pictures_are_encoded_for_their_motion_through_a_reader() -> None:
    with CameraReader(CameraRequest(GRAPH, 32, "fast", until_s=1)) as reader:
        opened = reader.opened()
        frames = list(reader.frames())
    assert (opened.codec, opened.size, opened.rate, opened.container) == ("h264", (160, 120), 25, "lavfi")
    assert opened.caps.time_from is TimeFrom.COUNT and opened.caps.vectors.block_px == 8
    assert [frame.pts_ns for frame in frames] == [40_000_000 * index for index in range(26)]
    links = [frame.motion.link for frame in frames if frame.motion]
    assert links == [Link.RESET, *[Link.OK] * 25]
    assert any(frame.motion.mv_qpel.any() for frame in frames if frame.motion)


def test_inspection_has_words_for_every_clock() -> None:
    assert set(TIME_WORDS) == set(TimeFrom)


def test_live_pictures_come_at_their_rate() -> None:
    clock = ReplayClock()
    source = DeviceSource(CameraRequest(GRAPH, 32, until_s=2), clock, device_of(GRAPH))
    assert sum(1 for _ in source.units()) == 51 and clock.now_ns() == 2 * NS_PER_S
    source.close()


@pytest.mark.parametrize(
    ("url", "kind"),
    [("v4l2:///dev/video0", "v4l2"), (GRAPH, "lavfi"), ("LAVFI:testsrc", "lavfi"), ("a:b.mp4", "file")],
)
def test_table_knows_devices(url: str, kind: str) -> None:
    assert kind_of(url) == kind and kind in SOURCES
