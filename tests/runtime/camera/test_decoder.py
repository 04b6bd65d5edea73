"""The decoder on real clips, on damaged units, and on a codec without vectors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from magno.runtime.camera.decoding.continuity import HEALING_PICTURES
from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.camera.file import open_source
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.clock import ReplayClock
from magno.runtime.units import AccessUnit, BlockMode, Link
from tests import synthetic

SIZE = (96, 64)


def links(units: list[AccessUnit], codec: str = "h264") -> list[Link | None]:
    """The link of what each unit gave; None where it gave nothing. Only for streams without delay."""
    decoder, found = Decoder(codec, None, 16), []
    for unit in units:
        frames = decoder.decode(unit)
        assert len(frames) <= 1
        motion = frames[0].motion if frames else None
        found.append(motion.link if motion is not None else None)
    return found


def garbled(unit: AccessUnit) -> AccessUnit:
    """The unit with its second half replaced by noise."""
    half = len(unit.data) // 2
    noise = np.random.default_rng(1).integers(0, 256, len(unit.data) - half, dtype=np.uint8).tobytes()
    return replace(unit, data=unit.data[:half] + noise)


@pytest.mark.parametrize(
    ("name", "pictures"),
    [
        ("bottle-detection.mp4", 1189),
        ("bunny_h264.mp4", 337),
        ("bunny_mpeg4.mp4", 337),
        ("car-detection.mp4", 377),
    ],
)
def test_real_clip_gives_every_picture_once_in_order(clips: Path, name: str, pictures: int) -> None:
    source = open_source(CameraRequest(str(clips / name), 16, pace="fast"), ReplayClock())
    decoder = Decoder(source.codec, source.extradata, 16)
    frames = [frame for unit in source.units() for frame in decoder.decode(unit)] + decoder.flush()
    source.close()
    assert [frame.sequence for frame in frames] == list(range(pictures))
    assert decoder.errors == 0  # the MPEG-4 clip has some where packets lack the zeros behind them
    pts = [frame.pts_ns for frame in frames]
    assert pts == sorted(set(pts)) and pts[0] >= 0
    for frame in frames:
        assert frame.motion is not None and frame.picture.shape == (16, 16, 3)
        assert frame.motion.link is (Link.RESET if frame.pict_type == "I" else Link.OK)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_without_b_pictures_each_picture_is_out_after_its_unit(codec: str) -> None:
    units = synthetic.encode(synthetic.panned(SIZE, (2, 0), 6), codec)
    decoder = Decoder(synthetic.DECODERS[codec], None, 16)
    for number, unit in enumerate(units):
        frames = decoder.decode(replace(unit, capture_ns=1000 + number))
        assert [frame.pts_ns for frame in frames] == [unit.pts_ns]
        assert frames[0].capture_ns == 1000 + number


def test_capture_time_follows_its_picture_through_reordering() -> None:
    units = synthetic.encode(synthetic.panned(SIZE, (2, 0), 7), b_pictures=2)
    decoder = Decoder("h264", None, 16)
    frames = [f for unit in units for f in decoder.decode(replace(unit, capture_ns=unit.pts_ns + 7))]
    frames += decoder.flush()
    assert len(frames) == 7 and all(frame.capture_ns == frame.pts_ns + 7 for frame in frames)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_after_damage_the_chain_is_broken_until_the_next_intra_picture(codec: str) -> None:
    units = synthetic.encode(synthetic.panned(SIZE, (2, 1), 16), codec, gop=8)
    units[3] = garbled(units[3])
    found = links(units, synthetic.DECODERS[codec])
    assert found[:3] == [Link.RESET, Link.OK, Link.OK]
    assert set(found[3:8]) <= {Link.BROKEN, None} and found[4:8] == [Link.BROKEN] * 4
    assert found[8:] == [Link.RESET] + [Link.OK] * 7


def test_damaged_picture_has_missing_blocks_and_no_intra_ones() -> None:
    units = synthetic.encode(synthetic.panned(SIZE, (2, 1), 4))
    units[2] = replace(units[2], data=b"\x00\x00\x00\x01\x41" + bytes(20))
    decoder = Decoder("h264", None, 16)
    frames = [frame for unit in units for frame in decoder.decode(unit)]
    assert decoder.errors >= 1
    motion = frames[-1].motion
    assert motion is not None and motion.link is Link.BROKEN and not (motion.mode == BlockMode.INTRA).any()


def test_damaged_intra_picture_is_no_anchor() -> None:
    units = synthetic.encode(synthetic.panned(SIZE, (2, 1), 12), gop=4)
    units[4] = replace(units[4], data=units[4].data[: len(units[4].data) // 2])
    found = links(units)
    assert set(found[4:8]) <= {Link.BROKEN, None} and found[8] is Link.RESET


def test_an_intra_picture_that_was_decoded_before_the_fault_does_not_heal_it() -> None:
    units = synthetic.encode(synthetic.panned(SIZE, (2, 1), 20), b_pictures=2, gop=9)
    intra = [number for number, unit in enumerate(units) if unit.is_key][1]
    units[intra + 1] = replace(units[intra + 1], data=b"\x00\x00\x00\x01\x41\xff")
    decoder = Decoder("h264", None, 16)
    frames = [frame for unit in units for frame in decoder.decode(unit)] + decoder.flush()
    later = [f for f in frames if units[intra].pts_ns < f.pts_ns]
    until = next(n for n, frame in enumerate(later) if frame.pict_type == "I")
    assert until > 0
    assert all(frame.motion and frame.motion.link is Link.BROKEN for frame in later[:until])


def test_stream_joined_in_the_middle_waits_for_an_intra_picture() -> None:
    units = synthetic.encode(synthetic.panned(SIZE, (2, 0), 12), "mpeg4", gop=6)
    found = links([units[0], units[6], *units[7:]], "mpeg4")
    assert found[0] is Link.RESET  # in band headers came with the first
    header = replace(units[0], data=units[0].data[:64])
    joined = [link for link in links([header, *units[3:]], "mpeg4") if link is not None]
    assert Link.OK not in joined[: joined.index(Link.RESET)]


def test_source_that_lost_packets_breaks_the_chain() -> None:
    units = synthetic.encode(synthetic.panned(SIZE, (2, 0), 12), gop=6)
    decoder, found = Decoder("h264", None, 16), []
    for number, unit in enumerate(units):
        if number == 2:
            continue
        if number == 3:
            decoder.lost()
        found += [frame.motion.link for frame in decoder.decode(unit) if frame.motion]
    assert found[:2] == [Link.RESET, Link.OK] and found[2:5] == [Link.BROKEN] * 3
    assert found[5:] == [Link.RESET] + [Link.OK] * 5


def test_stream_without_intra_pictures_heals_in_time() -> None:
    units = synthetic.encode([synthetic.picture((32, 32))] * (HEALING_PICTURES + 4), gop=10_000)
    decoder, found = Decoder("h264", None, 16), []
    for number, unit in enumerate(units):
        if number == 1:
            decoder.lost()
        found += [frame.motion.link for frame in decoder.decode(unit) if frame.motion]
    assert found[1 : HEALING_PICTURES + 1] == [Link.BROKEN] * HEALING_PICTURES
    assert found[HEALING_PICTURES + 1 :] == [Link.RESET, Link.OK, Link.OK]


@pytest.mark.parametrize("codec", ["h264", "mpeg4"])
def test_noise_gives_no_exception(codec: str) -> None:
    rng = np.random.default_rng(3)
    units = synthetic.encode(synthetic.panned(SIZE, (2, 0), 4), "libx264" if codec == "h264" else "mpeg4")
    decoder = Decoder(codec, None, 16)
    for number in range(60):
        data = bytearray(units[number % 4].data)
        for place in rng.integers(0, len(data), 12):
            data[place] ^= 1 << int(rng.integers(8))
        decoder.decode(AccessUnit(bytes(data), number, number))
    decoder.flush()


def test_empty_unit_is_a_loss_and_not_the_end() -> None:
    units = synthetic.encode(synthetic.panned(SIZE, (2, 0), 6), gop=4)
    units[2] = replace(units[2], data=b"")
    broken = [None, Link.BROKEN]
    assert links(units) == [Link.RESET, Link.OK, *broken, Link.RESET, Link.OK]


def test_hevc_is_refused_with_the_way_out() -> None:
    with pytest.raises(CameraError, match=r"found hevc.*--keyframes-only.*H\.264"):
        Decoder("hevc", None, 16)


@pytest.mark.skipif("libx265" not in av.codecs_available, reason="this PyAV has no HEVC encoder")
def test_hevc_gives_pictures_when_keyframes_are_enough() -> None:
    units = synthetic.encode(synthetic.panned((128, 128), (2, 0), 5), "libx265")
    decoder = Decoder("hevc", None, 16, keyframes_only=True)
    frames = [frame for unit in units for frame in decoder.decode(unit)] + decoder.flush()
    assert [frame.sequence for frame in frames] == list(range(5))
    assert all(frame.motion is None and frame.size == (128, 128) for frame in frames)


@pytest.mark.parametrize("codec", ["aac", "no-such-codec"])
def test_what_is_no_video_codec_is_refused(codec: str) -> None:
    with pytest.raises(CameraError, match="Wanted a"):
        Decoder(codec, None, 16, keyframes_only=True)
