"""A camera calibrated on its own pictures: real clips, and fields that were falsified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.camera.file import open_source
from magno.runtime.camera.request import CameraRequest
from magno.runtime.clock import ReplayClock
from magno.runtime.conformance.encoding import Encoding, encode
from magno.runtime.conformance.known_motion import moving, panning, rotation
from magno.runtime.conformance.photometric import QUESTIONS, Photometer
from magno.runtime.conformance.verdict import Verdict
from magno.runtime.units import CodecFrame, Link, MotionField

SIZE = (250, 182)
PICTURE_PX = 256


@lru_cache(maxsize=1)
def swaying() -> tuple[CodecFrame, ...]:
    """Turning to and fro, ever faster: every picture has another motion than its neighbours."""
    degrees = np.cumsum([4 * np.sin(t * 1.9) * (1 + t / 20) for t in range(24)])
    scene = moving(SIZE, lambda t: rotation(float(degrees[t]), SIZE), 24)
    return tuple(decoded(scene.pictures()))


def decoded(pictures: list[np.ndarray]) -> list[CodecFrame]:
    decoder = Decoder("h264", None, PICTURE_PX)
    return [f for unit in encode(pictures, Encoding()) for f in decoder.decode(unit)] + decoder.flush()


def verdicts(frames: list[CodecFrame] | tuple[CodecFrame, ...]) -> dict[str, Verdict]:
    photometer = Photometer()
    for frame in frames:
        photometer.step(frame)
    return {told.name: told for told in photometer.verdicts()}


def falsified(change: Callable[[list[MotionField], int], np.ndarray]) -> list[CodecFrame]:
    frames = swaying()
    fields = [frame.motion for frame in frames if frame.motion is not None]
    assert len(fields) == len(frames)
    changed = [np.ascontiguousarray(change(fields, place)) for place in range(len(frames))]
    return [
        replace(frame, motion=replace(field, mv_qpel=vectors))
        for frame, field, vectors in zip(frames, fields, changed, strict=True)
    ]


@pytest.mark.parametrize(
    ("name", "until_s"),
    [("car-detection", 10.0), ("bunny_h264", 3.0), ("bunny_mpeg4", 3.0), ("bottle-detection", 20.0)],
)
def test_real_clip_means_what_it_says(clips: Path, name: str, until_s: float) -> None:
    request = CameraRequest(str(clips / f"{name}.mp4"), PICTURE_PX, pace="fast", until_s=until_s)
    source = open_source(request, ReplayClock())
    decoder, photometer = Decoder(source.codec, source.extradata, PICTURE_PX), Photometer()
    for unit in source.units():
        for frame in decoder.decode(unit):
            photometer.step(frame)
    source.close()
    assert {told.name: told.passed for told in photometer.verdicts()} == dict.fromkeys(QUESTIONS, True)


def test_known_motion_means_what_it_says() -> None:
    assert all(told.passed for told in verdicts(swaying()).values())


@pytest.mark.parametrize(
    ("question", "rival", "change"),
    [
        ("sign", "the other way", lambda fields, n: -fields[n].mv_qpel),
        ("sign", "the other way in y", lambda fields, n: fields[n].mv_qpel * np.array([1, -1], np.int16)),
        ("unit", "2 times as long", lambda fields, n: fields[n].mv_qpel // 2),
        ("unit", "0.25 times as long", lambda fields, n: fields[n].mv_qpel * 4),
        ("axes", "x and y exchanged", lambda fields, n: fields[n].mv_qpel[..., ::-1]),
        ("order", "right to left", lambda fields, n: fields[n].mv_qpel[:, ::-1]),
        ("order", "bottom to top", lambda fields, n: fields[n].mv_qpel[::-1]),
        ("picture", "of the picture before", lambda fields, n: fields[max(0, n - 1)].mv_qpel),
        ("picture", "of the picture after", lambda fields, n: fields[min(len(fields) - 1, n + 1)].mv_qpel),
    ],
)
def test_falsified_field_is_found_out_by_name(
    question: str, rival: str, change: Callable[[list[MotionField], int], np.ndarray]
) -> None:
    told = verdicts(falsified(change))[question]
    assert told.passed is False and f"'{rival}'" in told.found, told.found


def test_where_nothing_moves_it_cannot_be_told() -> None:
    told = verdicts(decoded(panning(SIZE, (0, 0), 8).pictures()))
    assert {answer.passed for answer in told.values()} == {None}
    assert all("not enough motion" in answer.found for answer in told.values())


def test_a_steady_pan_does_not_tell_whose_vectors_they_are() -> None:
    told = verdicts(decoded(panning(SIZE, (4, 3), 12).pictures()))
    assert told["sign"].passed and told["unit"].passed and told["picture"].passed is None


def test_damaged_and_missing_pictures_tell_nothing() -> None:
    frames = [
        replace(frame, motion=replace(frame.motion, link=Link.BROKEN))
        for frame in swaying()
        if frame.motion is not None
    ]
    gaps = [replace(frame, sequence=2 * frame.sequence) for frame in swaying()]
    for silent in (frames, gaps):
        assert {answer.passed for answer in verdicts(silent).values()} == {None}
