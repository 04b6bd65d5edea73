"""Tests of what a stream can do besides panning: several references, B-pictures, losses, no intra pictures.

They choose how the stream is made, so only decoders take them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from magno.runtime.camera.request import CameraError
from magno.runtime.conformance.encoding import Encoding
from magno.runtime.conformance.known_motion import pan, panning, picture
from magno.runtime.conformance.measures import errors_px, inner, motion_of, number_of, told
from magno.runtime.conformance.vector_sources import VectorSource
from magno.runtime.conformance.vector_tests import MARGIN_PX, SIZE
from magno.runtime.conformance.verdict import Case, Verdict, verdict
from magno.runtime.fusion import KNOWN
from magno.runtime.units import BlockMode, CodecFrame, Link

H264 = "h264"
MANY_REFERENCES = 4
EXACT_PX = 0.26  # a vector within a quarter pixel of the truth is right
RIGHT_SHARE = 0.99
GOP, STREAM_PICTURES, DROPPED = 8, 20, (3, 13)  # which access units a loss takes
REFRESH_PICTURES, REFRESH_PERIOD, REFRESH_COVERAGE = 40, 12, 0.5


def references(source: VectorSource) -> Verdict:
    """Two contents by turns: each picture is predicted from the one before the one before, and must say so."""
    step = 4
    pictures = [picture(SIZE, pan(step * (t // 2), 0), seed=1 + t % 2) for t in range(8)]
    encoding = Encoding(references=MANY_REFERENCES)
    cases = []
    for frame in source.play(pictures, encoding)[1][2:]:
        motion = motion_of(frame)
        known = told(motion) & inner(motion, SIZE, MARGIN_PX)
        two_back = known & (motion.mv_qpel == (4 * step, 0)).all(-1)
        said = np.zeros_like(two_back) if motion.reference is None else motion.reference == 2
        share = float(said[two_back].mean()) if two_back.any() else 1.0
        found = f"{int(two_back.sum())} vectors into the picture two back, {share:.1%} of them say so"
        cases.append(Case(f"picture {frame.sequence}", share >= RIGHT_SHARE, found))
    wanted = f"{RIGHT_SHARE:.0%} of the vectors into the picture two back say so, or are not told at all"
    return verdict("references", wanted, cases)


def b_pictures(source: VectorSource) -> Verdict:
    """B-pictures: the past vector of each block, into the picture that it says; or the stream is refused."""
    scene = panning(SIZE, (3, 0), 13)
    cases = []
    for encoding in _encodings(source, lambda codec: codec in (H264, "mpeg4")):
        try:
            frames = source.play(scene.pictures(), replace(encoding, b_pictures=2))[1]
        except CameraError as error:
            cases.append(Case(encoding.codec, "B" in str(error), str(error)))
            continue
        share = right_share(errors_px(frames, scene, MARGIN_PX))
        seen = [motion_of(frame) for frame in frames if frame.pict_type == "B"]
        known = sum(float(told(motion).mean()) for motion in seen) / max(1, len(seen))
        found = f"{share:.1%} right; {len(seen)} B-pictures, {known:.0%} of their blocks have a past vector"
        cases.append(Case(encoding.codec, bool(seen) and share >= RIGHT_SHARE, found))
    wanted = (
        f"{RIGHT_SHARE:.0%} of the vectors right, each into the reference that it says; or refused by name"
    )
    return verdict("b_pictures", wanted, cases)


def loss(source: VectorSource) -> Verdict:
    """An access unit that never came: nothing is sound from there to the next intra picture."""
    scene = panning(SIZE, (2, 1), STREAM_PICTURES)
    cases = []
    for encoding in _encodings(source, lambda codec: True):
        units = source.play(scene.pictures(), replace(encoding, gop=GOP))[0]
        for dropped in DROPPED:
            frames = source.decoded([*units[:dropped], *units[dropped + 1 :]], encoding.codec)
            anchor = -(-dropped // GOP) * GOP
            links = {number_of(frame): motion_of(frame).link for frame in frames}
            sound = [n for n in range(dropped + 1, anchor) if links.get(n, Link.BROKEN) is not Link.BROKEN]
            healed = anchor >= STREAM_PICTURES or links.get(anchor) is Link.RESET
            before = all(links.get(n) in (Link.OK, Link.RESET) for n in range(dropped))
            found = f"{len(sound)} of the {anchor - dropped - 1} pictures before the anchor called sound"
            found += "" if healed else "; the anchor is no new beginning"
            found += "" if before else "; pictures before the loss are not sound"
            cases.append(Case(f"{encoding.codec} without {dropped}", not sound and healed and before, found))
    return verdict("loss", "BROKEN until the next intra picture, and sound from there", cases)


def intra_refresh(source: VectorSource) -> Verdict:
    """A stream whose intra blocks wander across, without intra pictures: sound all along, and its vectors right."""
    scene = panning(SIZE, (2, 0), REFRESH_PICTURES)
    encoding = Encoding(gop=REFRESH_PERIOD, intra_refresh=True)
    frames = source.play(scene.pictures(), encoding)[1]
    fields = [motion_of(frame) for frame in frames[1:]]
    sound = all(motion.link is Link.OK for motion in fields)
    coverage = min(float((KNOWN[motion.mode] > 0).mean()) for motion in fields)
    wander = float(np.mean([(motion.mode == BlockMode.INTRA).mean() for motion in fields]))
    share = right_share(errors_px(frames, scene, MARGIN_PX))
    found = (
        f"{'sound' if sound else 'broken'}, {share:.1%} right, {coverage:.0%} of the blocks known at least"
    )
    right = sound and share >= RIGHT_SHARE and coverage >= REFRESH_COVERAGE
    wanted = f"sound all along, {RIGHT_SHARE:.0%} right, {REFRESH_COVERAGE:.0%} known"
    return verdict("intra_refresh", wanted, [Case(encoding.codec, right, found)], {"intra_share": wander})


def cross_source(source: VectorSource) -> Verdict:
    """The same stream through the software decoder: block by block, the vectors agree."""
    from magno.runtime.conformance import ffmpeg  # the one source that the others are held against

    cases, shares = [], {}
    for encoding in _encodings(source, lambda codec: codec in ffmpeg.CODECS):
        scene = panning(SIZE, (3, -2), 10)
        units, frames = source.play(scene.pictures(), encoding)
        share = agreement(frames, ffmpeg.decode(units, encoding.codec))
        shares[f"agree_{encoding.codec}"] = share
        cases.append(Case(encoding.codec, share >= RIGHT_SHARE, f"{share:.1%} of the blocks agree"))
    return verdict(
        "cross_source", f"{RIGHT_SHARE:.0%} of the blocks as the software decoder tells them", cases, shares
    )


def agreement(frames: Sequence[CodecFrame], others: Sequence[CodecFrame]) -> float:
    """Share of the inner blocks whose vector is, within a quarter pixel, one of those that `others` has there.

    `others` has blocks as fine as `frames`, or finer: a coarse block may sum up its parts in any way.
    """
    agree = total = 0
    if len(frames) != len(others):  # the stream is not what the vectors were told of
        return 0.0
    for one, other in zip(frames, others, strict=True):
        coarse, fine = motion_of(one), motion_of(other)
        times = coarse.block_px // fine.block_px
        rows, columns = (min(a, b // times) for a, b in zip(coarse.mode.shape, fine.mode.shape, strict=True))
        parts = fine.mv_qpel[: rows * times, : columns * times].reshape(rows, times, columns, times, 2)
        known = (KNOWN[fine.mode[: rows * times, : columns * times]] > 0).reshape(rows, times, columns, times)
        off = np.abs(coarse.mv_qpel[:rows, None, :columns, None].astype(np.int32) - parts).max(-1)
        compared = (KNOWN[coarse.mode[:rows, :columns]] > 0) & known.any((1, 3))
        agree += int(((off <= 1) & known).any((1, 3))[compared].sum())
        total += int(compared.sum())
    return agree / total if total else 0.0


def right_share(errors_px: np.ndarray) -> float:
    """Share of the vectors that are right; what is not told is not wrong."""
    return float((errors_px < EXACT_PX).mean()) if len(errors_px) else 1.0


def _encodings(source: VectorSource, wanted: Callable[[str], bool]) -> list[Encoding]:
    return [encoding for encoding in source.encodings if wanted(encoding.codec)]
