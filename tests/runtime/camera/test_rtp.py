"""RTP packets to access units: whole ones alone, in order, with every loss told."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from magno.calibration.rtsp.rtp import MOST_BYTES, PAYLOAD_TYPE, packets
from magno.runtime.camera.h264.nal import SLICES, nal_type, split_nal_units
from magno.runtime.camera.network.rtp import START, Depacketizer, Packet, TimedUnit, parse_packet

STEP = 3600


def _nal(kind: int, first: bool, size: int, number: int) -> bytes:
    """A slice or another NAL unit: no content is like another's."""
    return bytes([0x60 | kind, 0x80 if first else 0x40]) + bytes([number + 1] * 3) + bytes([7]) * size


@st.composite
def streams(draw: st.DrawFn) -> list[list[bytes]]:
    """NAL units of each access unit."""
    units = []
    for number in range(draw(st.integers(1, 12))):
        sizes = draw(st.lists(st.integers(1, 3 * MOST_BYTES), min_size=1, max_size=3))
        slices = [_nal(5 if number == 0 else 1, at == 0, size, number) for at, size in enumerate(sizes)]
        sets = [b"\x67" + bytes([number, 1, 2]), b"\x68" + bytes([number, 3])] if draw(st.booleans()) else []
        units.append([*sets, *slices])
    return units


def _slices(nals: list[bytes]) -> list[bytes]:
    return [nal for nal in nals if nal_type(nal) in SLICES]


def _annexb(nals: list[bytes]) -> bytes:
    return b"".join(START + nal for nal in nals)


def _sent(
    stream: list[list[bytes]], sequence: int = 65530, ticks: int = 2**32 - 4000
) -> list[tuple[int, bytes]]:
    """Every packet, with the number of its access unit."""
    sent: list[tuple[int, bytes]] = []
    for number, nals in enumerate(stream):
        sent += [
            (number, data) for data in packets(_annexb(nals), ticks + number * STEP, sequence + len(sent))
        ]
    return sent


def _received(sent: list[tuple[int, bytes]]) -> list[TimedUnit]:
    depacketizer = Depacketizer()
    found: list[TimedUnit] = []
    for _, data in sent:
        packet = parse_packet(data, PAYLOAD_TYPE)
        assert packet is not None
        found += depacketizer.push(packet)
    return found


@given(streams())
def test_what_was_sent_comes_at_once_and_whole(stream: list[list[bytes]]) -> None:
    found = _received(_sent(stream))
    assert [unit.data for unit in found] == [_annexb(nals) for nals in stream]
    assert [unit.ticks for unit in found] == [STEP * number for number in range(len(stream))]
    assert found[0].is_key and not any(unit.is_key for unit in found[1:])


@given(streams(), st.data())
def test_no_access_unit_that_lacks_a_packet_comes_and_each_loss_is_told(
    stream: list[list[bytes]], data: st.DataObject
) -> None:
    sent = _sent(stream)
    lost = data.draw(st.sets(st.integers(1, len(sent) - 1), max_size=5)) if len(sent) > 1 else set()
    found = _received([packet for at, packet in enumerate(sent) if at not in lost])
    # Parameter sets before a picture may be lost, too: who gives it with a gap before it cannot know.
    whole = {_annexb(_slices(nals)): number for number, nals in enumerate(stream)}
    damaged = {sent[at][0] for at in lost if sent[at][1][12] & 0x1F not in (7, 8)}
    newest = -1
    gap = False
    for unit in found:
        if not unit.data:
            gap = True
            continue
        number = whole[_annexb(_slices(split_nal_units(unit.data)))]
        assert number not in damaged and number > newest
        assert gap or not damaged & set(range(newest + 1, number))
        newest, gap = number, False


@given(streams(), st.data())
def test_packets_that_come_twice_or_late_change_nothing(
    stream: list[list[bytes]], data: st.DataObject
) -> None:
    sent = _sent(stream)
    again = [packet for packet in sent for _ in range(data.draw(st.integers(1, 2)))]
    assert _received(again) == _received(sent)


def test_a_sender_without_markers_is_followed_by_its_times() -> None:
    stream = [[_nal(5, True, 9, 0), _nal(5, False, 9, 0)], [_nal(1, True, 9, 1)], [_nal(1, True, 9, 2)]]
    unmarked = [(at, data[:1] + bytes([PAYLOAD_TYPE]) + data[2:]) for at, data in _sent(stream)]
    assert [unit.data for unit in _received(unmarked)] == [_annexb(nals) for nals in stream[:2]]


def test_a_sender_that_marks_every_slice_is_found_out() -> None:
    stream = [[_nal(5 if n == 0 else 1, True, 9, n), _nal(5 if n == 0 else 1, False, 9, n)] for n in range(5)]
    marked = [(at, data[:1] + bytes([PAYLOAD_TYPE | 0x80]) + data[2:]) for at, data in _sent(stream)]
    found = _received(marked)
    assert found[0].data == _annexb(stream[0][:1])  # it could not be known
    assert found[1].data == b""
    assert [unit.data for unit in found[2:]] == [_annexb(nals) for nals in stream[1:4]]


def test_several_nal_units_in_a_packet() -> None:
    nals = [b"\x67\x01\x02", b"\x68\x03", _nal(5, True, 20, 0)]
    payload = b"\x78" + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)
    assert Depacketizer().push(Packet(7, 9, True, payload)) == [TimedUnit(_annexb(nals), 0, True)]


def test_parameter_sets_of_an_earlier_time_wait_for_their_picture() -> None:
    depacketizer = Depacketizer()
    assert depacketizer.push(Packet(1, 0, True, b"\x67\x01\x02")) == []
    nal = _nal(5, True, 5, 0)
    assert depacketizer.push(Packet(2, STEP, True, nal)) == [
        TimedUnit(_annexb([b"\x67\x01\x02", nal]), STEP, True)
    ]


def test_headers_are_left_out() -> None:
    plain = struct.pack(">BBHII", 0x80, 0x80 | 96, 5, 6, 7)
    assert parse_packet(plain + b"abc", 96) == Packet(5, 6, True, b"abc")
    sources = struct.pack(">BBHIIII", 0x82, 96, 5, 6, 7, 8, 9)
    assert parse_packet(sources + b"abc", 96) == Packet(5, 6, False, b"abc")
    extended = struct.pack(">BBHIIHHI", 0x90, 96, 5, 6, 7, 0xBEDE, 1, 8)
    assert parse_packet(extended + b"abc", 96) == Packet(5, 6, False, b"abc")
    padded = struct.pack(">BBHII", 0xA0, 96, 5, 6, 7)
    assert parse_packet(padded + b"abc\0\2", 96) == Packet(5, 6, False, b"abc")
    assert parse_packet(plain + b"abc", 97) is None and parse_packet(plain, 96) is None


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_noise_raises_nothing(noise: list[bytes]) -> None:
    depacketizer = Depacketizer()
    for data in noise:
        parse_packet(data, 96)
        packet = parse_packet(b"\x80\x60" + data, 96)
        if packet is not None:
            depacketizer.push(packet)
