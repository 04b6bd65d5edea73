"""H.264 access units as RTP packets (RFC 6184, single NAL units and fragments). Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from magno.runtime.camera.h264.nal import split_nal_units

PAYLOAD_TYPE = 96
CLOCK_HZ = 90_000
MOST_BYTES = 1400  # of a payload: with its headers it fits an Ethernet frame
FRAGMENT = 28  # type of a NAL unit that is a piece of another
HEADER = struct.Struct(">BBHII")
SOURCE = 0x6D61676E
FIRST, LAST = 0x80, 0x40


def packets(data: bytes, ticks: int, sequence: int) -> Iterator[bytes]:
    """The RTP packets of one access unit in annex B, numbered from `sequence`; the last has the marker."""
    payloads = [piece for nal in split_nal_units(data) for piece in _pieces(bytes(nal))]
    for number, payload in enumerate(payloads, 1):
        marked = PAYLOAD_TYPE | (0x80 if number == len(payloads) else 0)
        head = HEADER.pack(0x80, marked, (sequence + number - 1) & 0xFFFF, ticks & 0xFFFFFFFF, SOURCE)
        yield head + payload


def _pieces(nal: bytes) -> Iterator[bytes]:
    if len(nal) <= MOST_BYTES:
        yield nal
        return
    indicator, kind, body = nal[0] & 0xE0 | FRAGMENT, nal[0] & 0x1F, nal[1:]
    step = MOST_BYTES - 2
    for start in range(0, len(body), step):
        place = (FIRST if start == 0 else 0) | (LAST if start + step >= len(body) else 0)
        yield bytes((indicator, place | kind)) + body[start : start + step]
