"""After damage decoding begins in a new context where it can: nothing of what went before is left in it."""

from __future__ import annotations

from dataclasses import replace

from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.camera.decoding.examine import H264Examiner
from magno.runtime.camera.h264.nal import START, NalType, nal_type, split_nal_units
from magno.runtime.units import AccessUnit, Link
from tests import synthetic

SIZE = (96, 64)


def later(units: list[AccessUnit], after: list[AccessUnit]) -> list[AccessUnit]:
    """The units, shown a second behind the last of `after`."""
    behind = max(unit.pts_ns for unit in after) + 1_000_000_000
    return [replace(unit, pts_ns=unit.pts_ns + behind) for unit in units]


def test_a_delay_that_damage_brought_goes_with_it() -> None:
    held_back = synthetic.encode(synthetic.panned(SIZE, (2, 0), 9), b_pictures=2)
    prompt = later(synthetic.encode(synthetic.panned(SIZE, (2, 0), 6)), held_back)
    decoder = Decoder("h264", None, 16)
    before = [frame.pts_ns for unit in held_back for frame in decoder.decode(unit)]
    assert len(before) < len(held_back)  # some are held back
    decoder.lost()
    first = [frame.pts_ns for frame in decoder.decode(prompt[0])]
    assert first[-1] == prompt[0].pts_ns and len(before) + len(first) == len(held_back) + 1  # none is lost
    for unit in prompt[1:]:
        assert [frame.pts_ns for frame in decoder.decode(unit)] == [unit.pts_ns]


def test_more_slices_than_macroblocks_are_not_decoded() -> None:
    units = synthetic.encode(synthetic.panned(SIZE, (2, 0), 9), gop=4)
    nal = split_nal_units(units[2].data)[-1]
    storm = replace(units[2], data=(b"\0" + START + nal) * 400)
    decoder = Decoder("h264", None, 16)
    frames = [f for unit in [*units[:2], storm, *units[3:]] for f in decoder.decode(unit)]
    assert decoder.errors >= 1
    links = {frame.pts_ns: frame.motion.link for frame in frames if frame.motion}
    assert units[2].pts_ns not in links and links[units[3].pts_ns] is Link.BROKEN
    assert [links[unit.pts_ns] for unit in units[4:6]] == [Link.RESET, Link.OK]


def test_a_unit_is_whole_with_its_own_parameter_sets_or_those_given_before() -> None:
    unit = synthetic.encode(synthetic.panned(SIZE, (2, 0), 1))[0].data
    sets = [nal for nal in split_nal_units(unit) if nal_type(nal) in (NalType.SPS, NalType.PPS)]
    given = b"".join(START + nal for nal in sets)
    bare = b"".join(START + nal for nal in split_nal_units(unit) if nal not in sets)
    assert _is_whole(H264Examiner(), unit)
    assert _is_whole(H264Examiner(given), bare)
    late = H264Examiner()
    assert _is_whole(late, unit) and not _is_whole(late, bare)  # it knows them, a new decoder would not


def _is_whole(examiner: H264Examiner, data: bytes) -> bool:
    facts = examiner.examine(data)
    assert facts is not None and facts.entry
    return facts.whole
