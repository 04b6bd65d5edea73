"""One camera's thread: reader process -> windows -> features -> encoder -> the engine's inbox.

Knows the encoder, but not the language model.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from magno.runtime.camera.feed import Feed
from magno.runtime.camera.reader import CameraReader
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.clock import NS_PER_S, Clock
from magno.runtime.encoder import Encoder
from magno.runtime.features import keyframe_pixels, window_arrays
from magno.runtime.inbox import Inbox
from magno.runtime.spec import CodecSpec
from magno.runtime.stream import Encoded
from magno.runtime.units import CodecFrame, MagnoError, SpanKind
from magno.runtime.window import FusedWindow, Keyframe, Windower

RETRY_S = 1.0  # between two attempts at a camera that was lost
RATE_PICTURES = 32  # the rate is measured over so many

log = logging.getLogger("magno.camera")


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """One camera, as seen now."""

    name: str
    state: str  # "opening", "streaming", "ended" or "lost"
    pictures_received: int
    pictures_dropped: int
    pictures_per_second: float
    newest_capture_ns: int | None  # of the newest picture in the cache
    cached_tokens: int
    error: str  # one sentence, when lost


class Watcher:
    """Watches one camera from `open` until `close`; its items come out of `inbox`."""

    def __init__(
        self,
        name: str,
        request: CameraRequest,
        encoder: Encoder,
        codec: CodecSpec,
        clock: Clock,
        wake: Callable[[], None],
        feed: Feed | None = None,
        windows: str = "fixed",
    ) -> None:
        self.name, self.request, self._feed = name, request, feed
        self.inbox = Inbox(wake)
        self._encoder, self._codec, self._clock, self._wake = encoder, codec, clock, wake
        self._windower = Windower(
            codec.window_pictures,
            codec.windows_per_gop,
            keyframes_only=request.keyframes_only or not encoder.has_windows,
            b_frames=request.b_frames,
            adaptive=codec if windows == "adaptive" else None,
        )
        self._state, self._error = "opening", ""
        self._received = self._dropped = 0
        self._next_sequence = 0
        self._arrivals: deque[int] = deque(maxlen=RATE_PICTURES)
        self._left_out = 0  # pictures that the language model could not take: counted by its owner's thread
        self._left_out_before = 0  # what `_left_out` was when the chain was last broken for it
        self._over = False  # nothing more will come
        self._stopping = threading.Event()
        self._reader: CameraReader | None = None
        self._thread = threading.Thread(target=self._run, name=f"magno-watch-{name}", daemon=True)

    def open(self) -> None:
        """Open the camera and begin. Raises CameraError."""
        self._open_reader()
        self._state = "streaming"
        self._thread.start()

    @property
    def pictures_dropped(self) -> int:
        return self._dropped + self._left_out + (self._feed.dropped if self._feed else 0)

    @property
    def finished(self) -> bool:
        """Nothing more will come, and all that came was taken."""
        return self._over and self._state in ("ended", "lost") and not len(self.inbox)

    @property
    def stopped(self) -> bool:
        """It was told to close, perhaps before its end."""
        return self._stopping.is_set()

    @property
    def error(self) -> str:
        return self._error

    def lose(self, item: Encoded) -> None:
        """The language model could not take this item: what follows needs a new anchor."""
        self._left_out += item.pictures

    def status(self, newest_capture_ns: int | None, cached_tokens: int) -> CameraStatus:
        arrivals = list(self._arrivals)
        recent = len(arrivals) > 1 and self._state == "streaming"
        span_ns = self._clock.now_ns() - arrivals[0] if recent else 0
        rate = (len(arrivals) - 1) * NS_PER_S / span_ns if span_ns > 0 else 0.0
        return CameraStatus(
            self.name,
            self._state,
            self._received,
            self.pictures_dropped,
            rate,
            newest_capture_ns,
            cached_tokens,
            self._error,
        )

    def close(self) -> None:
        self._stopping.set()
        self.inbox.close()
        if self._reader is not None:
            self._reader.kill()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        reader = self._reader
        while reader is not None:
            try:
                with reader:
                    self._watch(reader)
                self._state = "ended"
                break
            except MagnoError as error:
                self._lose_camera(str(error))
            except Exception as error:  # a fault of ours must not leave a camera that looks alive
                log.exception("camera %s failed", self.name)
                self._lose_camera(f"The camera's thread has a fault ({type(error).__name__}): see the log.")
            reader = self._reopen() if self.request.pace == "live" else None
        self._over = True
        self._wake()

    def _lose_camera(self, error: str) -> None:
        if not self._stopping.is_set():
            self._state, self._error = "lost", error
            log.warning("camera %s: %s", self.name, error)

    def _watch(self, reader: CameraReader) -> None:
        self._state, self._error = "streaming", ""
        for frame in reader.frames():
            self._count(frame)
            if self._left_out != self._left_out_before:
                self._left_out_before = self._left_out
                self._windower.break_chain()
            for item in self._windower.step(frame):
                self._hand_on(item)
        for item in self._windower.flush():
            self._hand_on(item)

    def _reopen(self) -> CameraReader | None:
        """A new reader once the camera can be opened again; None when told to stop."""
        while not self._stopping.wait(RETRY_S):
            try:
                reader = self._open_reader()
            except Exception as error:  # whatever it was, the next attempt may find it gone
                self._error = str(error)
                continue
            self._windower.break_chain()
            self._next_sequence = 0
            return reader
        return None

    def _open_reader(self) -> CameraReader:
        """A reader whose source is open, known to `close` from its start. Raises CameraError."""
        try:
            reader = self._reader = CameraReader(self.request, self._feed)
        except OSError as error:  # processes, descriptors or memory have run out
            raise CameraError(
                f"The camera wants a reader process, found none to be had ({error}). Try again later."
            ) from error
        try:
            if self.stopped:  # `close` may have come before there was a reader to kill
                raise CameraError("The camera wanted to be opened, found itself closed. Watch it again.")
            reader.opened()
        except BaseException:
            reader.close()
            raise
        return reader

    def _count(self, frame: CodecFrame) -> None:
        lost = max(0, frame.sequence - self._next_sequence)
        self._received += 1 + lost
        self._dropped += lost
        self._next_sequence = frame.sequence + 1
        self._arrivals.append(self._clock.now_ns())

    def _hand_on(self, item: Keyframe | FusedWindow) -> None:
        may_wait = self.request.pace == "fast"
        # A full inbox means that time is short: none of it goes into encoding what will be dropped.
        if (may_wait or not self.inbox.is_full) and self.inbox.put(self._encode(item), wait=may_wait):
            return
        self._dropped += 1 if isinstance(item, Keyframe) else item.displacement.pictures
        self._windower.break_chain()

    def _encode(self, item: Keyframe | FusedWindow) -> Encoded:
        frame = item.frame
        if isinstance(item, Keyframe):
            rows = self._encoder.keyframe(keyframe_pixels(frame.picture))[0]
            return Encoded(SpanKind.KEYFRAME, rows, item.gop, frame.pts_ns, frame.capture_ns, 1)
        rows = self._encoder.window(*window_arrays(item, self._codec))[0]
        pictures = item.displacement.pictures
        return Encoded(SpanKind.WINDOW, rows, item.gop, frame.pts_ns, frame.capture_ns, pictures)
