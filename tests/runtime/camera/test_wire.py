"""The wire between the reader process and the engine: it carries all there is, and believes nothing."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from magno.runtime.camera.caps import Caps, TimeFrom, VectorCaps
from magno.runtime.camera.process import wire
from magno.runtime.camera.process.wire import Alive, Ended, Failed, Lost, Message, Opened
from magno.runtime.camera.request import CameraError
from magno.runtime.units import CodecFrame, Link, MotionField
from tests.synthetic import codec_frame, uniform_field

NUMBERS = st.integers(0, 2**63 - 1)


@st.composite
def motions(draw: st.DrawFn) -> MotionField:
    block_px = draw(st.sampled_from(wire.BLOCK_SIZES))
    width, height = draw(st.integers(1, 160)), draw(st.integers(1, 160))
    rows, columns = -(-height // block_px), -(-width // block_px)
    return MotionField(
        draw(npst.arrays(np.int16, (rows, columns, 2))),
        draw(npst.arrays(np.uint8, (rows, columns), elements=st.integers(0, 4))),
        block_px,
        (width, height),
        draw(st.sampled_from(Link)),
        draw(st.none() | npst.arrays(np.uint8, (rows, columns))),
    )


@st.composite
def frames(draw: st.DrawFn) -> CodecFrame:
    side = draw(st.integers(1, 12))
    return CodecFrame(
        draw(NUMBERS),
        draw(st.integers(-(2**62), 2**62)),
        draw(NUMBERS),
        draw(st.sampled_from("IPB")),
        draw(st.none() | motions()),
        draw(npst.arrays(np.uint8, (side, side, 3))),
        (draw(st.integers(1, 8192)), draw(st.integers(1, 8192))),
        draw(st.booleans()),
    )


MESSAGES = st.one_of(
    frames(),
    st.builds(
        Opened,
        st.text(max_size=20),
        st.tuples(*[st.integers(0, 65535)] * 2),
        st.floats(0, 1000),
        st.text(max_size=20),
        st.builds(Caps, st.builds(VectorCaps), st.sampled_from(TimeFrom)),
    ),
    st.just(Alive()),
    st.builds(Lost, st.text(max_size=wire.MAX_ERROR_CHARACTERS)),
    st.builds(Failed, st.text(max_size=wire.MAX_ERROR_CHARACTERS)),
    st.builds(Ended, NUMBERS),
)


def sent(*messages: Message) -> bytes:
    stream = io.BytesIO()
    for message in messages:
        wire.write_message(stream, message)
    return stream.getvalue()


def read(data: bytes) -> Message | None:
    return wire.read_message(io.BytesIO(data))


def assert_same(one: Message | None, other: Message) -> None:
    if not isinstance(other, CodecFrame) or not isinstance(one, CodecFrame):
        assert one == other
        return
    for name in ("sequence", "pts_ns", "capture_ns", "pict_type", "size", "is_reference"):
        assert getattr(one, name) == getattr(other, name)
    assert (one.picture == other.picture).all() and (one.motion is None) == (other.motion is None)
    if one.motion is not None and other.motion is not None:
        assert (one.motion.mv_qpel == other.motion.mv_qpel).all()
        assert (one.motion.mode == other.motion.mode).all()
        assert np.array_equal(one.motion.reference, other.motion.reference)
        for name in ("block_px", "coded_size", "link"):
            assert getattr(one.motion, name) == getattr(other.motion, name)


@given(st.lists(MESSAGES, max_size=3))
def test_messages_come_out_as_they_went_in(messages: list[Message]) -> None:
    stream = io.BytesIO(sent(*messages))
    for message in messages:
        assert_same(wire.read_message(stream), message)
    assert wire.read_message(stream) is None


@given(MESSAGES, st.integers(0, 400))
def test_cut_stream_is_the_end_and_no_error(message: Message, kept: int) -> None:
    data = sent(message)
    assert read(data[: min(kept, len(data) - 1)]) is None


@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    for start in (data, wire.LENGTHS.pack(wire.MAGIC, len(data), 0) + data):
        try:
            read(start)
        except CameraError as error:
            assert "\n" not in str(error)


@given(MESSAGES, st.integers(0, 399), st.integers(0, 255))
def test_one_altered_byte_gives_a_message_or_a_camera_error(message: Message, place: int, value: int) -> None:
    data = bytearray(sent(message))
    data[min(place, len(data) - 1)] = value
    with contextlib.suppress(CameraError):
        read(bytes(data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(["sequence", "pts_ns", "capture_ns", "pict_type", "size", "picture_px", "motion"]),
    JSON,
    st.booleans(),
)
def test_any_value_in_a_head_gives_a_frame_or_a_camera_error(key: str, value: Any, whole: bool) -> None:
    head, arrays = wire._frame_head(codec_frame(3, "P", uniform_field()))
    if key == "motion" and whole and isinstance(value, list):
        value = [*value, *head["motion"]][:6]
    body = b"".join(array.tobytes() for array in arrays)
    try:
        frame = wire.parse(json.dumps({**head, key: value}).encode(), body)
    except CameraError:
        return
    assert isinstance(frame, CodecFrame) and frame.size[0] > 0 and frame.picture.shape[2] == 3


@pytest.mark.parametrize(
    "head",
    [
        b"[1, 2]",
        b'"opened"',
        b"[" * 9000,
        b"\xff\xfe",
        b'{"opened": ["h264", 1, 2, NaN]}',
        b'{"opened": ["h264", 1, 1e400, 25]}',
        b'{"opened": ["h264", 1]}',
        b'{"ended": -1}',
        b'{"ended": ' + b"9" * 5000 + b"}",
        b'{"picture_px": 99999999999}',
        b'{"picture_px": 0}',
    ],
)
def test_hostile_head_is_refused(head: bytes) -> None:
    with pytest.raises(CameraError, match="found garbage"):
        wire.parse(head, b"")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("motion", [4, 6, 8, 48, 33, "ok"]),  # a grid that does not cover its picture
        ("motion", [4, 6, 7, 48, 32, "ok"]),
        ("motion", [-4, -6, 8, 48, 32, "ok"]),
        ("motion", [4, 6, 8, 48, 32, "fine"]),
        ("size", [10**400, 10]),
        ("size", [True, 10]),
        ("pts_ns", 2**64),
        ("pict_type", "Q"),
        ("picture_px", 5),
    ],
)
def test_frame_that_contradicts_itself_is_refused(key: str, value: Any) -> None:
    head, arrays = wire._frame_head(codec_frame(3, "P", uniform_field()))
    body = b"".join(array.tobytes() for array in arrays)
    with pytest.raises(CameraError, match="found garbage"):
        wire.parse(json.dumps({**head, key: value}).encode(), body)


@pytest.mark.parametrize(
    ("head_bytes", "body_bytes"),
    [(wire.MAX_HEAD_BYTES + 1, 0), (2, wire.MAX_BODY_BYTES + 1), (2**32 - 1,) * 2],
)
def test_lengths_are_bounded_before_anything_is_read(head_bytes: int, body_bytes: int) -> None:
    stream = io.BytesIO(wire.LENGTHS.pack(wire.MAGIC, head_bytes, body_bytes) + bytes(64))
    with pytest.raises(CameraError):
        wire.read_message(stream)
    assert stream.tell() == wire.LENGTHS.size


def test_long_error_in_any_script_fits_a_head() -> None:
    message = read(sent(Failed("\U0001f4f7\udcff" * 5000)))
    assert isinstance(message, Failed) and len(message.error) == wire.MAX_ERROR_CHARACTERS
