"""H.264's parameter sets: what they say of a stream, its pictures, its slices (ITU-T H.264, 7.3.2, annex E). Pure."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction

from magno.runtime.camera.h264.nal import unescape
from magno.runtime.camera.h264.nal_bits import Bits, HeaderError, at_most

# Profiles whose SPS says more of the colours (7.3.2.1.1).
LONG_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
EXTENDED_SAR = 255
PPS_HEAD_BYTES = 64  # far more than the fields that are read
MAX_REFERENCES = 32  # of fields; of pictures there are half as many
MAX_SIDE_MACROBLOCKS = 1024
RATES = (Fraction(1, 100), Fraction(1000))  # others are taken for no statement at all


@dataclass(frozen=True, slots=True)
class Sps:
    """A sequence parameter set."""

    size: tuple[int, int]  # visible width, height
    rate: Fraction | None  # pictures a second; None: it does not say
    frame_num_bits: int
    order_type: int  # pic_order_cnt_type
    order_bits: int  # of pic_order_cnt_lsb, with order type 0
    order_differs: bool  # with order type 1: slices say more of it
    references: int  # how many pictures are kept to be pointed into, at most
    frames_only: bool  # no interlaced pictures
    mixed_blocks: bool  # macroblocks may be interlaced, each for itself (MBAFF)
    gaps_allowed: bool  # frame_num may jump without any loss
    three_planes: bool
    reorders: int | None  # how many pictures may be shown later than decoded; None: it does not say


@dataclass(frozen=True, slots=True)
class Pps:
    """A picture parameter set: what it says of slice headers."""

    sps: int  # id of the sequence parameter set it belongs to
    order_differs: bool  # slices say more of their picture order count
    references: int  # how many pictures a P-slice may point into, where it does not say
    redundant: bool  # slices may come twice


def parse_sps(nal: bytes) -> tuple[int, Sps]:
    """Its id and what it says. Raises HeaderError."""
    bits = Bits(unescape(nal)[1:])
    profile = bits.number(8)
    bits.number(16)
    identity = at_most(bits.golomb(), 31)
    chroma, three_planes = 1, False
    if profile in LONG_PROFILES:
        chroma = at_most(bits.golomb(), 3)
        three_planes = chroma == 3 and bits.flag()
        bits.skip_golomb(2)
        bits.flag()
        if bits.flag():
            _skip_scaling_lists(bits, 12 if chroma == 3 else 8)
    frame_num_bits = at_most(bits.golomb(), 12) + 4
    order_type, order_bits, order_differs = at_most(bits.golomb(), 2), 0, False
    if order_type == 0:
        order_bits = at_most(bits.golomb(), 12) + 4
    elif order_type == 1:
        order_differs = not bits.flag()
        bits.skip_golomb(2)
        bits.skip_golomb(at_most(bits.golomb(), 255))
    references = at_most(bits.golomb(), MAX_REFERENCES)
    gaps_allowed = bits.flag()
    columns = at_most(bits.golomb(), MAX_SIDE_MACROBLOCKS - 1) + 1
    rows = at_most(bits.golomb(), MAX_SIDE_MACROBLOCKS - 1) + 1
    frames_only = bits.flag()
    rows *= 1 if frames_only else 2
    mixed_blocks = not frames_only and bits.flag()
    bits.flag()
    size = _visible(bits, columns * 16, rows * 16, chroma, three_planes, frames_only)
    rate, reorders = None, None
    with contextlib.suppress(HeaderError):  # what goes wrong here is of no use, and harms nothing before it
        rate, reorders = _usability(bits) if bits.flag() else (None, None)
    return identity, Sps(
        size,
        rate,
        frame_num_bits,
        order_type,
        order_bits,
        order_differs,
        references,
        frames_only,
        mixed_blocks,
        gaps_allowed,
        three_planes,
        0 if order_type == 2 else reorders,
    )


def parse_pps(nal: bytes) -> tuple[int, Pps]:
    """Its id and what it says. Raises HeaderError."""
    bits = Bits(unescape(nal[:PPS_HEAD_BYTES])[1:])
    identity, sps = at_most(bits.golomb(), 255), at_most(bits.golomb(), 31)
    bits.flag()
    order_differs = bits.flag()
    if bits.golomb():  # slice groups, which no decoder of ours reads
        return identity, Pps(sps, order_differs, 1, False)
    references = at_most(bits.golomb(), MAX_REFERENCES - 1) + 1
    bits.golomb()
    bits.number(3)
    bits.skip_golomb(3)
    bits.number(2)
    return identity, Pps(sps, order_differs, references, bits.flag())


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
    count = at_most(bits.golomb(), 31) + 1
    bits.number(8)
    for _ in range(count):
        bits.skip_golomb(2)
        bits.flag()
    bits.number(20)
    return True
