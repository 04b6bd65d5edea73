"""Pictures on their way from a caller to a reader process, which encodes them. Never blocks the caller.

A message is `MGP1`, two times, a size and the bytes of the picture; the reader's end checks it as it checks all.
"""

from __future__ import annotations

import struct
import threading
from collections import deque
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from magno.runtime.camera.request import CameraError
from magno.runtime.clock import Clock

LIMIT = 2  # one that is being written and one that waits: an older picture is worth less than a newer one
HEAD = struct.Struct("<4sqqHHB")  # magic, pts_ns, capture_ns, height, width, channels
MAGIC = b"MGP1"
CHANNELS = (1, 3)  # grey; red, green, blue
MIN_SIDE_PX, MAX_SIDE_PX = 16, 8192
MAX_PIXELS = 8192 * 4608  # as many as the decoder takes
MAX_TIME_NS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture that somebody else took."""

    pixels: np.ndarray  # (H, W, 3) uint8 RGB, or (H, W) uint8 grey
    pts_ns: int
    capture_ns: int


class NewestPictures:
    """Bounded; the newest win. When it is full, the oldest that waits makes place. Every drop is counted.

    A picture left out here breaks no chain: the next is encoded against the last that was, so its vectors tell
    of all that moved between the two.
    """

    def __init__(self, clock: Clock, limit: int = LIMIT) -> None:
        self._clock = clock
        self._waiting: deque[Picture] = deque(maxlen=limit)
        self._changed = threading.Condition()
        self._last_ns: int | None = None  # time of the newest picture that was taken
        self._closed = False
        self.dropped = 0

    def put(self, pixels: np.ndarray, pts_ns: int, capture_ns: int | None = None) -> bool:
        """Take a copy of one picture, (H, W, 3) uint8 RGB or (H, W) uint8 grey, captured now or at `capture_ns`.

        Callable from any thread, never waits. False: it was dropped, since the queue is closed or its time is not
        after the last one's. Raises CameraError for what is no picture.
        """
        fault = fault_of(pixels)
        if fault is None and not (isinstance(pts_ns, (int, np.integer)) and abs(int(pts_ns)) <= MAX_TIME_NS):
            fault = f"A picture's time wants whole nanoseconds of 64 bits, found {pts_ns!r:.40}. Convert it first."
        if fault is not None:
            raise CameraError(fault)
        captured_ns = self._clock.now_ns() if capture_ns is None else capture_ns
        picture = Picture(pixels.copy(order="C"), int(pts_ns), captured_ns)
        with self._changed:
            if self._closed or (self._last_ns is not None and pts_ns <= self._last_ns):
                self.dropped += 1
                return False
            self.dropped += len(self._waiting) == self._waiting.maxlen
            self._last_ns = pts_ns
            self._waiting.append(picture)
            self._changed.notify_all()
            return True

    def send(self, pipe: BinaryIO, over: threading.Event) -> bool:
        """Write the oldest picture, waiting for it; False: there will be none, or `over` was set and `wake` called.
        Raises OSError when nobody reads any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed or over.is_set())
            if not self._waiting or over.is_set():
                return False
            picture = self._waiting.popleft()
        try:
            write_picture(pipe, picture)
        except OSError:
            self.dropped += 1
            raise
        return True

    def begin_anew(self) -> None:
        """Another encoder takes over; it may begin with any picture."""

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """No more will come; what waits is still taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def fault_of(pixels: np.ndarray) -> str | None:
    """What keeps an array from being a picture, as a sentence; None: nothing does."""
    wanted = "A camera's picture wants (H, W, 3) uint8 RGB or (H, W) uint8 grey"
    if not isinstance(pixels, np.ndarray):
        return f"{wanted}, found {type(pixels).__name__}. Make it a numpy array."
    grey = pixels.ndim == 2
    if pixels.dtype != np.uint8 or not (grey or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        return f"{wanted}, found {pixels.shape} {pixels.dtype}. Convert it first."
    height, width = pixels.shape[:2]
    if not is_size(width, height):
        return (
            f"{wanted} of {MIN_SIDE_PX} to {MAX_SIDE_PX} px a side, found {width}x{height}. Scale it first."
        )
    return None


def is_size(width: int, height: int) -> bool:
    """Whether pictures may be of this size."""
    smallest, largest = sorted((width, height))
    return smallest >= MIN_SIDE_PX and largest <= MAX_SIDE_PX and width * height <= MAX_PIXELS


def write_picture(stream: BinaryIO, picture: Picture) -> None:
    """Write and flush one picture. Raises OSError when nobody reads any more."""
    height, width, *rest = picture.pixels.shape
    stream.write(HEAD.pack(MAGIC, picture.pts_ns, picture.capture_ns, height, width, rest[0] if rest else 1))
    stream.write(picture.pixels.data)
    stream.flush()


def read_picture(stream: BinaryIO) -> Picture | None:
    """The next picture; None at the end of the stream. Raises CameraError for what is none."""
    start = stream.read(HEAD.size)
    if len(start) < HEAD.size:
        return None
    magic, pts_ns, capture_ns, height, width, channels = HEAD.unpack(start)
    if magic != MAGIC or channels not in CHANNELS or not is_size(width, height):
        raise CameraError(
            "The reader process wanted a picture, found garbage; hand pictures over through NewestPictures."
        )
    data = stream.read(height * width * channels)
    if len(data) < height * width * channels:
        return None
    shape = (height, width) if channels == 1 else (height, width, channels)
    return Picture(np.frombuffer(data, np.uint8).reshape(shape), pts_ns, capture_ns)
