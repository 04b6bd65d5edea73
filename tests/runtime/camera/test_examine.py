"""What access units say of their pictures: real encoders' streams, however they are framed, and noise."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.camera.decoding.examine import Facts, H264Examiner, examiner
from magno.runtime.camera.h264.nal import avcc, nal_heads, split_nal_units
from tests.runtime.camera.test_nal import NALS, encoded

PLAIN = "bframes=0:keyint=100:scenecut=0"


def facts_of(params: str, lost: set[int] = frozenset(), pictures: int = 24) -> list[Facts]:  # type: ignore[assignment]
    stream, units = H264Examiner(), encoded({"x264-params": params}, pictures=pictures)
    found = [stream.examine(data) for index, (data, _) in enumerate(units) if index not in lost]
    assert all(found)
    return [facts for facts in found if facts]


@pytest.mark.parametrize("references", [1, 2, 4])
def test_how_far_back_a_picture_may_point(references: int) -> None:
    found = facts_of(f"{PLAIN}:ref={references}:weightp=0")
    assert [facts.reach for facts in found] == [min(index, references) for index in range(24)]
    assert [facts.kind for facts in found] == ["I", *["P"] * 23]
    assert found[0].entry and not any(facts.entry for facts in found[1:])
    assert all(facts.is_reference and not facts.interlaced and facts.numbered for facts in found)


def test_b_pictures_and_which_of_them_are_references() -> None:
    found = facts_of("bframes=3:b-adapt=0:b-pyramid=normal:ref=2:keyint=100")
    kinds = [(facts.kind, facts.is_reference) for facts in found]
    assert {("I", True), ("P", True), ("B", True), ("B", False)} == set(kinds)
    assert all(facts.reach > 1 for facts in found if facts.kind == "B")


@pytest.mark.parametrize("lost", [1, 2, 5, 11])
def test_missing_reference_pictures_are_counted(lost: int) -> None:
    found = facts_of(PLAIN, set(range(4, 4 + lost)))
    assert [facts.missing for facts in found] == [lost if index == 4 else 0 for index in range(24 - lost)]


def test_number_that_wraps_hides_a_loss_that_its_time_may_tell() -> None:
    """16 pictures are missing, and frame_num counts to 16 here."""
    found = facts_of(PLAIN, set(range(4, 20)), pictures=40)
    assert found[4].missing == 0 and found[4].hidden <= 16


def test_picture_that_comes_twice_came_before() -> None:
    units = encoded({"x264-params": PLAIN}, pictures=8)
    stream = H264Examiner()
    found = [stream.examine(data) for data, _ in [*units[:4], units[3], *units[4:]]]
    assert [facts.missing for facts in found if facts] == [0, 0, 0, 0, -1, 0, 0, 0, 0]


def test_lost_b_picture_that_nothing_refers_to_is_no_gap() -> None:
    found = facts_of("bframes=2:b-adapt=0:b-pyramid=none:keyint=100", {2})
    assert not any(facts.missing for facts in found)


def test_recovery_points_say_how_long_the_refresh_takes() -> None:
    found = facts_of("bframes=0:keyint=12:intra-refresh=1", pictures=30)
    assert [index for index, facts in enumerate(found) if facts.recovery] == [12, 24]
    assert all(facts.begins and not facts.entry for facts in found if facts.recovery)


def test_interlaced_pictures_are_told() -> None:
    units = encoded({"preset": "ultrafast", "x264-params": "interlaced=1:bframes=0"}, (64, 64), 4)
    stream = H264Examiner()
    assert all(facts.interlaced for data, _ in units if (facts := stream.examine(data)))


@pytest.mark.parametrize("name", ["bottle-detection.mp4", "bunny_h264.mp4"])
def test_mp4_says_the_same_as_its_raw_stream(clips: Path, name: str) -> None:
    with av.open(str(clips / name)) as container:
        stream = container.streams.video[0]
        boxed = H264Examiner(stream.codec_context.extradata)
        packets = [
            packet for packet, _ in zip(container.demux(stream), range(150), strict=False) if packet.size
        ]
        from_mp4 = [boxed.examine(bytes(packet)) for packet in packets]
        to_raw, raw = av.BitStreamFilterContext("h264_mp4toannexb", stream), H264Examiner()
        from_raw = [raw.examine(bytes(out)) for packet in packets for out in to_raw.filter(packet)]
    assert from_mp4 == from_raw and not any(facts is None or facts.damaged for facts in from_mp4)
    assert not any(facts.missing for facts in from_mp4 if facts)


@pytest.mark.parametrize(
    ("codec", "data", "kind"),
    [
        ("mpeg4", b"\0\0\1\xb6\x10", "I"),
        ("mpeg4", b"\0\0\1\xb0\1\0\0\1\xb6\x50", "P"),
        ("mpeg4", b"\0\0\1\xb6\x90", "B"),
        ("mpeg4", b"\0\0\1\xb6\xd0", "P"),
        ("mpeg2video", b"\0\0\1\0\0\x08", "I"),
        ("mpeg2video", b"\0\0\1\0\0\x10", "P"),
        ("mpeg1video", b"\0\0\1\0\0\x18", "B"),
        ("h263", b"whatever", ""),
    ],
)
def test_types_of_other_codecs(codec: str, data: bytes, kind: str) -> None:
    facts = examiner(codec, None).examine(data)
    assert facts is not None and facts.kind == kind and facts.is_reference == (kind != "B")


@given(st.lists(NALS, min_size=1, max_size=6), st.sampled_from([1, 2, 4]))
def test_framing_changes_nothing(nals: list[bytes], length_bytes: int) -> None:
    starts = b"".join(b"\0\0\1" + nal for nal in nals)
    lengths = b"".join(len(nal).to_bytes(length_bytes, "big") + nal for nal in nals)
    assert nal_heads(starts) == nal_heads(lengths, length_bytes) == split_nal_units(starts) == nals


@cache
def _units() -> list[bytes]:
    return [data for data, _ in encoded({"x264-params": "bframes=2:keyint=6:slices=2"}, pictures=8)]


@given(st.integers(0, 7), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6))
def test_altered_bytes_raise_nothing(unit: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(_units()[unit])
    for place, value in changes:
        data[place % min(len(data), 80)] = value
    stream = H264Examiner()
    stream.examine(_units()[0])
    stream.examine(bytes(data))


@given(st.binary(max_size=120), st.binary(max_size=60))
def test_noise_raises_nothing(data: bytes, extradata: bytes) -> None:
    avcc(b"\1" + extradata)
    for codec in ("h264", "mpeg4", "mpeg2video", "h263"):
        examiner(codec, extradata).examine(data)
        examiner(codec, b"\1" + extradata).examine(data)
