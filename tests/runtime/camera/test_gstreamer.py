"""GStreamer pipelines, really played, where GStreamer is installed; and the decisions around them."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from magno.runtime.camera import gstreamer_feed
from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.gstreamer import (
    TAIL,
    GStreamerSource,
    command_for,
    complete,
    open_source,
    python_with_gi,
    without_password,
)
from magno.runtime.camera.gstreamer_feed import GAP, HEAD, LIMIT, OPENED, UNIT, Outbox
from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.camera.sources import kind_of
from magno.runtime.clock import WallClock
from magno.runtime.units import CodecFrame, Link
from tests import synthetic
from tests.waiting import happens

SIZE = "video/x-raw,width=160,height=120,framerate=25/1"
MOVING = f"gst:videotestsrc num-buffers=30 horizontal-speed=4 ! {SIZE} ! x264enc tune=zerolatency"
REQUEST = CameraRequest(MOVING, 32)
CHECK = """
import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
assert Gst.ElementFactory.find("x264enc") and Gst.ElementFactory.find("h264parse")
"""


@functools.cache
def why_not() -> str:
    """What keeps pipelines from being played here; nothing: they can be."""
    try:
        found = subprocess.run([python_with_gi(), "-I", "-c", CHECK], capture_output=True, text=True)
    except CameraError as error:
        return str(error)
    if found.returncode == 0:
        return ""
    return "GStreamer, its plugins or python3-gi are not installed: ./setup.sh test installs them"


@pytest.fixture
def gstreamer() -> None:
    if why_not():
        pytest.skip(why_not())


def played(url: str, pace: str = "fast", until_s: float | None = None) -> list[CodecFrame]:
    with CameraReader(CameraRequest(url, 32, pace, until_s=until_s)) as reader:
        reader.opened()
        return list(reader.frames())


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("a ! x264enc", "a ! x264enc" + TAIL),
        ("a ! x264enc ! ", "a ! x264enc" + TAIL),
        ("a ! appsink name=sink sync=false", "a ! appsink name=sink sync=false"),
        ('a ! appsink sync=false name="sink"', 'a ! appsink sync=false name="sink"'),
        ("a ! appsink name=sinks", "a ! appsink name=sinks" + TAIL),
        ("a ! appsink name=sink ! b", "a ! appsink name=sink ! b" + TAIL),
    ],
)
def test_parser_and_sink_are_put_behind_a_pipeline_that_has_none(text: str, whole: str) -> None:
    assert complete(text) == whole


def test_table_knows_pipelines_even_those_that_hold_a_url() -> None:
    assert kind_of("gst:rtspsrc location=rtsp://a/b ! rtph264depay") == "gst"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtspsrc location=rtsp://bob:secret@host/a ! b", "rtspsrc location=rtsp://...@host/a ! b"),
        ("rtspsrc user-id=b user-pw=secret ! c", "rtspsrc user-id=b user-pw=... ! c"),
        ('rtspsrc user-pw="se cret" ! c', "rtspsrc user-pw=... ! c"),
        ("a location=x://b/c@d", "a location=x://b/c@d"),
    ],
)
def test_password_in_a_pipeline_is_not_shown(text: str, shown: str) -> None:
    assert without_password(text) == shown


def test_pictures_of_a_pipeline_have_their_motion_times_and_end(gstreamer: None) -> None:
    with CameraReader(CameraRequest(MOVING, 32, "fast")) as reader:
        opened = reader.opened()
        frames = list(reader.frames())
    assert (opened.container, opened.codec, opened.size, opened.rate) == ("gstreamer", "h264", (160, 120), 25)
    assert opened.caps.time_from is TimeFrom.DEVICE and opened.caps.vectors.block_px == 8
    assert [frame.pts_ns for frame in frames] == [synthetic.PICTURE_NS * index for index in range(30)]
    assert [frame.sequence for frame in frames] == list(range(30))
    assert "B" not in {frame.pict_type for frame in frames}
    assert {frame.motion.link for frame in frames if frame.motion} == {Link.RESET, Link.OK}
    moved = [np.abs(frame.motion.mv_qpel).max() for frame in frames[1:] if frame.motion]
    assert min(moved) >= 16  # 4 px a picture


def test_vectors_are_those_of_the_same_stream_in_a_file(gstreamer: None, tmp_path: Path) -> None:
    """What the pipeline sends is its encoder's stream, bit by bit."""
    path = tmp_path / "sent.h264"
    sent = synthetic.encode(synthetic.panned((64, 48), (2, 0), 12), gop=5)
    path.write_bytes(b"".join(unit.data for unit in sent))
    url = f"gst:filesrc location={path} ! h264parse"
    through = played(url)
    direct = synthetic.decode(sent)
    assert len(through) == len(direct) == 12
    for a, b in zip(through, direct, strict=True):
        assert a.motion is not None and b.motion is not None
        assert np.array_equal(a.motion.mv_qpel, b.motion.mv_qpel)
        assert np.array_equal(a.motion.mode, b.motion.mode) and a.pict_type == b.pict_type


def test_live_pipeline_says_when_its_pictures_were_taken(gstreamer: None) -> None:
    clock = WallClock()
    began_ns = clock.now_ns()
    url = f"gst:videotestsrc is-live=true num-buffers=12 ! {SIZE} ! x264enc tune=zerolatency"
    source = open_source(CameraRequest(url, 32), clock)
    units = list(source.units())
    source.close()
    assert len(units) == 12 and units[0].is_key and units[0].pts_ns == 0
    assert began_ns < units[0].capture_ns and units[-1].capture_ns < clock.now_ns()
    steps = np.diff([unit.capture_ns for unit in units])
    assert (steps == synthetic.PICTURE_NS).all()  # the pipeline's clock, not the moment of arrival


