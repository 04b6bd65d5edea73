"""Streams that lost something: whatever is called sound equals, pixel by pixel, what the undamaged stream gives;
whatever is called healing, vector by vector."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.camera.h264.nal import SLICES, NalType, nal_type, split_nal_units
from magno.runtime.conformance.encoding import Encoding
from magno.runtime.conformance.encoding import encode as encoded
from magno.runtime.units import AccessUnit, CodecFrame, Link
from tests import synthetic
from tests.runtime.camera.test_nal import encoded as encoded_freely
from tests.runtime.camera.test_nal import of_images

SIDE, PICTURES = 64, 44
STREAMS = {
    "one reference": Encoding(gop=16),
    "four references": Encoding(gop=16, references=4),
    "B-pictures": Encoding(gop=16, b_pictures=2),
    "B-pyramid": Encoding(gop=16, references=4, b_pictures=3, b_pyramid=True),
    "intra-refresh": Encoding(gop=12, intra_refresh=True),
    "slices": Encoding(gop=16, references=2, slices=3),
    "refresh in slices": Encoding(gop=12, intra_refresh=True, slices=3),
    "mpeg4": Encoding("mpeg4", gop=12),
    "mpeg4 with B-pictures": Encoding("mpeg4", gop=12, b_pictures=2),
}
NAMES = st.sampled_from(sorted(STREAMS))
PLACES = st.lists(st.integers(0, PICTURES - 1), min_size=1, max_size=4)
QUICK = settings(max_examples=20, deadline=None)


@dataclass(frozen=True, slots=True)
class Stream:
    codec: str
    units: list[AccessUnit]
    pictures: dict[int, bytes]  # what they decode to, by pts_ns
    motion: dict[int, bytes]  # vectors and modes, likewise


@cache
def stream(name: str) -> Stream:
    """A texture that moves, with a patch of noise on it, so that no loss leaves the picture as it was."""
    rng, images = np.random.default_rng(4), synthetic.panned((SIDE, SIDE), (1.3, 0.6), PICTURES)
    for index, image in enumerate(images):
        left = index * 3 % 48
        image[10:26, left : left + 16] = rng.integers(60, 180, (16, 16, 1))
    encoding = STREAMS[name]
    units = encoded(images, encoding)
    frames = decoded(units, encoding.codec)
    pictures = {frame.pts_ns: frame.picture.tobytes() for frame in frames}
    assert len(pictures) == PICTURES
    return Stream(encoding.codec, units, pictures, {frame.pts_ns: moved(frame) for frame in frames})


def moved(frame: CodecFrame) -> bytes:
    assert frame.motion is not None
    return frame.motion.mv_qpel.tobytes() + frame.motion.mode.tobytes()


def without(name: str, units: Sequence[AccessUnit], lost: Iterable[int]) -> list[AccessUnit]:
    """The units but these. MPEG-4 does not number its pictures: between B-pictures the first steps in time cannot be
    judged, so nothing is lost there."""
    first = 8 if name == "mpeg4 with B-pictures" else 0
    gone = {index for index in lost if index >= first}
    return [unit for index, unit in enumerate(units) if index not in gone]


def decoded(units: Sequence[AccessUnit], codec: str) -> list[CodecFrame]:
    decoder = Decoder(codec, None, SIDE, rate=synthetic.RATE)
    return [frame for unit in units for frame in decoder.decode(unit)] + decoder.flush()


def sound(frames: Sequence[CodecFrame]) -> list[CodecFrame]:
    return [frame for frame in frames if frame.motion and frame.motion.link is not Link.BROKEN]


def assert_none_is_falsely_sound(frames: Sequence[CodecFrame], name: str) -> None:
    whole = stream(name)
    for frame in sound(frames):
        assert frame.picture.tobytes() == whole.pictures.get(frame.pts_ns), (frame.pts_ns, frame.pict_type)
        assert not frame.is_healing
    for frame in frames:
        if frame.is_healing:
            assert moved(frame) == whole.motion.get(frame.pts_ns), (frame.pts_ns, frame.pict_type)


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_undamaged_stream_is_sound_from_end_to_end(name: str) -> None:
    frames = decoded(stream(name).units, stream(name).codec)
    links = [frame.motion.link for frame in frames if frame.motion]
    assert len(links) == PICTURES and Link.BROKEN not in links
    assert all(
        (link is Link.RESET) == (frame.pict_type == "I") for link, frame in zip(links, frames, strict=True)
    )


def test_after_a_loss_all_but_one_picture_is_followed() -> None:
    found = stream("one reference")
    frames = decoded(without("one reference", found.units, [5]), found.codec)
    assert [frame.is_healing for frame in frames[:17]] == [False] * 6 + [True] * 9 + [False] * 2
    assert_none_is_falsely_sound(frames, "one reference")


@QUICK
@given(NAMES, PLACES)
def test_lost_packets(name: str, lost: list[int]) -> None:
    found = stream(name)
    assert_none_is_falsely_sound(decoded(without(name, found.units, lost), found.codec), name)


@QUICK
@given(NAMES, st.integers(0, PICTURES - 1), st.integers(1, 20))
def test_lost_bursts(name: str, first: int, length: int) -> None:
    found = stream(name)
    units = without(name, found.units, range(first, first + length))
    assert_none_is_falsely_sound(decoded(units, found.codec), name)


@QUICK
@given(NAMES, st.integers(0, PICTURES - 1), st.integers(0, 3), PLACES)
def test_repeated_and_lost_packets(name: str, again: int, later: int, lost: list[int]) -> None:
    found = stream(name)
    units = without(name, found.units, lost)
    for kept in (list(found.units), units):
        kept.insert(again + later, found.units[again])
        assert_none_is_falsely_sound(decoded(kept, found.codec), name)


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_repeated_packet_harms_nothing(name: str) -> None:
    found = stream(name)
    units = [unit for unit in found.units for _ in range(2)]
    assert [frame.pts_ns for frame in sound(decoded(units, found.codec))] == sorted(found.pictures)


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_heals_at_the_next_entry(name: str) -> None:
    """One reference picture lost: soon all is sound again."""
    found, gop = stream(name), STREAMS[name].gop
    lost = next(
        n for n in range(gop + 2, PICTURES) if found.units[n].pts_ns > max(u.pts_ns for u in found.units[:n])
    )
    frames = decoded([unit for n, unit in enumerate(found.units) if n != lost], found.codec)
    last = max(n for n, frame in enumerate(frames) if frame not in sound(frames))
    assert 0 < len(frames) - len(sound(frames)) <= gop + 6 and last < PICTURES - 6


@QUICK
@given(NAMES, st.integers(1, 30), PLACES)
def test_stream_joined_in_the_middle(name: str, first: int, lost: list[int]) -> None:
    found = stream(name)
    units = [joined(found, first), *found.units[first + 1 :]]
    assert_none_is_falsely_sound(decoded(units, found.codec), name)
    assert_none_is_falsely_sound(decoded(without(name, units, lost), found.codec), name)


def joined(found: Stream, first: int) -> AccessUnit:
    """A unit with the stream's headers before it."""
    start, unit = found.units[0].data, found.units[first]
    headers = start[: start.index(b"\0\0\1\xb6")] if found.codec == "mpeg4" else joined_nals(start, SETS)
    return replace(unit, data=headers + unit.data)


