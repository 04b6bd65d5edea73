"""Pictures handed over by a caller: through the queue, the pipe, a real reader process, and the engine."""

from __future__ import annotations

import contextlib
import io
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.process.picture_queue import (
    HEAD,
    JPEG_HEAD,
    JPEG_MAGIC,
    MAGIC,
    MAX_JPEG_BYTES,
    Jpeg,
    NewestPictures,
    Picture,
    read_picture,
    write_picture,
)
from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.clock import ReplayClock
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import CodecFrame, Link, Outcome, Query
from tests import synthetic
from tests.jpegs import jpeg_of

REQUEST = CameraRequest("pictures://", 16, rate=30)
SIDES = st.integers(16, 40)
SHAPES = st.one_of(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES, st.just(3)))
TIMES = st.integers(-(2**63), 2**63 - 1)


def grey(level: int = 0) -> np.ndarray:
    return np.full((16, 16), level, np.uint8)


def taken(queue: NewestPictures) -> list[Picture]:
    queue.close()
    stream = io.BytesIO()
    while queue.send(stream, threading.Event()):
        pass
    stream.seek(0)
    found = []
    while (picture := read_picture(stream)) is not None:
        found.append(picture)
    return found


@given(SHAPES.flatmap(lambda shape: arrays.arrays(np.uint8, shape)), TIMES, TIMES)
def test_pictures_come_out_of_the_pipe_as_they_went_in(
    pixels: np.ndarray, pts_ns: int, capture_ns: int
) -> None:
    stream = io.BytesIO()
    write_picture(stream, Picture(pixels, pts_ns, capture_ns))
    stream.seek(0)
    found = read_picture(stream)
    assert found is not None and np.array_equal(found.pixels, pixels)
    assert (found.pts_ns, found.capture_ns) == (pts_ns, capture_ns) and read_picture(stream) is None


@given(st.binary(max_size=80), TIMES, TIMES)
def test_jpegs_come_out_of_the_pipe_as_they_went_in(data: bytes, pts_ns: int, capture_ns: int) -> None:
    stream, sent = io.BytesIO(), Picture(Jpeg(data), pts_ns, capture_ns)
    write_picture(stream, sent)
    stream.seek(0)
    assert read_picture(stream) == sent and read_picture(stream) is None
    stream.seek(0)
    assert read_picture(io.BytesIO(stream.read()[:-1])) is None  # cut short


@given(st.binary(max_size=80))
def test_noise_on_the_pipe_is_refused(data: bytes) -> None:
    with contextlib.suppress(CameraError):
        assert read_picture(io.BytesIO(data)) is None


@pytest.mark.parametrize(
    ("height", "width", "channels"), [(15, 64, 3), (64, 8193, 1), (8192, 8192, 3), (64, 64, 2)]
)
def test_sizes_on_the_pipe_are_bounded(height: int, width: int, channels: int) -> None:
    with pytest.raises(CameraError, match="garbage"):
        read_picture(io.BytesIO(HEAD.pack(MAGIC, 0, 0, height, width, channels)))


def test_length_of_a_jpeg_on_the_pipe_is_bounded() -> None:
    assert JPEG_HEAD.size == HEAD.size
    with pytest.raises(CameraError, match="garbage"):
        read_picture(io.BytesIO(JPEG_HEAD.pack(JPEG_MAGIC, 0, 0, MAX_JPEG_BYTES + 1)))


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8" + bytes(MAX_JPEG_BYTES)])
def test_what_does_not_begin_as_a_jpeg_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(CameraError, match=r"^A camera's picture wants a JPEG of 16 MiB at most, found"):
        NewestPictures(ReplayClock()).put(Jpeg(data), 0)


def test_newest_win_and_drops_are_counted() -> None:
    queue = NewestPictures(ReplayClock(5), limit=2)
    assert all(queue.put(grey(level), level) for level in range(7)) and queue.dropped == 5
    found = taken(queue)
    assert [picture.pts_ns for picture in found] == [5, 6] and found[0].capture_ns == 5


