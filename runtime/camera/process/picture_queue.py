"""Pictures on their way from a caller to a reader process, which encodes them. Never blocks the caller.

A message is `MGP1`, two times, a size and the bytes of the picture, or `MGJ1`, two times, a count and a JPEG's bytes;
the reader's end checks it as it checks all.
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
JPEG_HEAD = struct.Struct("<4sqqIx")  # magic, pts_ns, capture_ns, bytes; as long as the other
JPEG_MAGIC = b"MGJ1"
JPEG_START = b"\xff\xd8"
MAX_JPEG_BYTES = 16 << 20
CHANNELS = (1, 3)  # grey; red, green, blue
MIN_SIDE_PX, MAX_SIDE_PX = 16, 8192
MAX_PIXELS = 8192 * 4608  # as many as the decoder takes
MAX_TIME_NS = 2**63 - 1
GARBAGE = "The reader process wanted a picture, found garbage; hand pictures over through NewestPictures."


@dataclass(frozen=True, slots=True)
class Jpeg:
    """A picture as its camera coded it. Hostile: the reader process decodes it, and nobody else."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture that somebody else took."""

    pixels: np.ndarray | Jpeg  # (H, W, 3) uint8 RGB, or (H, W) uint8 grey
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

    def put(self, pixels: np.ndarray | Jpeg, pts_ns: int, capture_ns: int | None = None) -> bool:
        """Take a copy of one picture, (H, W, 3) uint8 RGB, (H, W) uint8 grey or a JPEG, captured now or at
        `capture_ns`.

        Callable from any thread, never waits. False: it was dropped, since the queue is closed or its time is not
        after the last one's. Raises CameraError for what is no picture; a JPEG that begins as one and is none is left
        out by the reader process, which says so.
        """
        fault = fault_of(pixels)
        if fault is None and not (isinstance(pts_ns, (int, np.integer)) and abs(int(pts_ns)) <= MAX_TIME_NS):
            fault = f"A picture's time wants whole nanoseconds of 64 bits, found {pts_ns!r:.40}. Convert it first."
        if fault is not None:
            raise CameraError(fault)
        captured_ns = self._clock.now_ns() if capture_ns is None else capture_ns
        kept = pixels if isinstance(pixels, Jpeg) else pixels.copy(order="C")
        picture = Picture(kept, int(pts_ns), captured_ns)
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


def fault_of(pixels: np.ndarray | Jpeg) -> str | None:
    """What keeps it from being a picture, as a sentence; None: nothing that can be told without decoding."""
    if isinstance(pixels, Jpeg):
        found = jpeg_fault(pixels.data)
        return None if found is None else f"A camera's picture {found}"
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


def jpeg_fault(data: bytes) -> str | None:
    """What keeps bytes from beginning as a JPEG of a size that is taken, as the end of a sentence; None: nothing."""
    if data.startswith(JPEG_START) and len(data) <= MAX_JPEG_BYTES:
        return None
    return f"wants a JPEG of {MAX_JPEG_BYTES >> 20} MiB at most, found {len(data)} bytes that begin {data[:4]!r}."


def is_size(width: int, height: int) -> bool:
    """Whether pictures may be of this size."""
    smallest, largest = sorted((width, height))
    return smallest >= MIN_SIDE_PX and largest <= MAX_SIDE_PX and width * height <= MAX_PIXELS


def write_picture(stream: BinaryIO, picture: Picture) -> None:
    """Write and flush one picture. Raises OSError when nobody reads any more."""
    pixels, times = picture.pixels, (picture.pts_ns, picture.capture_ns)
    if isinstance(pixels, Jpeg):
        stream.write(JPEG_HEAD.pack(JPEG_MAGIC, *times, len(pixels.data)))
    else:
        height, width, *rest = pixels.shape
        stream.write(HEAD.pack(MAGIC, *times, height, width, rest[0] if rest else 1))
    stream.write(pixels.data)
    stream.flush()


def read_picture(stream: BinaryIO) -> Picture | None:
    """The next picture; None at the end of the stream. Raises CameraError for what is none."""
    start = stream.read(HEAD.size)
    if len(start) < HEAD.size:
        return None
    if start.startswith(JPEG_MAGIC):
        return _read_jpeg(stream, start)
    magic, pts_ns, capture_ns, height, width, channels = HEAD.unpack(start)
    if magic != MAGIC or channels not in CHANNELS or not is_size(width, height):
        raise CameraError(GARBAGE)
    data = stream.read(height * width * channels)
    if len(data) < height * width * channels:
        return None
    shape = (height, width) if channels == 1 else (height, width, channels)
    return Picture(np.frombuffer(data, np.uint8).reshape(shape), pts_ns, capture_ns)


def _read_jpeg(stream: BinaryIO, start: bytes) -> Picture | None:
    _, pts_ns, capture_ns, size = JPEG_HEAD.unpack(start)
    if size > MAX_JPEG_BYTES:
        raise CameraError(GARBAGE)
    data = stream.read(size)
    return None if len(data) < size else Picture(Jpeg(data), pts_ns, capture_ns)