SETS = frozenset({NalType.SPS, NalType.PPS})


def joined_nals(data: bytes, kinds: frozenset[NalType]) -> bytes:
    return b"".join(b"\0\0\0\1" + nal for nal in split_nal_units(data) if nal_type(nal) in kinds)


@pytest.mark.parametrize("first", [3, 12, 13])
def test_intra_refresh_joined_in_the_middle_is_sound_once_refreshed(first: int) -> None:
    """x264 refreshes 4 macroblock columns in as many pictures, from each recovery point on: at 12, 24 and 36."""
    found = stream("intra-refresh")
    frames = decoded([joined(found, first), *found.units[first + 1 :]], "h264")
    links = [frame.motion.link for frame in frames if frame.motion]
    begin = links.index(Link.RESET)
    assert frames[begin].pts_ns // synthetic.PICTURE_NS in range(12 if first <= 12 else 24, 30)
    assert begin <= 16 and links == [Link.BROKEN] * begin + [Link.RESET] + [Link.OK] * (
        len(links) - begin - 1
    )


@QUICK
@given(st.sampled_from(["slices", "refresh in slices"]), st.integers(0, 30), PLACES, st.integers(0, 2))
def test_lost_slices(name: str, first: int, places: list[int], which: int) -> None:
    found = stream(name)
    units = [joined(found, first), *found.units[first + 1 :]]
    for place in places:
        units[place % len(units)] = without_slice(units[place % len(units)], which)
    assert_none_is_falsely_sound(decoded(units, found.codec), name)


def without_slice(unit: AccessUnit, which: int) -> AccessUnit:
    nals = split_nal_units(unit.data)
    lost = [nal for nal in nals if nal_type(nal) in SLICES][which:][:1]
    return replace(unit, data=b"".join(b"\0\0\0\1" + nal for nal in nals if nal not in lost))


def test_open_gop_whose_leading_pictures_hang_on_what_was_lost() -> None:
    units = [
        AccessUnit(data, shown * synthetic.PICTURE_NS, 0)
        for data, shown in encoded_freely(
            {"x264-params": "bframes=3:b-adapt=0:open-gop=1:keyint=12:ref=2"}, (SIDE, SIDE), PICTURES
        )
    ]
    whole = {frame.pts_ns: frame.picture.tobytes() for frame in decoded(units, "h264")}
    for lost in range(1, PICTURES, 3):
        frames = decoded([unit for index, unit in enumerate(units) if index != lost], "h264")
        assert all(frame.picture.tobytes() == whole[frame.pts_ns] for frame in sound(frames))
        assert len(sound(frames)) > PICTURES - 20


def test_error_inside_a_macroblock_does_not_reach_the_next_idr_picture() -> None:
    """What libavcodec had read of a macroblock's residual when it failed, it adds to the picture it decodes next."""
    rng = np.random.default_rng(2)
    images = [rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8) for _ in range(6)]
    params = {"x264-params": "cabac=0:bframes=0:keyint=3:min-keyint=3:scenecut=0", "crf": "30"}
    units = [AccessUnit(data, shown * synthetic.PICTURE_NS, 0) for data, shown in of_images(images, params)]
    whole = [frame.picture.tobytes() for frame in decoded(units, "h264")]
    size = len(units[2].data)
    for kept in range(size // 3, size, size // 40):
        cut = replace(units[2], data=units[2].data[:kept])
        frames = decoded([*units[:2], cut, *units[3:]], "h264")
        links = [frame.motion.link for frame in frames if frame.motion]
        assert links[-4:] == [Link.BROKEN, Link.RESET, Link.OK, Link.OK]
        assert [frame.picture.tobytes() for frame in frames[-3:]] == whole[-3:]
