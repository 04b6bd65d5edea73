"""What an access unit says of the picture in it, before it is decoded. Pure; raises nothing for any bytes.

H.264 says most: its number (frame_num), what it may point into, where decoding may begin. The MPEG codecs say of
what type a picture is; the others nothing, and what the decoder makes of them has to do.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

from magno.runtime.camera.h264.nal import OPENERS, SLICES, NalType, avcc, nal_heads, nal_type
from magno.runtime.camera.h264.nal_bits import HeaderError
from magno.runtime.camera.h264.nal_sets import Pps, Sps, parse_pps, parse_sps
from magno.runtime.camera.h264.nal_slice import SliceHead, parse_slice, recovery_point

MAX_REFERENCES = 16  # pictures that H.264 keeps
SILENT = OPENERS | {
    10,
    11,
    12,
}  # they belong to no slice: parameter sets, ends of streams, filler (table 7-1)
MAX_SLICES = 256  # of one picture that are looked at
# Codecs that say a picture's type: after which start code, how many of 32 bits follow it, and what it means.
PICTURE_START = (b"\0\0\1\0", 19, " IPBI   ")  # picture_coding_type (ITU-T H.262, table 6-12)
TYPED = {
    "mpeg4": (
        b"\0\0\1\xb6",
        30,
        "IPBP",
    ),  # vop_coding_type (ISO/IEC 14496-2, table 6-20); the last: a sprite's
    "mpeg2video": PICTURE_START,
    "mpeg1video": PICTURE_START,
}
IN_ORDER = frozenset({"h263", "flv1", "msmpeg4v3"})  # these show pictures in decode order

_sps = lru_cache(maxsize=8)(parse_sps)
_pps = lru_cache(maxsize=32)(parse_pps)


@dataclass(frozen=True, slots=True)
class Facts:
    """One coded picture."""

    kind: str = ""  # "I", "P", "B"; empty: it does not say
    is_reference: bool = True  # others may be predicted from it
    reach: int = 1  # all it may point into is among so many reference pictures, the newest in decode order
    choices: int = 1  # a past vector points into one of so many; no decoder says which
    held: int = 1  # reference pictures that the stream keeps at most
    entry: bool = False  # nothing that follows points to before it
    recovery: int | None = (
        None  # after so many reference pictures all is right again, wherever decoding began
    )
    missing: int = 0  # reference pictures missing before it; -1: it came before
    hidden: int = 1  # so many missing pictures, or more, might not show in `missing`
    numbered: bool = False  # `missing` is known
    timed: bool = True  # its time tells of losses too
    interlaced: bool = False
    damaged: bool = False  # its headers make no sense
    overlong: bool = False  # it has more slices than macroblocks, each of which would cost a decoder time
    whole: bool = False  # a decoder that has seen the extradata alone knows all it needs to decode it

    @property
    def begins(self) -> bool:
        """Whether a decoder may begin with it."""
        return self.entry or self.recovery is not None


class Examiner(Protocol):
    """Access units of one stream, in decode order, to facts; None: the unit holds no picture."""

    def examine(self, data: bytes) -> Facts | None: ...


def examiner(codec: str, extradata: bytes | None) -> Examiner:
    """For a stream of a codec by libavcodec's name."""
    if codec == "h264":
        return H264Examiner(extradata)
    return MpegExaminer(codec)


@dataclass(frozen=True, slots=True)
class H264Picture:
    """What the headers of an H.264 picture say."""

    facts: Facts
    head: SliceHead  # of its first slice
    sps: Sps


