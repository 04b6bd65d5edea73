"""Slice headers and recovery points of H.264: order, losses, and what a picture may point into (ITU-T H.264, 7.3.3 and
D.1.8). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from magno.runtime.camera.h264.nal import NalType, nal_type, unescape
from magno.runtime.camera.h264.nal_bits import Bits, HeaderError, at_most
from magno.runtime.camera.h264.nal_sets import MAX_REFERENCES, Pps, Sps

HEAD_BYTES = 64  # far more than the fields that are read
SEI_BYTES = 4096  # no recovery point stands behind so much else
RECOVERY_POINT = 6
SLICE_TYPES = "PBIPI"  # table 7-6: P, B, I, SP, SI; five more say that the whole picture is of one
Sets = Mapping[int, tuple[Pps, Sps]]  # by the id of the picture parameter set


@dataclass(frozen=True, slots=True)
class SliceHead:
    """The beginning of a slice header."""

    first: bool  # it begins the picture
    kind: str  # I, P or B
    idr: bool
    reference: bool  # others may be predicted from the picture
    frame_num: int
    order_lsb: int  # pic_order_cnt_lsb; 0 with other order types
    field: bool  # half of an interlaced picture
    redundant: bool  # a copy of another slice
    references: int  # pictures in its list 0, which past vectors point into; 0 for I
    reordered: bool  # the list is not the usual one
    pps: int  # id of the picture parameter set it goes by


def parse_slice(nal: bytes, sets: Sets) -> tuple[SliceHead, Sps]:
    """What it says, and the parameter set that explains it. Raises HeaderError, also when that is not known."""
    bits = Bits(unescape(nal[:HEAD_BYTES])[1:])
    first = bits.golomb() == 0
    kind = SLICE_TYPES[at_most(bits.golomb(), 9) % 5]
    identity = bits.golomb()
    known = sets.get(identity)
    if known is None:
        raise HeaderError("a slice whose parameter sets were never sent")
    pps, sps = known
    if sps.three_planes:
        bits.number(2)
    frame_num = bits.number(sps.frame_num_bits)
    field = not sps.frames_only and bits.flag()
    if field:
        bits.flag()
    idr = nal_type(nal) == NalType.IDR
    if idr:
        bits.golomb()
    order_lsb = _order(bits, pps, sps, field)
    redundant = pps.redundant and bits.golomb() > 0
    references, reordered = (0, False) if kind == "I" else _list(bits, kind, pps)
    reference = bool(nal[0] & 0x60)
    head = SliceHead(
        first, kind, idr, reference, frame_num, order_lsb, field, redundant, references, reordered, identity
    )
    return head, sps


def _order(bits: Bits, pps: Pps, sps: Sps, field: bool) -> int:
    """pic_order_cnt_lsb; what else there is of it is skipped."""
    both = pps.order_differs and not field
    if sps.order_type == 0:
        lsb = bits.number(sps.order_bits)
        bits.skip_golomb(1 if both else 0)
        return lsb
    if sps.order_type == 1 and sps.order_differs:
        bits.skip_golomb(2 if both else 1)
    return 0


def _list(bits: Bits, kind: str, pps: Pps) -> tuple[int, bool]:
    """How long list 0 is, and whether it was put into another order."""
    if kind == "B":
        bits.flag()
    references = pps.references
    if bits.flag():
        references = at_most(bits.golomb(), MAX_REFERENCES - 1) + 1
        bits.skip_golomb(1 if kind == "B" else 0)
    return references, bits.flag()


def recovery_point(nal: bytes) -> int | None:
    """After how many reference pictures all that is shown is right again, as an SEI says (D.2.8); None: it does
    not. Damage counts as no."""
    data, at = unescape(nal[:SEI_BYTES])[1:], 0
    while at + 2 <= len(data) and data[at:] != b"\x80":
        kind, at = _sei_number(data, at)
        size, at = _sei_number(data, at)
        if kind == RECOVERY_POINT:
            try:
                return Bits(data[at : at + size]).golomb()
            except HeaderError:
                return None
        at += size
    return None


def _sei_number(data: bytes, at: int) -> tuple[int, int]:
    total = 0
    while at < len(data) and data[at] == 255:
        total, at = total + 255, at + 1
    return (total + data[at], at + 1) if at < len(data) else (total, at)
