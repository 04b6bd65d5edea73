"""RTP packets -> H.264 access units (RFC 3550, RFC 6184). Pure; raises nothing for any bytes.

The marker ends an access unit, so that none waits for the next one's first packet; and the sequence numbers tell
exactly what is missing. An access unit that lacks a piece is left out, and told as a gap.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from magno.runtime.camera.h264.nal import MAX_UNIT_BYTES, SLICES, NalType, begins_picture, nal_type

HEADER = struct.Struct(">BBHII")
VERSION = 2
START = b"\0\0\0\1"
STAP_A, FU_A = 24, 28  # several NAL units in a packet, a NAL unit in several packets
FIRST, LAST = 0x80, 0x40
WRAP, HALF = 1 << 16, 1 << 15
TICKS_WRAP, TICKS_HALF = 1 << 32, 1 << 31


@dataclass(frozen=True, slots=True)
class Packet:
    """What of an RTP packet matters here."""

    sequence: int
    ticks: int  # of the sender's clock, modulo 2**32
    marker: bool
    payload: bytes


@dataclass(frozen=True, slots=True)
class TimedUnit:
    """An access unit in annex B, or a gap, without data."""

    data: bytes
    ticks: int  # since the first packet
    is_key: bool = False


def parse_packet(data: bytes, payload_type: int) -> Packet | None:
    """None: not RTP, or not of the stream."""
    if len(data) < HEADER.size:
        return None
    flags, kind, sequence, ticks, _ = HEADER.unpack_from(data)
    if flags >> 6 != VERSION or kind & 0x7F != payload_type:
        return None
    start, end = HEADER.size + 4 * (flags & 0x0F), len(data)
    if flags & 0x10:  # an extension
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if flags & 0x20:  # padding
        end -= data[-1]
    return Packet(sequence, ticks, kind >= 0x80, data[start:end]) if start < end else None


class Depacketizer:
    """Packets in, access units and gaps out, in decode order."""

    def __init__(self) -> None:
        self._next_sequence: int | None = None
        self._last_ticks: int | None = None  # modulo 2**32
        self._ticks = 0  # of the newest packet, since the first
        self._nals: list[bytes] = []
        self._bytes = 0
        self._fragment: bytearray | None = None  # of a NAL unit that has not ended
        self._gap = False  # something is missing since the newest unit that was given
        self._damaged = False  # this access unit lacks a piece
        self._given = False  # an access unit of this time has been given
        self._trusts_marker = True

    def push(self, packet: Packet) -> list[TimedUnit]:
        """What this packet completes."""
        if self._next_sequence is not None:
            ahead = (packet.sequence - self._next_sequence) % WRAP
            if ahead >= HALF:  # it comes twice, or too late
                return []
            if ahead:
                self._gap = self._damaged = True
                self._fragment = None
        self._next_sequence = (packet.sequence + 1) % WRAP
        units = self._begin(packet.ticks) if packet.ticks != self._last_ticks else []
        self._take(packet.payload)
        if packet.marker and self._trusts_marker:
            units += self._end()
        return units

    def _begin(self, ticks: int) -> list[TimedUnit]:
        """An access unit of another time begins; the one before it may still be open."""
        lost, units = self._damaged, self._end()
        if self._last_ticks is not None:
            ahead = (ticks - self._last_ticks) % TICKS_WRAP
            self._ticks += ahead if ahead < TICKS_HALF else ahead - TICKS_WRAP
        # Whether what was lost belonged to the one before or to this one, its first slice will tell.
        self._last_ticks, self._given, self._gap = ticks, False, self._gap or lost
        return units

    def _end(self) -> list[TimedUnit]:
        """The open access unit, if there is a picture in it; parameter sets alone wait for theirs."""
        slices = [nal for nal in self._nals if nal_type(nal) in SLICES]
        whole = not self._damaged and self._fragment is None and bool(slices) and begins_picture(slices[0])
        if not slices and not self._damaged and self._fragment is None:
            return []
        nals, self._nals, self._bytes = self._nals, [], 0
        self._fragment, self._damaged = None, False
        if not whole:
            self._gap = True
            return []
        units = [TimedUnit(b"", self._ticks)] if self._gap else []
        self._gap, self._given = False, True
        is_key = nal_type(slices[0]) == NalType.IDR
        return [*units, TimedUnit(b"".join(START + nal for nal in nals), self._ticks, is_key)]

    def _take(self, payload: bytes) -> None:
        kind = payload[0] & 0x1F
        if 0 < kind < STAP_A:
            self._add(payload)
        elif kind == STAP_A:
            self._take_several(payload)
        elif kind == FU_A and len(payload) > 2:
            self._take_piece(payload)
        elif kind:  # interleaved modes, which no camera is known to use
            self._damaged = True

    def _take_several(self, payload: bytes) -> None:
        at = 1
        while at + 2 < len(payload):
            size = int.from_bytes(payload[at : at + 2], "big")
            nal = payload[at + 2 : at + 2 + size]
            if not 0 < size == len(nal):
                self._damaged = True
                return
            self._add(nal)
            at += 2 + size

    def _take_piece(self, payload: bytes) -> None:
        if payload[1] & FIRST:
            self._damaged = self._damaged or self._fragment is not None
            self._fragment = bytearray([payload[0] & 0xE0 | payload[1] & 0x1F])
        if self._fragment is None:  # its beginning was lost
            self._damaged = True
            return
        self._fragment += payload[2:]
        if self._bytes + len(self._fragment) > MAX_UNIT_BYTES:
            self._damaged, self._fragment = True, None
        elif payload[1] & LAST:
            nal, self._fragment = bytes(self._fragment), None
            self._add(nal)

    def _add(self, nal: bytes) -> None:
        if self._given and nal_type(nal) in SLICES and not begins_picture(nal):
            # The marker came with a slice that was not the picture's last: this sender's cannot be trusted.
            self._trusts_marker, self._damaged = False, True
        self._bytes += len(nal) + len(START)
        if self._bytes > MAX_UNIT_BYTES:
            self._damaged = True
        if not self._damaged:
            self._nals.append(nal)
