"""The fields of H.264's headers that order pictures and find losses (ITU-T H.264, 7.3 and annex E). Pure."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction

from magno.runtime.camera.nal import NalType, nal_type, unescape

# Profiles whose SPS says more of the colours (7.3.2.1.1).
LONG_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
EXTENDED_SAR = 255
RECOVERY_POINT = 6
SLICE_HEAD_BYTES = 64  # far more than the fields that are read
MAX_SIDE_MACROBLOCKS = 1024
RATES = (Fraction(1, 100), Fraction(1000))  # others are taken for no statement at all


class HeaderError(ValueError):
    """Bits that are no header, or end too early."""


class Bits:
    """Reads an unescaped payload bit by bit. Raises HeaderError past its end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), len(data) * 8

    def number(self, bits: int) -> int:
        """u(n): an unsigned number of so many bits."""
        if bits > self._left:
            raise HeaderError("a header that ends too early")
        self._left -= bits
        return (self._value >> self._left) & ((1 << bits) - 1)

    def flag(self) -> bool:
        return bool(self.number(1))

    def golomb(self) -> int:
        """ue(v): an unsigned Exp-Golomb number (9.1)."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > 32:
                raise HeaderError("a number without end")
        return (1 << zeros) - 1 + self.number(zeros)

    def skip_golomb(self, count: int) -> None:
        for _ in range(count):
            self.golomb()

    def signed_golomb(self) -> int:
        """se(v) (9.1.1)."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)


@dataclass(frozen=True, slots=True)
class Sps:
    """A sequence parameter set."""

    size: tuple[int, int]  # visible width, height
    rate: Fraction | None  # pictures a second; None: it does not say
    frame_num_bits: int
    order_type: int  # pic_order_cnt_type
    order_bits: int  # of pic_order_cnt_lsb, with order type 0
    frames_only: bool  # no interlaced pictures
    mixed_blocks: bool  # macroblocks may be interlaced, each for itself (MBAFF)
    gaps_allowed: bool  # frame_num may jump without any loss
    three_planes: bool
    keeps_order: bool  # pictures are shown in decode order


@dataclass(frozen=True, slots=True)
class SliceHead:
    """The beginning of a slice header."""

    idr: bool
    reference: bool  # others may be predicted from it
    frame_num: int
    order_lsb: int  # pic_order_cnt_lsb; 0 with other order types
    field: bool  # half of an interlaced picture


def parse_sps(nal: bytes) -> tuple[int, Sps]:
    """Its id and what it says. Raises HeaderError."""
    bits = Bits(unescape(nal)[1:])
    profile = bits.number(8)
    bits.number(16)
    identity = _at_most(bits.golomb(), 31)
    chroma, three_planes = 1, False
    if profile in LONG_PROFILES:
        chroma = _at_most(bits.golomb(), 3)
        three_planes = chroma == 3 and bits.flag()
        bits.skip_golomb(2)
        bits.flag()
        if bits.flag():
            _skip_scaling_lists(bits, 12 if chroma == 3 else 8)
    frame_num_bits = _at_most(bits.golomb(), 12) + 4
    order_type, order_bits = _at_most(bits.golomb(), 2), 0
    if order_type == 0:
        order_bits = _at_most(bits.golomb(), 12) + 4
    elif order_type == 1:
        bits.flag()
        bits.skip_golomb(2)
        bits.skip_golomb(_at_most(bits.golomb(), 255))
    bits.golomb()
    gaps_allowed = bits.flag()
    columns = _at_most(bits.golomb(), MAX_SIDE_MACROBLOCKS - 1) + 1
    rows = _at_most(bits.golomb(), MAX_SIDE_MACROBLOCKS - 1) + 1
    frames_only = bits.flag()
    rows *= 1 if frames_only else 2
    mixed_blocks = not frames_only and bits.flag()
    bits.flag()
    size = _visible(bits, columns * 16, rows * 16, chroma, three_planes, frames_only)
    rate, reordered = None, None
    with contextlib.suppress(HeaderError):  # what goes wrong here is of no use, and harms nothing before it
        rate, reordered = _usability(bits) if bits.flag() else (None, None)
    keeps_order = order_type == 2 or reordered == 0
    return identity, Sps(
        size,
        rate,
        frame_num_bits,
        order_type,
        order_bits,
        frames_only,
        mixed_blocks,
        gaps_allowed,
        three_planes,
        keeps_order,
    )


