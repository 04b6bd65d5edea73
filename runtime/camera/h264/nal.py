"""H.264 byte streams (ITU-T H.264, annex B): NAL units and the access units they make. Pure; knows no source.

What comes in is hostile: nothing here raises for any bytes, and no more than MAX_UNIT_BYTES are kept.
"""

from __future__ import annotations

from enum import IntEnum

START = b"\0\0\1"
MAX_UNIT_BYTES = 16 << 20  # of one access unit; 8k pictures at the best quality stay below it
HEAD_BYTES = 4096  # of a NAL unit: whole parameter sets, and SEI up to a recovery point
MAX_HEADS = 1024  # NAL units of one access unit that are looked at


class NalType(IntEnum):
    """nal_unit_type, table 7-1: the ones that matter here."""

    SLICE = 1
    PARTITION_A = 2
    IDR = 5
    SEI = 6
    SPS = 7
    PPS = 8
    DELIMITER = 9


SLICES = frozenset({NalType.SLICE, NalType.PARTITION_A, NalType.IDR})
# After a picture's slices, these begin the next access unit (7.4.1.2.3).
OPENERS = frozenset({NalType.SEI, NalType.SPS, NalType.PPS, NalType.DELIMITER, *range(14, 19)})


def nal_type(nal: bytes) -> int:
    return nal[0] & 31


def begins_picture(nal: bytes) -> bool:
    """A slice of the picture's first macroblock: first_mb_in_slice, an Exp-Golomb number, is 0."""
    return nal_type(nal) in SLICES and len(nal) > 1 and nal[1] >= 0x80


def unescape(nal: bytes) -> bytes:
    """Without emulation prevention bytes (7.3.1): 0 0 3 stands for 0 0."""
    return nal.replace(b"\0\0\3", b"\0\0")


def split_nal_units(data: bytes) -> list[bytes]:
    """The NAL units of a whole access unit, without start codes."""
    splitter = NalSplitter()
    return [*splitter.feed(data), *splitter.flush()]


def nal_heads(data: bytes, length_bytes: int = 0) -> list[bytes]:
    """The first HEAD_BYTES of each NAL unit of a whole access unit, in annex B, or, where `length_bytes` is not 0,
    each behind its length (ISO/IEC 14496-15). Costs no copy of the pictures; at most MAX_HEADS are given."""
    return _annexb_heads(data) if length_bytes == 0 else _length_heads(data, length_bytes)


def _annexb_heads(data: bytes) -> list[bytes]:
    heads: list[bytes] = []
    at = data.find(START)
    while at >= 0 and len(heads) < MAX_HEADS:
        begin = at + len(START)
        at = data.find(START, begin)
        end = len(data) if at < 0 else at
        heads.append(data[begin : min(end, begin + HEAD_BYTES)].rstrip(b"\0"))
    return [head for head in heads if head]


def _length_heads(data: bytes, length_bytes: int) -> list[bytes]:
    heads: list[bytes] = []
    at = 0
    while at + length_bytes < len(data) and len(heads) < MAX_HEADS:
        begin = at + length_bytes
        at = begin + int.from_bytes(data[at:begin], "big")
        heads.append(data[begin : min(at, begin + HEAD_BYTES)])
    return [head for head in heads if head]


def avcc(extradata: bytes) -> tuple[int, list[bytes]] | None:
    """Of an MP4's avcC box (ISO/IEC 14496-15, 5.3.3.1): bytes of a length, and the parameter sets. None: it is none."""
    if len(extradata) < 7 or extradata[0] != 1:
        return None
    sets, at = [], 6
    for count in (extradata[5] & 31, None):
        if count is None:
            count, at = (extradata[at] if at < len(extradata) else 0), at + 1
        for _ in range(count):
            size = int.from_bytes(extradata[at : at + 2], "big")
            sets.append(extradata[at + 2 : at + 2 + size])
            at += 2 + size
    return (extradata[4] & 3) + 1, [nal for nal in sets if nal]


class NalSplitter:
    """Bytes in pieces of any size -> NAL units. What stands before the first start code is left out."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._started = False
        self._scanned = 0
        self.overlong = False  # the open NAL unit grew past MAX_UNIT_BYTES and was cut there

    def feed(self, data: bytes) -> list[bytes]:
        """The NAL units that this piece completes."""
        self._buffer += data
        found, begin = [], 0
        while (at := self._buffer.find(START, self._scanned)) >= 0:
            if self._started:
                found.append(_trimmed(self._buffer[begin:at]))
            begin = self._scanned = at + len(START)
            self._started = True
        del self._buffer[:begin]
        self._scanned = max(0, len(self._buffer) - len(START) + 1)  # a start code may come in two pieces
        if not self._started:
            del self._buffer[: self._scanned]
            self._scanned = 0
        elif len(self._buffer) > MAX_UNIT_BYTES:
            self._buffer.clear()
            self._scanned, self._started, self.overlong = 0, False, True
        return [nal for nal in found if nal]

    def flush(self) -> list[bytes]:
        """The last NAL unit, at the stream's end."""
        last = _trimmed(self._buffer) if self._started else b""
        self._buffer.clear()
        self._started, self._scanned = False, 0
        return [last] if last else []


def _trimmed(piece: bytearray) -> bytes:
    return bytes(piece.rstrip(b"\0"))  # no NAL unit ends in 0: these belong to the next start code


class AccessUnits:
    """Bytes in pieces of any size -> access units, each of NAL units behind start codes of four bytes.

    A unit is known to be whole when the next one begins: one picture late. Feed a delimiter to have it at once.
    """

    def __init__(self) -> None:
        self._nals = NalSplitter()
        self._open: list[bytes] = []
        self._bytes = 0
        self._has_slice = False
        self.cut = 0  # access units that were longer than MAX_UNIT_BYTES and lost their end

    def feed(self, data: bytes) -> list[bytes]:
        """The access units that this piece completes."""
        return [unit for nal in self._nals.feed(data) for unit in self._add(nal)]

    def flush(self) -> list[bytes]:
        """What is left, at the stream's end."""
        units = [unit for nal in self._nals.flush() for unit in self._add(nal)]
        return units + self._close()

    def _add(self, nal: bytes) -> list[bytes]:
        kind = nal_type(nal)
        done = self._close() if self._has_slice and (kind in OPENERS or begins_picture(nal)) else []
        if self._bytes + len(nal) > MAX_UNIT_BYTES:
            self.cut += 1
            return done
        self._open.append(nal)
        self._bytes += len(nal)
        self._has_slice = self._has_slice or kind in SLICES
        return done

    def _close(self) -> list[bytes]:
        unit = b"".join(b"\0" + START + nal for nal in self._open)
        self._open, self._bytes, self._has_slice = [], 0, False
        return [unit] if unit else []
