"""One camera's thread: reader process -> windows -> features -> encoder -> the engine's inbox.

Knows the encoder, but not the language model.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.process.feed import Feed
from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.process.wire import Lost, Opened
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.camera.sources import is_live
from magno.runtime.clock import NS_PER_S, Clock
from magno.runtime.comeback import Restarts, Timeline
from magno.runtime.encoder import Encoder
from magno.runtime.encoding import encoded
from magno.runtime.energy import motion_energy
from magno.runtime.inbox import Inbox
from magno.runtime.pacer import Pacer
from magno.runtime.questions.standing import Sight
from magno.runtime.spec import ModelSpec
from magno.runtime.stream import Seen
from magno.runtime.tally import CameraStatus, Tally
from magno.runtime.tier import STRETCH, Tier
from magno.runtime.trace import NO_TRACE, Tracer, told_of
from magno.runtime.units import CodecFrame, Encoded, MagnoError, SpanKind
from magno.runtime.window import FusedWindow, Keyframe, Windower

PRESENT_S = 2.0  # that an absent camera is given to open, before it is watched as a lost one
FAULT = "The camera's thread has a fault ({}): see the log."

NUMBERS = itertools.count(1)  # of watchers: a camera that is watched anew begins anew

log = logging.getLogger("magno.camera")


class Gate(Protocol):
    """What every picture passes, on the camera's thread: a replay's lockstep."""

    def before(self, frame: CodecFrame) -> CodecFrame:
        """A picture came; what this returns is taken in its place."""

    def after(self) -> None:
        """A keyframe or window of it is in the inbox."""


class Watcher:
    """Watches one camera from `open` until `close`; its items come out of `inbox`."""

    def __init__(
        self,
        name: str,
        request: CameraRequest,
        encoder: Encoder,
        spec: ModelSpec,
        clock: Clock,
        wake: Callable[[], None],
        feed: Feed | None = None,
        windows: str = "fixed",
        *,
        tracer: Tracer = NO_TRACE,
        gate: Gate | None = None,
        peers: Callable[[], int] = lambda: 1,
    ) -> None:
        """`peers`: how many cameras share the language model, this one among them."""
        # A model without windows needs no vectors, so any codec will do.
        keyframes_only = request.keyframes_only or not encoder.has_windows
        self.name, self.request, self._feed = name, replace(request, keyframes_only=keyframes_only), feed
        self.inbox = Inbox(wake, tracer.trail(f"language {name}"))
        self._trail, self._gate = tracer.trail(f"camera {name}"), gate
        self._encoder, self._spec, self._clock, self._wake = encoder, spec, clock, wake
        codec = spec.codec
        self._windower = Windower(
            codec.window_pictures,
            codec.windows_per_gop,
            keyframes_only=keyframes_only,
            b_frames=request.b_frames,
            adaptive=codec if windows == "adaptive" else None,
        )
        self._tally = Tally(clock, paced=request.pace == "live")
        self.pacer = Pacer(codec, clock, peers, paced=request.pace == "live")
        self._timeline, self._restarts = Timeline(), Restarts()
        self._left_out = 0  # pictures that the language model could not take: counted by its owner's thread
        self._left_out_before = 0  # what `_left_out` was when the chain was last broken for it
        self._number = next(NUMBERS)
        self._over = False  # nothing more will come
        self._stopping = threading.Event()
        self._told = threading.Event()  # whether the camera could be opened is known
        self._was_open = False
        self._reader: CameraReader | None = None
        self._thread = threading.Thread(target=self._run, name=f"magno-watch-{name}", daemon=True)

    def open(self) -> None:
        """Begin. Raises CameraError when it cannot be opened; a live camera that is absent is a lost one instead."""
        live = is_live(self.request)
        self._thread.start()
        self._told.wait(PRESENT_S if live else None)
        if not live and not self._was_open:
            self._thread.join()
            raise CameraError(self._tally.error or "The camera wanted to be opened, found itself closed.")

    @property
    def pictures_dropped(self) -> int:
        return self._tally.dropped + self._left_out + (self._feed.dropped if self._feed else 0)

    @property
    def finished(self) -> bool:
        """Nothing more will come, and all that came was taken."""
        return self._over and self._tally.state in ("ended", "lost") and not len(self.inbox)

    @property
    def stopped(self) -> bool:
        """It was told to close, perhaps before its end."""
        return self._stopping.is_set()

    @property
    def error(self) -> str:
        return self._tally.error

    def lose(self, item: Encoded) -> None:
        """The language model could not take this item: what follows needs a new anchor."""
        self._left_out += item.pictures
        self.inbox.lose_first()

    def status(self, seen: Seen | None) -> CameraStatus:
        tally = self._tally
        return CameraStatus(
            self.name,
            tally.seen_state(),
            tally.received,
            self.pictures_dropped,
            tally.rate(),
            seen.capture_ns if seen else None,
            seen.cached_tokens if seen else 0,
            tally.error,
            tally.reconnects,
            tally.restarts,
            None if self._reader is None else self._reader.pid,
            tally.energy if tally.state == "streaming" else 0.0,
            seen.remembered_s if seen else 0.0,
            tally.cuts,
            seen.lost if seen else 0,
            self.pacer.tier.value,
            self.pacer.changes,
        )

    def sight(self, newest_pts_ns: int | None) -> Sight:
        """What it has seen, for whoever asks again once that is another."""
        return Sight(self._number, newest_pts_ns, self._tally.stirred, self._tally.cuts)

    def close(self) -> None:
        self._stopping.set()
        self.inbox.close()
        if self._reader is not None:
            self._reader.kill()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            began_ns = self._clock.now_ns()
            while not self._read_once() and self._may_restart(began_ns):
                self._tally.restarts += 1
                began_ns = self._clock.now_ns()
        finally:
            self._over = True
            self._told.set()
            self._wake()

    def _read_once(self) -> bool:
        """One reader process, to its end; False: it was lost."""
        try:
            with self._start_reader() as reader:
                self._watch(reader)
        except MagnoError as error:
            self._lose_camera(str(error))
        except Exception as error:  # a fault of ours must not leave a camera that looks alive
            log.exception("camera %s failed", self.name)
            self._lose_camera(FAULT.format(type(error).__name__))
        else:
            self._tally.ended()
            return True
        return False

    def _may_restart(self, began_ns: int) -> bool:
        """After a process that began then, wait until the next reader process may begin; False: there is to be none."""
        if self.request.pace != "live" or not (self._was_open or is_live(self.request)):
            return False
        lived_s = (self._clock.now_ns() - began_ns) / NS_PER_S
        return not self._stopping.wait(self._restarts.pause_s(lived_s))

    def _start_reader(self) -> CameraReader:
        """A reader process, known to `close` from its start. Raises CameraError."""
        try:
            reader = self._reader = CameraReader(self.request, self._feed)
        except OSError as error:  # processes, descriptors or memory have run out
            raise CameraError(
                f"The camera wants a reader process, found none to be had ({error}). Try again later."
            ) from error
        if self.stopped:  # `close` may have come before there was a reader to kill
            reader.kill()
        return reader

    def _watch(self, reader: CameraReader) -> None:
        openings = 0
        for message in reader.messages():
            if isinstance(message, Opened):
                self._begin(message)
                openings += 1
                self._tally.reconnects += openings > 1
            elif isinstance(message, Lost):
                self._lose_camera(message.error)
            else:
                self._take(message)
        for item in self._windower.flush():
            self._hand_on(item)

    def _begin(self, opened: Opened) -> None:
        """A stream begins, perhaps not the first."""
        self._tally.opened(opened)
        if self._was_open:
            self._tally.cut()
            self._windower.break_chain()
            if opened.caps.time_from not in (TimeFrom.CALLER, TimeFrom.ARRIVAL):
                self._timeline.begin_anew()
        self._was_open = True
        self._told.set()

    def _lose_camera(self, error: str) -> None:
        fresh = not self._stopping.is_set() and self._tally.lost(error)
        if fresh and (self._was_open or is_live(self.request)):  # else `open` raises it
            log.warning("camera %s: %s", self.name, error)
        self._told.set()

    def _take(self, frame: CodecFrame) -> None:
        if self._trail.is_on:
            self._trail.lap("read", **told_of(frame))
        frame = self._timeline.place(frame)
        if self._gate is not None:
            frame = self._gate.before(frame)
            self._trail.start()
        self._tally.count(frame)
        if self._left_out != self._left_out_before:
            self._left_out_before = self._left_out
            self._windower.break_chain()
        items = self.pacer.timed(None, lambda: self._windower.step(frame))
        self._trail.lap("window", items=len(items))
        for item in items:
            self._hand_on(item)
            self._count_motion(item)  # once it is in the inbox: who asks for it, sees it
        if (tier := self.pacer.step(self._tally.shown_rate())) is not None:
            self._change(tier, frame.pts_ns)

    def _change(self, tier: Tier, pts_ns: int) -> None:
        self._windower.pace(STRETCH[tier], keyframes_only=tier is Tier.KEYFRAMES)
        self._trail.lap("tier", tier=tier.value, pts_ns=pts_ns)
        log.info("camera %s: what this device has the time for is now: %s", self.name, tier.value)

    def _count_motion(self, item: Keyframe | FusedWindow) -> None:
        if isinstance(item, FusedWindow):
            lasted_ns = item.frame.pts_ns - item.before_pts_ns
            self._tally.moved(motion_energy(item.displacement, item.frame.size, lasted_ns), lasted_ns)
        elif item.is_cut:
            self._tally.cut()

    def _hand_on(self, item: Keyframe | FusedWindow) -> None:
        may_wait = self.request.pace == "fast"
        # A full inbox means that time is short: none of it goes into encoding what will be dropped.
        if (may_wait or not self.inbox.is_full) and self.inbox.put(self._encode(item), wait=may_wait):
            if self._gate is not None:
                self._gate.after()
                self._trail.start()
            return
        self._trail.lap("drop", pts_ns=item.frame.pts_ns)
        self.pacer.fell_behind()
        self._tally.dropped += 1 if isinstance(item, Keyframe) else item.displacement.pictures
        self._windower.break_chain()

    def _encode(self, item: Keyframe | FusedWindow) -> Encoded:
        kind = SpanKind.KEYFRAME if isinstance(item, Keyframe) else SpanKind.WINDOW
        done = self.pacer.timed(kind, lambda: encoded(item, self._encoder, self._spec))
        told = {"gop": done.gop, "pictures": done.pictures, "pts_ns": done.pts_ns, "cut": done.is_cut}
        self._trail.lap("encode", kind=kind.value, **told)
        return done
