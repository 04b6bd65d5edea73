"""A recorded camera topic as a camera: `*.mcap`, read message by message as the live topic would be.

The stream's time is the messages' own stamps (where one has none, when it was recorded), from the topic's first
message on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.encode import PictureEncoder
from magno.runtime.camera.handed import from_first_anchor
from magno.runtime.camera.jpeg import JpegDecoder
from magno.runtime.camera.process.picture_queue import MAX_TIME_NS, Jpeg, fault_of
from magno.runtime.camera.process.unit_queue import UnitQueue
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.camera.topic.mcap_file import McapFile
from magno.runtime.camera.topic.messages import (
    H264,
    IMAGE,
    TOPIC_TYPES,
    Coded,
    found_format,
    reader_of,
    stamp_ns_of,
)
from magno.runtime.clock import NS_PER_S, Clock
from magno.runtime.units import AccessUnit, MagnoError

REORDER_NS = NS_PER_S  # a B-picture is shown no longer before what was recorded before it
NAMED = 8  # topics that an error names


def open_source(request: CameraRequest, clock: Clock) -> BagSource:
    return BagSource(request, clock)


class BagSource:
    """One topic of one bag. Raises CameraError when it has none."""

    container = "mcap"
    codec = PictureEncoder.codec
    extradata: bytes | None = None
    time_from = TimeFrom.CONTAINER
    size = (0, 0)
    rate = 0.0

    def __init__(self, request: CameraRequest, clock: Clock) -> None:
        if request.loop:
            raise CameraError("A loop wants a video file, found a bag. Leave out the loop.")
        self._request, self._clock = request, clock
        self._bag = McapFile(Path(request.url.removeprefix("file://")))
        try:
            types = self._bag.topics()
            self._topic = chosen_topic(types, request.topic)
        except BaseException:
            self._bag.close()
            raise
        self._type = types[self._topic]

    def units(self) -> Iterator[AccessUnit]:
        """Units in the order they were recorded, from the first that decoding may begin with, each not before its
        time when the pace is live.

        Raises CameraError for a damaged bag and for a message that is not what its topic should have.
        """
        return from_first_anchor(self._units())

    def close(self) -> None:
        self._bag.close()

    def _units(self) -> Iterator[AccessUnit]:
        queue, encoder = UnitQueue(), PictureEncoder()  # as a live topic's H.264 and pictures pass
        shown_ns = -1
        for pts_ns, coded in self._taken():
            if isinstance(coded, bytes):
                queue.put(AccessUnit(coded, pts_ns, self._clock.now_ns()))
                yield from queue.waiting()
            elif pts_ns > shown_ns:
                if (fault := fault_of(coded)) is not None:
                    raise CameraError(fault)
                shown_ns = pts_ns
                yield encoder.encode(coded, pts_ns, self._clock.now_ns())

    def _taken(self) -> Iterator[tuple[int, bytes | np.ndarray]]:
        """Each message's time from the first one on, in nanoseconds, and what it holds; when that time has come."""
        read: Callable[[object], Coded] | None = None
        decoder = JpegDecoder()
        first_ns, began_ns, until_ns = None, self._clock.now_ns(), until_ns_of(self._request)
        for recorded_ns, message in self._bag.messages(self._topic):
            try:
                stamp_ns = stamp_ns_of(message) or min(recorded_ns, MAX_TIME_NS)
                if read is None:
                    read = reader_of(self._type, H264 if self._type == IMAGE else found_format(message))
                coded = read(message)
                taken = decoder.pixels(coded) if isinstance(coded, Jpeg) else coded
            except MagnoError as fault:
                raise CameraError(f"A message of {self._topic} {fault}") from fault
            except Exception as fault:  # fields of other types than their names promise
                raise CameraError(f"A message of {self._topic} cannot be taken: {fault!r:.200}.") from fault
            first_ns = stamp_ns if first_ns is None else first_ns
            pts_ns = stamp_ns - first_ns
            if until_ns is not None and pts_ns > until_ns + REORDER_NS:
                return
            if self._request.pace == "live":
                self._clock.sleep_until_ns(began_ns + pts_ns)
            yield pts_ns, taken


def until_ns_of(request: CameraRequest) -> int | None:
    return None if request.until_s is None else int(request.until_s * NS_PER_S)


def chosen_topic(types: Mapping[str, str], wanted: str) -> str:
    """The topic that was asked for, or the only one with pictures. Raises CameraError.

    `types` are the bag's topics and the types of their messages.
    """
    cameras = [topic for topic, kind in types.items() if kind in TOPIC_TYPES]
    if wanted in cameras:
        return wanted
    if wanted in types:
        raise CameraError(
            f"The topic {wanted[:80]} wants a type of {', '.join(TOPIC_TYPES)}, found {types[wanted][:80] or 'none'}. "
            f"{'Name one of ' + listed(cameras) if cameras else 'Use another bag'}."
        )
    if wanted:
        raise CameraError(
            f"Wanted the topic {wanted[:80]}, found {listed(types)}. Name one that the bag has."
        )
    if not cameras:
        raise CameraError(
            f"A bag wants a topic of {', '.join(TOPIC_TYPES)}, found {listed(types)}. Record a camera's topic."
        )
    if len(cameras) > 1:
        raise CameraError(
            f"A bag with several cameras wants a topic named, found {listed(cameras)}. Name one."
        )
    return cameras[0]


def listed(topics: Iterable[str]) -> str:
    names = sorted(topics)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (", ".join(name[:80] for name in names[:NAMED]) or "no topic") + more