@given(st.lists(st.integers(0, 20), max_size=40), st.integers(1, 4))
def test_queue_is_bounded_in_order_and_loses_no_count(times: list[int], limit: int) -> None:
    queue = NewestPictures(ReplayClock(), limit)
    for pts_ns in times:
        queue.put(grey(), pts_ns)
    found = [picture.pts_ns for picture in taken(queue)]
    assert len(found) <= limit and len(found) + queue.dropped == len(times)
    assert found == sorted(set(found))


def test_callers_array_may_be_used_again_at_once() -> None:
    queue, pixels = NewestPictures(ReplayClock()), grey(7)
    queue.put(pixels[::-1], 0)
    pixels[:] = 9
    assert (taken(queue)[0].pixels == 7).all()


def test_picture_after_the_end_or_back_in_time_is_dropped() -> None:
    queue = NewestPictures(ReplayClock())
    assert queue.put(grey(), 10) and not queue.put(grey(), 10) and not queue.put(grey(), 9)
    queue.close()
    assert not queue.put(grey(), 11) and queue.dropped == 3


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((32, 32, 3)),
        np.zeros((32, 32, 4), np.uint8),
        np.zeros(32, np.uint8),
        np.zeros((8, 32), np.uint8),
        np.zeros((8192, 8192), np.uint8),
        "a picture",
        None,
    ],
)
def test_what_is_no_picture_is_refused_in_one_sentence(pixels: np.ndarray) -> None:
    with pytest.raises(CameraError, match=r"^A camera's picture wants \(H, W, 3\) uint8 RGB"):
        NewestPictures(ReplayClock()).put(pixels, 0)


@pytest.mark.parametrize("pts_ns", [2**63, 0.5, None, "now"])
def test_time_that_is_none_is_refused(pts_ns: int) -> None:
    with pytest.raises(CameraError, match="nanoseconds"):
        NewestPictures(ReplayClock()).put(grey(), pts_ns)


def test_nobody_waits_for_a_queue_that_is_over() -> None:
    queue, over = NewestPictures(ReplayClock()), threading.Event()
    waiting = threading.Thread(target=queue.send, args=(io.BytesIO(), over))
    waiting.start()
    over.set()
    queue.wake()
    waiting.join(20)
    assert not waiting.is_alive()


def test_picture_that_nobody_reads_is_counted() -> None:
    class Gone(io.BytesIO):
        def write(self, data: object) -> int:
            raise BrokenPipeError

    queue = NewestPictures(ReplayClock())
    queue.put(grey(), 0)
    with pytest.raises(BrokenPipeError):
        queue.send(Gone(), threading.Event())
    assert queue.dropped == 1


def test_reader_gives_the_motion_of_pictures_and_follows_their_size() -> None:
    small, large = synthetic.panned((64, 48), (2, 0), 4), synthetic.panned((96, 64), (0, 3), 4)
    pictures = [*small, *(picture[..., 0] for picture in large)]  # in colour, then grey
    queue = NewestPictures(ReplayClock(77), limit=len(pictures))
    with CameraReader(REQUEST, queue) as reader:
        opened = reader.opened()
        for index, picture in enumerate(pictures):
            assert queue.put(picture, 1000 * index)
        queue.close()
        frames = list(reader.frames())
    assert (opened.container, opened.codec, opened.rate) == ("pictures", "h264", 30)
    assert opened.caps.time_from is TimeFrom.CALLER
    assert [(frame.pts_ns, frame.capture_ns) for frame in frames] == [
        (1000 * index, 77) for index in range(8)
    ]
    assert [frame.size for frame in frames] == [(64, 48)] * 4 + [(96, 64)] * 4
    assert [frame.motion.link for frame in frames if frame.motion] == [Link.RESET, *[Link.OK] * 3] * 2
    assert [_median(frame) for frame in frames[1:4]] == [(8, 0)] * 3
    assert [_median(frame) for frame in frames[5:]] == [(0, 12)] * 3