def test_stretch_of_a_pipeline_without_end(gstreamer: None) -> None:
    url = f"gst:videotestsrc ! {SIZE} ! x264enc tune=zerolatency"
    assert len(played(url, until_s=0.4)) == 11


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("gst:", "syntax error"),
        ("gst:videotestsrc ! nosuchelement", 'no element "nosuchelement"'),
        ("gst:videotestsrc ! x264enc speed=fast", 'no property "speed"'),
        ("gst:videotestsrc", "could not link"),
        ("gst:videotestsrc ! appsink name=sink", "videotestsrc0: Internal data stream error"),
        ("gst:filesrc location=/no/such/file ! h264parse", "filesrc0: Resource not found"),
        ("gst:videotestsrc num-buffers=0 ! x264enc", "its end before any picture"),
        ("gst:a\0b", "cannot be started"),
    ],
)
def test_broken_pipeline_is_told_in_one_sentence(gstreamer: None, url: str, found: str) -> None:
    with pytest.raises(CameraError) as told:
        open_source(CameraRequest(url, 32, "fast"), WallClock())
    sentence = str(told.value)
    assert found in sentence and "gst-launch-1.0" in sentence and "\n" not in sentence


def test_python_without_gi_is_told_what_to_install() -> None:
    if importlib.util.find_spec("gi"):
        pytest.skip("this Python has gi")
    with pytest.raises(CameraError, match="apt-get install python3-gi"):
        GStreamerSource(REQUEST, WallClock(), command_for(REQUEST, sys.executable))


@pytest.mark.parametrize(
    ("does", "found"),
    [
        ("import os; os.abort()", "process gone"),
        ("print('Hello, this is no message of ours, only noise')", "garbage"),
        ("", "its end before any picture"),
    ],
)
def test_player_that_fails_is_told_in_one_sentence(does: str, found: str) -> None:
    with pytest.raises(CameraError, match=found):
        GStreamerSource(REQUEST, WallClock(), [sys.executable, "-c", does])


def test_process_that_plays_ends_with_the_one_that_reads(gstreamer: None) -> None:
    url = f"gst:videotestsrc is-live=true ! {SIZE} ! x264enc tune=zerolatency"
    with CameraReader(CameraRequest(url, 32)) as reader:
        reader.opened()
        (player,) = _children(reader.pid)
        reader.kill()
        assert happens(lambda: not Path(f"/proc/{player}").exists())


def test_source_that_is_closed_leaves_no_process(gstreamer: None) -> None:
    url = f"gst:videotestsrc is-live=true ! {SIZE} ! x264enc tune=zerolatency"
    source = open_source(CameraRequest(url, 32), WallClock())
    next(source.units())
    (player,) = _children(os.getpid())
    source.close()
    assert not Path(f"/proc/{player}").exists()


def test_full_outbox_drops_to_the_next_intra_picture_and_says_how_many() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb") as pipe:
        outbox = Outbox(pipe)
        data = bytes(1 << 20)  # more than a pipe holds: one is being written, LIMIT wait
        outbox.put((UNIT, 0, 0, True, data), wait=False)
        assert happens(lambda: not outbox._waiting)
        for index in range(1, LIMIT + 4):
            outbox.put((UNIT, index, 0, False, b"delta"), wait=False)
        found: list[tuple[bytes, int, bytes]] = []
        reader = threading.Thread(target=_read_all, args=(stream, found))
        reader.start()
        assert happens(lambda: not outbox._waiting)
        outbox.put((UNIT, 20, 0, False, b"delta"), wait=False)  # there is room, but no intra picture
        outbox.put((UNIT, 21, 0, True, b"key"), wait=False)
        outbox.put((UNIT, 22, 0, False, b"delta"), wait=False, after_gap=True)
        outbox.close()
        pipe.close()
        reader.join(20)
    assert [pts for kind, pts, _ in found if kind == UNIT] == [*range(LIMIT + 1), 21, 22]
    assert [(pts, data) for kind, pts, data in found if kind == GAP] == [(21, b"4"), (22, b"0")]


def test_gaps_of_the_pipeline_are_units_without_data() -> None:
    said = b'{"size": [64, 48], "rate": 25.0}'
    messages = [(OPENED, 0, said), (UNIT, 5, b"key"), (GAP, 9, b"3"), (UNIT, 9, b"key")]
    sent = b"".join(HEAD.pack(kind, pts, 0, True, len(data)) + data for kind, pts, data in messages)
    command = [sys.executable, "-c", f"import sys; sys.stdout.buffer.write({sent!r})"]
    source = GStreamerSource(REQUEST, WallClock(), command)
    assert (source.size, source.rate) == ((64, 48), 25)
    assert [(unit.data, unit.pts_ns) for unit in source.units()] == [(b"key", 0), (b"", 4), (b"key", 4)]
    assert source.dropped == 3
    source.close()


def test_feed_needs_nothing_of_this_package() -> None:
    """The distribution's Python has no magno."""
    text = Path(gstreamer_feed.__file__).read_text(encoding="utf-8")
    assert "import magno" not in text and "from magno" not in text


def _read_all(stream: io.BufferedReader, found: list[tuple[bytes, int, bytes]]) -> None:
    while len(head := stream.read(HEAD.size)) == HEAD.size:
        kind, pts_ns, _, _, size = HEAD.unpack(head)
        found.append((kind, pts_ns, stream.read(size)))


def _children(pid: int) -> list[int]:
    """Processes that this one started and that play a pipeline."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"gstreamer_feed" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found