def parse_pps_link(nal: bytes) -> tuple[int, int]:
    """Ids of a picture parameter set and of the sequence parameter set it belongs to. Raises HeaderError."""
    bits = Bits(unescape(nal[:SLICE_HEAD_BYTES])[1:])
    return _at_most(bits.golomb(), 255), _at_most(bits.golomb(), 31)


def parse_slice(nal: bytes, sps_of_pps: dict[int, Sps]) -> tuple[SliceHead, Sps]:
    """What it says, and the parameter set that explains it. Raises HeaderError, also when that is not known."""
    bits = Bits(unescape(nal[:SLICE_HEAD_BYTES])[1:])
    bits.skip_golomb(2)
    sps = sps_of_pps.get(bits.golomb())
    if sps is None:
        raise HeaderError("a slice whose parameter sets were never sent")
    if sps.three_planes:
        bits.number(2)
    frame_num = bits.number(sps.frame_num_bits)
    field = not sps.frames_only and bits.flag()
    if field:
        bits.flag()
    idr = nal_type(nal) == NalType.IDR
    if idr:
        bits.golomb()
    order_lsb = bits.number(sps.order_bits) if sps.order_type == 0 else 0
    return SliceHead(idr, bool(nal[0] & 0x60), frame_num, order_lsb, field), sps


def has_recovery_point(nal: bytes) -> bool:
    """Whether an SEI says that decoding may begin here (D.1.8). Damage counts as no."""
    data, at = unescape(nal)[1:], 0
    while at + 2 <= len(data) and data[at:] != b"\x80":
        kind, at = _sei_number(data, at)
        size, at = _sei_number(data, at)
        if kind == RECOVERY_POINT:
            return True
        at += size
    return False


def _sei_number(data: bytes, at: int) -> tuple[int, int]:
    total = 0
    while at < len(data) and data[at] == 255:
        total, at = total + 255, at + 1
    return (total + data[at], at + 1) if at < len(data) else (total, at)


def _skip_scaling_lists(bits: Bits, lists: int) -> None:
    for index in range(lists):
        if bits.flag():
            last, following = 8, 8
            for _ in range(16 if index < 6 else 64):
                if following:
                    following = (last + bits.signed_golomb()) % 256
                last = following or last


def _visible(
    bits: Bits, width: int, height: int, chroma: int, three_planes: bool, frames_only: bool
) -> tuple[int, int]:
    """The size without what is cropped off (7-18 to 7-21)."""
    if not bits.flag():
        return width, height
    left, right, top, bottom = (bits.golomb() for _ in range(4))
    across = 2 if chroma in (1, 2) and not three_planes else 1
    down = (2 if chroma == 1 and not three_planes else 1) * (1 if frames_only else 2)
    size = width - across * (left + right), height - down * (top + bottom)
    if min(size) < 1:
        raise HeaderError("a picture that is cropped to nothing")
    return size


def _usability(bits: Bits) -> tuple[Fraction | None, int | None]:
    """VUI (E.1.1): pictures a second, and how many pictures may be shown later than decoded."""
    if bits.flag() and bits.number(8) == EXTENDED_SAR:
        bits.number(32)
    if bits.flag():
        bits.flag()
    if bits.flag():
        bits.number(4)
        if bits.flag():
            bits.number(24)
    if bits.flag():
        bits.skip_golomb(2)
    rate = None
    if bits.flag():
        tick, scale = bits.number(32), bits.number(32)
        bits.flag()
        if tick and scale and RATES[0] <= Fraction(scale, 2 * tick) <= RATES[1]:
            rate = Fraction(scale, 2 * tick)
    if _skip_buffering(bits) + _skip_buffering(bits):
        bits.flag()
    bits.flag()
    if not bits.flag():
        return rate, None
    bits.flag()
    bits.skip_golomb(4)
    return rate, bits.golomb()


def _skip_buffering(bits: Bits) -> bool:
    """hrd_parameters (E.1.2); whether there were any."""
    if not bits.flag():
        return False
    count = _at_most(bits.golomb(), 31) + 1
    bits.number(8)
    for _ in range(count):
        bits.skip_golomb(2)
        bits.flag()
    bits.number(20)
    return True


def _at_most(value: int, limit: int) -> int:
    if value > limit:
        raise HeaderError("a number out of its range")
    return value
