"""The suite over the software decoder, and over sources that lie: each lie must be found out by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from magno.runtime.camera.hardware.calibrated import VectorConvention
from magno.runtime.camera.request import CameraError
from magno.runtime.conformance import ffmpeg, suite
from magno.runtime.conformance.encoding import Encoding, encode
from magno.runtime.conformance.vector_sources import VectorSource
from magno.runtime.conformance.verdict import Case, Verdict, verdict
from magno.runtime.conformance.window_tests import CRFS, MOTIONS, PRESETS, REFERENCES, combinations
from magno.runtime.units import AccessUnit, BlockMode, CodecFrame, Link, MotionField

SOFTWARE = ffmpeg.open_vector_source(VectorConvention())
TESTS = suite.tests_of(SOFTWARE, full=False)
Lie = Callable[[list[MotionField], int], MotionField]  # of all fields, which to tell as this picture's


def telling(lie: Lie, name: str = "ffmpeg") -> VectorSource:
    """The software decoder, with its fields replaced."""

    def decode(units: Sequence[AccessUnit], codec: str) -> list[CodecFrame]:
        frames = ffmpeg.decode(units, codec)
        fields = [frame.motion for frame in frames if frame.motion is not None]
        return [replace(frame, motion=lie(fields, place)) for place, frame in enumerate(frames)]

    return replace(SOFTWARE, name=name, decode=decode)


def with_vectors(change: Callable[[np.ndarray], np.ndarray]) -> Lie:
    return lambda fields, n: replace(fields[n], mv_qpel=np.ascontiguousarray(change(fields[n].mv_qpel)))


def columns_first(vectors: np.ndarray) -> np.ndarray:
    rows, columns = vectors.shape[:2]
    return vectors.swapaxes(0, 1).reshape(rows, columns, 2)


def all_still(fields: list[MotionField], n: int) -> MotionField:
    intra = fields[n].mode == BlockMode.INTRA
    return replace(fields[n], mode=np.where(intra, np.uint8(BlockMode.SKIP), fields[n].mode))


LIES: dict[str, tuple[Lie, set[str]]] = {
    "sign": (with_vectors(lambda v: -v), {"translation", "unit"}),
    "axes": (with_vectors(lambda v: v[..., ::-1]), {"translation", "order"}),
    "half": (with_vectors(lambda v: v // 2), {"translation", "unit"}),
    "whole pixels": (with_vectors(lambda v: v // 4 * 4), {"unit"}),
    "raster": (with_vectors(columns_first), {"order"}),
    "mirrored": (with_vectors(lambda v: v[:, ::-1]), {"order"}),
    "late": (lambda fields, n: fields[max(0, n - 1)], {"identity"}),
    "early": (lambda fields, n: fields[min(len(fields) - 1, n + 1)], {"identity"}),
    "new content": (all_still, {"new_content"}),
    "noise": (with_vectors(lambda v: v + np.array([1, 0], np.int16)), {"still", "translation"}),
    "sound": (lambda fields, n: replace(fields[n], link=Link.OK if n else Link.RESET), {"loss"}),
    "broken": (lambda fields, n: replace(fields[n], link=Link.BROKEN), {"intra_refresh", "fusion"}),
    "references": (lambda fields, n: replace(fields[n], reference=None), {"references"}),
}


# The matrix takes long: tests/runtime/commands/test_inspect.py runs it, with all the others.
@pytest.mark.parametrize("name", [name for name in TESTS if name != "matrix"])
def test_software_decoder_passes(name: str) -> None:
    told = TESTS[name](SOFTWARE)
    assert told.passed, f"{told.found}; wanted {told.wanted}"


@pytest.mark.parametrize("name", LIES)
def test_lie_is_found_out(name: str) -> None:
    lie, finders = LIES[name]
    for finder in finders:
        told = TESTS[finder](telling(lie))
        assert told.passed is False, f"{finder}: {told.found}"


def coarse_encoder(block_px: int) -> VectorSource:
    """An encoder that tells one vector a block of 16 or 32 px, and knows of no intra blocks, as hardware does."""

    def encode_and_tell(pictures: Sequence[np.ndarray]) -> tuple[list[AccessUnit], list[CodecFrame]]:
        units = encode(pictures, Encoding())
        return units, [replace(frame, motion=coarse(frame.motion)) for frame in ffmpeg.decode(units, "h264")]

    def coarse(motion: MotionField | None) -> MotionField:
        assert motion is not None
        times = block_px // motion.block_px
        mode = np.full(
            (-(-motion.mode.shape[0] // times), -(-motion.mode.shape[1] // times)), BlockMode.INTER, np.uint8
        )
        vectors = np.ascontiguousarray(motion.mv_qpel[::times, ::times])
        return MotionField(vectors, mode, block_px, motion.coded_size, motion.link)

    caps = replace(SOFTWARE.caps["h264"], block_px=block_px, has_intra=False)
    return VectorSource("coarse", SOFTWARE.device, {"h264": caps}, encode=encode_and_tell)


@pytest.mark.parametrize("block_px", [16, 32])
def test_encoder_with_coarse_blocks_passes_what_it_is_asked(block_px: int) -> None:
    source = coarse_encoder(block_px)
    tests = suite.tests_of(source, full=False)
    assert set(tests) == {*suite.TESTS, "cross_source"}  # how the stream is made is its own affair
    for name, test in tests.items():
        told = test(source)
        assert told.passed, f"{name}: {told.found}"


def test_source_that_holds_pictures_back_is_told_in_a_sentence() -> None:
    def decode(units: Sequence[AccessUnit], codec: str) -> list[CodecFrame]:
        return ffmpeg.decode(units, codec)[:-1]

    with pytest.raises(CameraError, match="Wanted 4 pictures back from ffmpeg, found 3"):
        TESTS["still"](replace(SOFTWARE, decode=decode))


def test_vectors_of_a_stream_are_held_against_the_software_decoder() -> None:
    held = suite.tests_of(telling(lambda fields, n: fields[n], "other"), full=False)["cross_source"]
    assert held(telling(lambda fields, n: fields[n], "other")).passed
    assert held(telling(with_vectors(lambda v: v + np.int16(2)), "other")).passed is False


@pytest.mark.parametrize(
    ("slope", "convention"),
    [
        (1.0, VectorConvention(1, 4)),
        (-1.01, VectorConvention(-1, 4)),
        (0.5, VectorConvention(1, 2)),
        (-0.25, VectorConvention(-1, 1)),
        (0.7, VectorConvention(1, 4)),  # fits none: the tests will say so
        (0.0, VectorConvention(1, 4)),
    ],
)
def test_convention_is_read_from_the_slope(slope: float, convention: VectorConvention) -> None:
    assert suite.convention_from(slope) == convention


def test_record_names_what_failed() -> None:
    verdicts = [Verdict("unit", True, "w", "f", {"slope": 1.0}), Verdict("order", False, "w", "wrong", {})]
    record = suite.record_of(SOFTWARE, VectorConvention(), verdicts)
    assert record.source == "ffmpeg" and not record.calibrated and "order" in record.lacking
    assert record.findings[1].note == "wrong" and record.findings[0].figures == {"slope": 1.0}


def test_verdict_tells_of_the_first_that_failed() -> None:
    told = verdict("t", "all", [Case("a", True, "1"), Case("b", False, "2"), Case("c", False, "3")])
    assert (told.passed, told.found) == (False, "1 of 3; b: 2")
    assert verdict("t", "all", []).passed is False


def test_what_could_not_be_measured_is_no_figure() -> None:
    figures = verdict(
        "t", "all", [Case("a", False, "none")], {"error_px": float("inf"), "share": 0.5}
    ).figures
    assert figures == {"cases": 1.0, "failed": 1.0, "share": 0.5}


def test_selection_has_every_two_settings_together() -> None:
    chosen = [(e, motion) for e, motion, _ in combinations(SOFTWARE, full=False) if e.encoder == "libx264"]
    assert len(chosen) < 30
    for one, other, count in (
        (lambda e, m: e.preset, lambda e, m: e.crf, len(PRESETS) * len(CRFS)),
        (lambda e, m: e.preset, lambda e, m: e.references, len(PRESETS) * len(REFERENCES)),
        (lambda e, m: e.preset, lambda e, m: m, len(PRESETS) * len(MOTIONS)),
        (lambda e, m: e.crf, lambda e, m: e.references, len(CRFS) * len(REFERENCES)),
        (lambda e, m: e.crf, lambda e, m: m, len(CRFS) * len(MOTIONS)),
        (lambda e, m: e.references, lambda e, m: m, len(REFERENCES) * len(MOTIONS)),
    ):
        assert len({(one(e, m), other(e, m)) for e, m in chosen}) == count