def test_jpegs_are_decoded_by_the_reader_which_leaves_out_what_is_none(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """And nobody else decodes them: what is none goes into the queue."""
    jpegs = [Jpeg(jpeg_of(picture)) for picture in synthetic.panned((64, 48), (2, 0), 5)]
    jpegs[2] = Jpeg(jpegs[2].data[:2] + bytes(400))
    queue = NewestPictures(ReplayClock(), limit=len(jpegs))
    with CameraReader(REQUEST, queue) as reader:
        for index, jpeg in enumerate(jpegs):
            assert queue.put(jpeg, 1000 * index)
        queue.close()
        reader.opened()
        frames = list(reader.frames())
    assert [frame.pts_ns for frame in frames] == [0, 1000, 3000, 4000]
    assert [frame.motion.link for frame in frames if frame.motion] == [Link.RESET, *[Link.OK] * 3]
    assert [_median(frame) for frame in frames[1:]] == [(8, 0), (16, 0), (8, 0)]
    said = capfd.readouterr().err
    assert said.count("A picture wants a JPEG, found") == 1 and said.count("\n") == 1


def test_picture_that_is_left_out_breaks_no_chain() -> None:
    """The next one is encoded against the last that was encoded: its vectors tell of both steps."""
    pictures = synthetic.panned((64, 48), (2, 0), 6)
    queue = NewestPictures(ReplayClock(), limit=len(pictures))
    with CameraReader(REQUEST, queue) as reader:
        for index in (0, 1, 2, 5):
            queue.put(pictures[index], synthetic.PICTURE_NS * index)
        queue.close()
        reader.opened()
        frames = list(reader.frames())
    assert [frame.motion.link for frame in frames if frame.motion] == [Link.RESET, *[Link.OK] * 3]
    assert [_median(frame) for frame in frames[1:]] == [(8, 0), (8, 0), (24, 0)]


def test_next_reader_goes_on_with_what_is_put_then() -> None:
    pictures, queue = synthetic.panned((64, 48), (2, 0), 6), NewestPictures(ReplayClock())
    with CameraReader(REQUEST, queue) as reader:
        reader.opened()
        queue.put(pictures[0], 0)
        assert next(reader.frames()).pts_ns == 0
        reader.kill()
    for index in range(1, 3):
        queue.put(pictures[index], index)
    queue.close()
    with CameraReader(REQUEST, queue) as reader:
        frames = list(reader.frames())
    assert [(frame.pts_ns, frame.pict_type) for frame in frames] == [(1, "I"), (2, "P")]


def test_pictures_of_a_caller_are_watched_to_their_end(tiny_bundle: Path) -> None:
    with Engine.open(EngineConfig(bundle=str(tiny_bundle))) as engine:
        queue = engine.watch_pictures("front", rate=25)
        pictures = synthetic.panned((128, 96), (2, 0), 30)
        for index, picture in enumerate(pictures):  # faster than any camera: some are dropped
            assert queue.put(picture, index * synthetic.PICTURE_NS)
        queue.close()
        assert engine.wait_ended("front", 20)
        answer = engine.ask(Query("Which way is it moving?", "front", 10_000))
        status = engine.status()["front"]
    assert answer.outcome is Outcome.COMPLETE and answer.visual_tokens > 0
    assert status.state == "ended" and status.pictures_received >= 1
    assert (
        status.pictures_received + queue.dropped <= len(pictures) and status.pictures_dropped >= queue.dropped
    )


def _median(frame: CodecFrame) -> tuple[float, float]:
    assert frame.motion is not None
    x, y = np.median(frame.motion.mv_qpel.reshape(-1, 2), 0)
    return float(x), float(y)
