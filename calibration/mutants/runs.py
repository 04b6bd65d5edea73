"""Mutants through real reader processes, and what is true of them: the judge knows the undamaged pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av

from magno.calibration.mutants.damage import Mutant
from magno.calibration.mutants.judge import PICTURES, Contents, Seen, Truth
from magno.calibration.mutants.streams import Stream
from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.process.unit_queue import UnitQueue
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.clock import NS_PER_MS, NS_PER_S, WallClock
from magno.runtime.conformance.encoding import PICTURE_NS
from magno.runtime.units import AccessUnit, Link

PICTURE_PX = 96  # no smaller than a picture, so that no pixel of it goes unseen
UNITS_URL = "units://"
Result = TypeVar("Result")
ATTEMPTS = 5  # at what is undamaged: a reader that a busy machine keeps from running for 0.45 s is given up


def truth_of(stream: Stream) -> Truth:
    """The undamaged pictures, read as mutants are. Raises CameraError when the stream is not sound by itself."""
    return undisturbed(lambda: _truth(stream))


def undisturbed(read: Callable[[], Result]) -> Result:
    """What reading gives, at one of ATTEMPTS. Raises CameraError when none comes to its end."""
    for _ in range(ATTEMPTS - 1):
        with suppress(CameraError):
            return read()
    return read()


def _truth(stream: Stream) -> Truth:
    truth: Truth = {}
    contents = Contents()
    with _opened(stream.codec, [*stream.units]) as reader:
        for frame in reader.frames():
            if frame.motion is None or frame.motion.link is Link.BROKEN:
                raise CameraError(f"Wanted {stream.name} to be sound, found its picture broken.")
            truth[frame.pts_ns // PICTURE_NS] = contents.of(frame)
    if len(truth) != PICTURES:
        raise CameraError(f"Wanted {PICTURES} pictures of {stream.name}, found {len(truth)}.")
    return truth


def run_mutants(stream: Stream, mutants: Sequence[Mutant], truth: Truth) -> list[Seen]:
    """All of them through as few reader processes as it takes, one after another as one stream.

    A process that ends early is told of with the mutant it ended at, which then is tried alone; the next goes on
    behind it.
    """
    seen = [Seen(mutant) for mutant in mutants]
    first = 0
    while first < len(seen):
        first += _run(stream, seen[first:], truth)
        ended = seen[first - 1]
        if ended.error and len(seen) > 1:
            alone = Seen(ended.mutant)
            _run(stream, [alone], truth)
            if not alone.error:
                seen[first - 1] = replace(alone, not_alone=ended.error)
    return seen


def _run(stream: Stream, seen: Sequence[Seen], truth: Truth) -> int:
    """One reader process; how many mutants it is done with. Before the first it is shown the stream undamaged."""
    clock, contents, newest = WallClock(), Contents(), 0
    units = [
        replace(unit, pts_ns=unit.pts_ns + index * PICTURES * PICTURE_NS)
        for index, these in enumerate([stream.units, *(one.mutant.units for one in seen)])
        for unit in these
    ]
    try:
        with _opened(stream.codec, units) as reader:
            before_ns = clock.now_ns()
            for frame in reader.frames():
                now_ns, content = clock.now_ns(), contents.of(frame)
                index, number = divmod(frame.pts_ns // PICTURE_NS - PICTURES, PICTURES)
                if index < 0:
                    continue
                newest = max(newest, index)
                link = Link.OK if frame.motion is None else frame.motion.link
                seen[index].take(number, content, link, truth[number])
                seen[index].slowest_ms = max(seen[index].slowest_ms, (now_ns - before_ns) / NS_PER_MS)
                before_ns = now_ns
    except CameraError as error:
        culprit = ended_at(seen, newest)
        seen[culprit].error = str(error)
        return culprit + 1
    return len(seen)


def ended_at(seen: Sequence[Seen], newest: int) -> int:
    """The mutant that a reader process ended at: the newest that was shown, or, where all of it has been, the next."""
    return min(newest + seen[newest].sound_again, len(seen) - 1)


@contextmanager
def _opened(codec: str, units: list[AccessUnit]) -> Iterator[CameraReader]:
    """A reader process that is given these access units: handed over one by one, or, MPEG-4, as a file."""
    if codec == "h264":
        queue = UnitQueue(limit=len(units) + 1)
        with CameraReader(CameraRequest(UNITS_URL, PICTURE_PX, "fast"), queue) as reader:
            reader.opened()
            for unit in units:
                queue.put(unit)
            queue.close()
            yield reader
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutants.mkv"
        _write(path, codec, units)
        with CameraReader(CameraRequest(str(path), PICTURE_PX, "fast")) as reader:
            reader.opened()
            yield reader


def _write(path: Path, codec: str, units: list[AccessUnit]) -> None:
    """Matroska, whose milliseconds a picture's time is whole in. It holds pts alone: dts is what the muxer asks for,
    always rising and never past pts, also where packets come again."""
    milliseconds, later = Fraction(1, 1000), 1000
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=NS_PER_S // PICTURE_NS)
        stream.width = stream.height = PICTURE_PX
        stream.pix_fmt, stream.time_base = "yuv420p", milliseconds
        for count, unit in enumerate(units):
            packet = av.Packet(unit.data)
            packet.stream, packet.time_base = stream, milliseconds
            packet.pts, packet.dts = unit.pts_ns // NS_PER_MS + later, count
            packet.is_keyframe = unit.is_key
            container.mux(packet)
