"""Ask a vector source every test it can take, and put the verdicts on record."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from magno.runtime.camera.hardware import calibrated
from magno.runtime.camera.hardware.calibrated import ConformanceRecord, Finding, VectorConvention
from magno.runtime.conformance import stream_tests, vector_tests, window_tests
from magno.runtime.conformance.vector_sources import VectorSource, open_vector_source
from magno.runtime.conformance.verdict import Verdict

Test = Callable[[VectorSource], Verdict]
TESTS: dict[str, Test] = {
    "translation": vector_tests.translation,
    "unit": vector_tests.unit,
    "order": vector_tests.order,
    "sizes": vector_tests.sizes,
    "still": vector_tests.still,
    "new_content": vector_tests.new_content,
    "identity": vector_tests.identity,
    "fusion": window_tests.fusion,
}
OF_STREAMS: dict[str, Test] = {  # they choose how the stream is made: for decoders
    "references": stream_tests.references,
    "b_pictures": stream_tests.b_pictures,
    "loss": stream_tests.loss,
    "intra_refresh": stream_tests.intra_refresh,
    "matrix": lambda source: window_tests.matrix(source, full=False),
}
# The software decoder is what the others are held against.
AGAINST_SOFTWARE: dict[str, Test] = {"cross_source": stream_tests.cross_source}
FULL_MATRIX: dict[str, Test] = {"matrix": lambda source: window_tests.matrix(source, full=True)}


def open_measured(name: str) -> tuple[VectorSource, VectorConvention]:
    """A source of the table, its vectors read by the sign and unit that they were measured to have.

    Raises CameraError where it cannot run.
    """
    source = open_vector_source(name, VectorConvention())
    slope, _ = vector_tests.measure_unit(source, source.encodings[0])
    convention = convention_from(slope)
    return (source if convention == VectorConvention() else open_vector_source(name, convention)), convention


def convention_from(slope: float) -> VectorConvention:
    """The convention of vectors that, read as ours, tell `slope` px for one px moved.

    What fits none is read as ours: the tests of unit and translation then say so.
    """
    for subpel in calibrated.SUBPELS:
        if abs(abs(slope) * VectorConvention().subpel / subpel - 1) <= vector_tests.SLOPE_TOLERANCE:
            return VectorConvention(1 if slope > 0 else -1, subpel)
    return VectorConvention()


def tests_of(source: VectorSource, *, full: bool) -> dict[str, Test]:
    """The tests that this source can take, by name."""
    tests = dict(TESTS)
    if source.decode is not None and "h264" in source.caps:
        tests |= OF_STREAMS | (FULL_MATRIX if full else {})
    return tests if source.name == "ffmpeg" else tests | AGAINST_SOFTWARE


def record_of(
    source: VectorSource, convention: VectorConvention, verdicts: list[Verdict]
) -> ConformanceRecord:
    """What goes on file."""
    findings = tuple(Finding(v.name, bool(v.passed), v.figures, v.found) for v in verdicts)
    date = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return ConformanceRecord(source.name, source.device, date, convention, findings)
