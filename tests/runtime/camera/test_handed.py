"""Access units handed over by a caller: through the queue, the wire, and a real reader process."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import threading
import time
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.h264.nal import NalType, nal_type, split_nal_units
from magno.runtime.camera.handed import HandedSource
from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.process.unit_queue import LIMIT_BYTES, UnitQueue, begins_decoding
from magno.runtime.camera.process.wire import MAX_UNIT_BYTES, UNIT_HEAD, read_unit, write_unit
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.units import AccessUnit, Link
from tests import synthetic

WAIT_S = 20
REQUEST = CameraRequest("units://", 16)
TIMES = st.integers(-(2**63), 2**63 - 1)
UNITS = st.builds(AccessUnit, st.binary(max_size=100), TIMES, TIMES, st.booleans())


@pytest.fixture(scope="module")
def encoded() -> list[AccessUnit]:
    """40 pictures, an IDR every 10, with capture times of their own."""
    units = synthetic.encode(synthetic.panned((64, 48), (2, 0), 40), gop=10)
    return [replace(unit, pts_ns=1000 + unit.pts_ns, capture_ns=7 + unit.pts_ns) for unit in units]


def never() -> threading.Event:
    return threading.Event()


def waiting(queue: UnitQueue) -> list[AccessUnit]:
    queue.close()
    found = []
    while (unit := queue.take(never())) is not None:
        found.append(unit)
    return found


def handed_on(units: list[AccessUnit]) -> list[AccessUnit]:
    stream = io.BytesIO()
    for unit in units:
        write_unit(stream, unit)
    stream.seek(0)
    return list(HandedSource(REQUEST, stream).units())


@given(st.lists(UNITS, max_size=4))
def test_units_come_out_of_the_wire_as_they_went_in(units: list[AccessUnit]) -> None:
    stream = io.BytesIO()
    for unit in units:
        write_unit(stream, unit)
    stream.seek(0)
    assert [read_unit(stream) for _ in units] == units and read_unit(stream) is None


@given(st.binary(max_size=80))
def test_noise_on_the_wire_is_refused(data: bytes) -> None:
    with contextlib.suppress(CameraError):
        assert read_unit(io.BytesIO(data)) is None or len(data) >= UNIT_HEAD.size


def test_length_on_the_wire_is_bounded() -> None:
    stream = io.BytesIO(UNIT_HEAD.pack(b"MGU1", 0, 0, 0, MAX_UNIT_BYTES + 1) + bytes(10))
    with pytest.raises(CameraError):
        read_unit(stream)


def test_queue_holds_until_decoding_may_begin(encoded: list[AccessUnit]) -> None:
    queue = UnitQueue(50)
    taken = [queue.put(unit) for unit in encoded[7:]]
    assert taken == [False] * 3 + [True] * 30 and queue.dropped == 3
    gap, *rest = waiting(queue)
    assert gap.data == b"" and rest == encoded[10:]


def test_full_queue_drops_to_the_next_anchor_and_says_so(encoded: list[AccessUnit]) -> None:
    queue = UnitQueue(4)
    for unit in encoded[:10]:
        queue.put(unit)
    assert queue.dropped == 6
    assert [queue.take(never()) for _ in range(4)] == encoded[:4]
    assert queue.put(encoded[10]) and queue.put(encoded[11])
    gap, *rest = waiting(queue)
    assert gap.data == b"" and rest == encoded[10:12] and queue.dropped == 6


def test_anchor_takes_the_place_of_what_waits(encoded: list[AccessUnit]) -> None:
    queue = UnitQueue(4)
    for unit in encoded[:4]:
        queue.put(unit)
    assert queue.put(encoded[10]) and queue.dropped == 4
    assert [unit.data for unit in waiting(queue)] == [b"", encoded[10].data]


def test_what_a_network_held_up_for_a_second_is_taken_whole(encoded: list[AccessUnit]) -> None:
    queue = UnitQueue()
    assert all(queue.put(unit) for unit in encoded[:30]) and queue.dropped == 0
    assert waiting(queue) == encoded[:30]


def test_huge_units_are_bounded_by_their_bytes(encoded: list[AccessUnit]) -> None:
    filler = b"\0\0\1\x0c" + b"\xff" * (LIMIT_BYTES // 3)
    queue = UnitQueue()
    for _ in range(4):
        queue.put(replace(encoded[0], data=encoded[0].data + filler))
        assert sum(len(unit.data) for unit in queue._waiting) <= LIMIT_BYTES
    assert queue.dropped == 2  # by the third, which takes their place


@given(st.lists(st.integers(0, 39), max_size=60), st.integers(1, 6))
def test_queue_is_bounded_and_counts_what_it_drops(places: list[int], limit: int) -> None:
    units = _encoded_once()
    queue = UnitQueue(limit)
    for place in places:
        queue.put(units[place])
        assert len(queue._waiting) <= limit + 1  # a gap's mark beside them
    kept = [unit for unit in waiting(queue) if unit.data]
    assert queue.dropped + len(kept) == len(places)
    assert not kept or begins_decoding(kept[0].data)


@cache
def _encoded_once() -> list[AccessUnit]:
    return synthetic.encode(synthetic.panned((32, 32), (1, 0), 40), gop=10)


def test_parameter_sets_that_come_alone_go_before_every_anchor(encoded: list[AccessUnit]) -> None:
    nals = split_nal_units(encoded[0].data)
    sets = [nal for nal in nals if nal_type(nal) in (NalType.SPS, NalType.PPS)]
    alone = AccessUnit(b"".join(b"\0\0\0\1" + nal for nal in sets), 0, 0)
    bare = AccessUnit(b"".join(b"\0\0\0\1" + nal for nal in nals if nal not in sets), 0, 0)
    queue = UnitQueue()
    assert queue.put(alone) and queue.put(bare)
    assert [nal_type(nal) for nal in split_nal_units(waiting(queue)[0].data)][:2] == [
        NalType.SPS,
        NalType.PPS,
    ]


def test_parameter_sets_that_came_once_go_before_a_later_anchor(encoded: list[AccessUnit]) -> None:
    nals = split_nal_units(encoded[10].data)
    bare = b"".join(b"\0\0\0\1" + nal for nal in nals if nal_type(nal) not in (NalType.SPS, NalType.PPS))
    queue = UnitQueue()
    assert queue.put(encoded[0])
    queue.begin_anew()
    assert queue.put(replace(encoded[10], data=bare)) and queue.put(encoded[11])
    assert [unit.pts_ns for unit in handed_on(waiting(queue))] == [unit.pts_ns for unit in encoded[10:12]]


@pytest.mark.parametrize("data", [b"", bytes(MAX_UNIT_BYTES + 1)], ids=["empty", "huge"])
def test_unit_of_no_or_too_many_bytes_is_dropped(data: bytes) -> None:
    queue = UnitQueue()
    assert not queue.put(AccessUnit(data, 0, 0)) and queue.dropped == 1


def test_closed_queue_gives_what_waits_and_takes_no_more(encoded: list[AccessUnit]) -> None:
    queue = UnitQueue()
    queue.put(encoded[0])
    queue.close()
    assert not queue.put(encoded[1])
    assert queue.take(never()) == encoded[0] and queue.take(never()) is None


def test_source_holds_until_decoding_may_begin_and_keeps_times(encoded: list[AccessUnit]) -> None:
    found = handed_on([replace(encoded[0], data=b""), *encoded[7:25]])
    assert found == encoded[10:25]


def test_source_hands_on_the_owners_word_that_units_are_missing(encoded: list[AccessUnit]) -> None:
    gap = replace(encoded[4], data=b"")
    assert handed_on([*encoded[:4], gap, *encoded[6:12]]) == [*encoded[:4], gap, *encoded[6:12]]


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_noise_in_units_raises_nothing(pieces: list[bytes]) -> None:
    first = _encoded_once()[0]
    handed_on([first, *[AccessUnit(b"\0\0\1" + piece, 0, 0) for piece in pieces]])


def test_loop_is_refused() -> None:
    with pytest.raises(CameraError, match="Leave it out"):
        HandedSource(replace(REQUEST, loop=True), io.BytesIO())


def test_pictures_come_back_from_a_process_with_their_times(encoded: list[AccessUnit]) -> None:
    queue = UnitQueue(100)
    with CameraReader(replace(REQUEST, pace="fast"), queue) as reader:  # live would drop what is not taken
        opened = reader.opened()
        assert (opened.codec, opened.size, opened.container) == ("h264", (0, 0), "units")
        assert opened.caps.time_from is TimeFrom.CALLER and opened.caps.vectors.subpel == 4
        for unit in encoded:
            assert queue.put(unit)
        queue.close()
        frames = list(reader.frames())
    assert [frame.pts_ns for frame in frames] == [unit.pts_ns for unit in encoded]
    assert [frame.capture_ns for frame in frames] == [unit.capture_ns for unit in encoded]
    assert {frame.size for frame in frames} == {(64, 48)}
    links = [frame.motion.link for frame in frames if frame.motion]
    assert links == [Link.RESET if index % 10 == 0 else Link.OK for index in range(40)]


def test_each_picture_comes_without_waiting_for_the_next(encoded: list[AccessUnit]) -> None:
    queue = UnitQueue()
    with CameraReader(REQUEST, queue) as reader:
        reader.opened()
        frames = reader.frames()
        for unit in encoded[:12]:
            queue.put(unit)
            assert next(frames).pts_ns == unit.pts_ns


def test_next_process_goes_on_at_the_next_anchor(encoded: list[AccessUnit]) -> None:
    queue = UnitQueue(100)
    with CameraReader(REQUEST, queue) as reader:
        reader.opened()
        for unit in encoded[:5]:
            queue.put(unit)
        frames = reader.frames()
        assert next(frames).pts_ns == encoded[0].pts_ns
        os.kill(reader.pid, signal.SIGKILL)
        with pytest.raises(CameraError):
            list(frames)
    with CameraReader(REQUEST, queue) as reader:
        reader.opened()
        for unit in encoded[5:15]:
            queue.put(unit)
        queue.close()
        assert [frame.pts_ns for frame in reader.frames()] == [unit.pts_ns for unit in encoded[10:15]]


def test_closing_a_reader_ends_its_feeding_thread() -> None:
    for _ in range(3):
        with CameraReader(REQUEST, UnitQueue()) as reader:
            reader.opened()
    deadline = time.monotonic() + WAIT_S
    while any(thread.name == "magno-feed" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