class H264Examiner:
    """Follows parameter sets and frame_num (7.4.3)."""

    def __init__(self, extradata: bytes | None = None) -> None:
        self._sps: dict[int, Sps] = {}
        self._pps: dict[int, Pps] = {}
        self._sets: dict[int, tuple[Pps, Sps]] = {}
        self._bytes: dict[tuple[int, int], bytes] = {}  # the newest parameter sets, by type and id
        self._has_b = False  # B-pictures were seen
        self._last_frame_num: int | None = None  # of the last reference picture
        self._after_b = False  # which was a B-picture
        boxed = avcc(extradata or b"")
        self._length_bytes, nals = boxed or (0, nal_heads(extradata or b""))
        for nal in nals:
            self._learn(nal)
        self._given = dict(self._bytes)  # with the extradata: any new decoder has them

    def examine(self, data: bytes) -> Facts | None:
        heads = nal_heads(data, self._length_bytes)
        picture = self._picture(heads)
        if picture is not None:
            return picture.facts
        if heads and all(nal_type(head) in SILENT for head in heads):
            return None
        return Facts(numbered=True, damaged=True, timed=False)

    def picture(self, data: bytes) -> H264Picture | None:
        """None when the unit holds no picture that its parameter sets explain."""
        return self._picture(nal_heads(data, self._length_bytes))

    def _picture(self, heads: list[bytes]) -> H264Picture | None:
        recovery, slices, own = None, [], set()
        for nal in heads:
            kind = nal_type(nal)
            if kind in SLICES:
                slices.append(nal)
            elif kind == NalType.SEI:
                recovery = recovery_point(nal) if recovery is None else recovery
            else:
                own.add(self._learn(nal))
        found = []
        for nal in slices[:MAX_SLICES]:
            with contextlib.suppress(HeaderError):
                found.append(parse_slice(nal, self._sets))
        if not found:
            return None
        head, sps = found[0]
        facts = _facts([slice_head for slice_head, _ in found], sps, recovery, self._missing(head, sps))
        self._has_b = self._has_b or facts.kind == "B"
        whole = facts.entry and self._is_whole(head, sps, own)
        facts = replace(facts, whole=whole, overlong=len(slices) > _macroblocks(sps) + MAX_SLICES)
        if self._after_b and facts.kind == "P":  # the newest decoded are not the newest shown
            facts = replace(facts, choices=facts.held)
        if head.reference:
            self._last_frame_num, self._after_b = head.frame_num, facts.kind == "B"
        return H264Picture(facts, head, sps)

    def _is_whole(self, head: SliceHead, sps: Sps, own: set[tuple[int, int]]) -> bool:
        """Whether a new decoder needs no more than the extradata and the parameter sets of the unit itself (`own`),
        and would show pictures in the right order at once."""
        sets = ((NalType.PPS, head.pps), (NalType.SPS, self._pps[head.pps].sps))
        known = all(key in own or self._given.get(key, b"") == self._bytes[key] for key in sets)
        return known and (sps.reorders is not None or not self._has_b)

    def _learn(self, nal: bytes) -> tuple[int, int]:
        """Take a parameter set; its type and id, (0, 0) for all else."""
        kind = nal_type(nal)
        with contextlib.suppress(HeaderError):
            if kind == NalType.SPS:
                identity, self._sps[identity] = _sps(nal)
            elif kind == NalType.PPS:
                identity, self._pps[identity] = _pps(nal)
            else:
                return 0, 0
            self._bytes[kind, identity] = nal
            self._sets = {
                identity: (pps, self._sps[pps.sps])
                for identity, pps in self._pps.items()
                if pps.sps in self._sps
            }
            return kind, identity
        return 0, 0

    def _missing(self, head: SliceHead, sps: Sps) -> int:
        last = self._last_frame_num
        if head.idr or last is None or sps.gaps_allowed:
            return 0
        limit = 1 << sps.frame_num_bits
        missing = (head.frame_num - last - 1) % limit
        return -1 if missing == limit - 1 else missing


def _macroblocks(sps: Sps) -> int:
    width, height = sps.size
    return -(-width // 16) * -(-height // 16)


def _facts(heads: list[SliceHead], sps: Sps, recovery: int | None, missing: int) -> Facts:
    head = heads[0]
    kinds = {slice_head.kind for slice_head in heads}
    kind = "B" if "B" in kinds else "P" if "P" in kinds else "I"
    held = min(max(1, sps.references), MAX_REFERENCES)
    reordered = any(slice_head.reordered for slice_head in heads)
    listed = min(max(slice_head.references for slice_head in heads), held)
    if recovery == 0 and kind != "I":  # such a picture cannot be right by itself
        recovery = None
    return Facts(
        kind,
        head.reference,
        reach=0 if kind == "I" else held if reordered or kind == "B" else listed,
        choices=held if reordered else max(1, listed),
        held=held,
        entry=head.idr,
        recovery=recovery,
        missing=missing,
        # An IDR lost with all up to here leaves frame_num at the count since it.
        hidden=1 if sps.gaps_allowed else head.frame_num or 1 << sps.frame_num_bits,
        numbered=not sps.gaps_allowed,
        interlaced=head.field or sps.mixed_blocks,
    )


class MpegExaminer:
    """MPEG-4 part 2 and MPEG-1/2 by their picture types; other codecs say nothing here."""

    def __init__(self, codec: str) -> None:
        self._codec = codec

    def examine(self, data: bytes) -> Facts | None:
        """None: no picture begins here."""
        if self._codec not in TYPED:
            return Facts(timed=self._codec in IN_ORDER)
        start, offset, types = TYPED[self._codec]
        at = data.find(start)
        if at < 0:
            return None
        bits = int.from_bytes(data[at + 4 : at + 8].ljust(4, b"\0"), "big")
        return of_kind(types[bits >> offset & len(types) - 1].strip())


def of_kind(kind: str) -> Facts:
    """A picture of a codec with one reference a direction, of which B-pictures are none."""
    return Facts(kind, kind != "B", reach={"I": 0, "B": 2}.get(kind, 1))
