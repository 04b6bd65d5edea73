"""Run by a Python that has gi: plays a GStreamer pipeline, writes what its appsink gets to standard output.

    MAGNO_PIPELINE='videotestsrc ! x264enc ! appsink name=sink' /usr/bin/python3 -I gstreamer_feed.py live CAPS

gi comes from the distribution, for the distribution's Python, and a virtual environment may have another; a crash in
a plugin takes nothing but this process. So it imports nothing of magno. The pipeline may hold a password, so it comes
in the environment, which other users cannot read. A message is a head (HEAD) and its bytes. The process ends when its
standard input closes. A live pipeline cannot wait: what the reader is too slow to take is dropped up to the next intra
picture, and told of as a gap; one that is not live waits.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
from collections import deque
from typing import Any, BinaryIO

# Kind, pts_ns, capture_ns (0: unknown), whether it is a key, bytes that follow.
HEAD = struct.Struct("<4sqqBI")
VARIABLE = "MAGNO_PIPELINE"
OPENED, UNIT, GAP, ERROR, NO_GI = b"MGSO", b"MGSU", b"MGSG", b"MGSE", b"MGSN"
CAPS = "video/x-h264,stream-format=byte-stream,alignment=au"
RAW_CAPS = "video/x-raw,format=NV12"  # for an encoder of our own
LIMIT = 8  # units that wait, and buffers that the appsink holds
LOOK_NS = 100_000_000
GOODBYE_S = 2.0

Message = tuple[bytes, int, int, bool, bytes]


class Outbox:
    """Messages on their way to standard output, from a thread of its own. Bounded; drops to the next intra picture."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: deque[Message] = deque()
        self._changed = threading.Condition()
        self._dropped = 0  # units since the newest that was taken
        self._over = self.gone = False
        self._writer = threading.Thread(target=self._write, daemon=True)
        self._writer.start()

    def put(self, message: Message, *, wait: bool, after_gap: bool = False) -> None:
        """Take a message. When the box is full, it waits, or the message is dropped."""
        kind, pts_ns, capture_ns, is_key, _ = message
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: len(self._waiting) < LIMIT or self.gone)
            elif len(self._waiting) >= LIMIT or (self._dropped and not is_key):
                self._dropped += 1
                return
            if kind == UNIT and (self._dropped or after_gap):
                self._waiting.append((GAP, pts_ns, capture_ns, False, str(self._dropped).encode()))
                self._dropped = 0
            self._waiting.append(message)
            self._changed.notify_all()

    def close(self) -> None:
        """Send what waits."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._writer.join()

    def _write(self) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting or self._over)
                    if not self._waiting:
                        return
                    kind, pts_ns, capture_ns, is_key, data = self._waiting.popleft()
                    self._changed.notify_all()
                self._stream.write(HEAD.pack(kind, pts_ns, capture_ns, is_key, len(data)) + data)
                self._stream.flush()
        except OSError:  # nobody reads any more
            pass
        finally:
            with self._changed:
                self.gone = True
                self._changed.notify_all()


class Feed:
    """One pipeline, from its start to its end."""

    def __init__(self, gst: Any, text: str, caps: str, *, paced: bool) -> None:
        self._gst, self._paced = gst, paced
        self._pipeline = gst.parse_launch(text)
        self._sink = self._pipeline.get_by_name("sink")
        self._sink.set_property("caps", gst.Caps.from_string(caps))
        self._sink.set_property("max-buffers", LIMIT)
        self._bus = self._pipeline.get_bus()
        self._told = False  # what the stream is
        self._last_ns = -1

    def play(self, outbox: Outbox) -> None:
        """Hand on every unit until the stream ends or nobody reads. Raises RuntimeError, the pipeline's fault."""
        gst = self._gst
        try:
            live = self._pipeline.set_state(gst.State.PAUSED) == gst.StateChangeReturn.NO_PREROLL
            self._sink.set_property("sync", self._paced and not live)
            self._pipeline.set_state(gst.State.PLAYING)
            while not outbox.gone:
                sample = self._sink.emit("try-pull-sample", LOOK_NS)
                message = self._bus.pop_filtered(gst.MessageType.ERROR)
                if message is not None:
                    raise RuntimeError(f"{message.src.get_name()}: {message.parse_error()[0].message}")
                if sample is not None:
                    self._hand_on(sample, outbox, live)
                elif self._sink.get_property("eos"):
                    return
        finally:
            self._pipeline.set_state(gst.State.NULL)

    def _hand_on(self, sample: Any, outbox: Outbox, live: bool) -> None:
        buffer, flags = sample.get_buffer(), self._gst.BufferFlags
        running_ns = sample.get_segment().to_running_time(self._gst.Format.TIME, buffer.pts)
        if not 0 <= running_ns < 1 << 62:  # a buffer without a time
            running_ns = self._last_ns + 1
        self._last_ns = max(self._last_ns, running_ns)
        capture_ns = self._capture_ns(running_ns) if live else 0
        damaged = buffer.has_flags(flags.DISCONT) or buffer.has_flags(flags.CORRUPTED)
        if not self._told:
            self._told, damaged = True, False
            outbox.put((OPENED, 0, 0, False, _described(sample.get_caps().get_structure(0))), wait=True)
        is_key = not buffer.has_flags(flags.DELTA_UNIT)
        unit = (UNIT, running_ns, capture_ns, is_key, buffer.extract_dup(0, buffer.get_size()))
        outbox.put(unit, wait=not live, after_gap=damaged)

    def _capture_ns(self, running_ns: int) -> int:
        """When it was captured, on the monotonic clock; 0 when the pipeline follows another."""
        clock = self._pipeline.get_clock()
        is_monotonic = (
            isinstance(clock, self._gst.SystemClock)
            and clock.get_property("clock-type") == self._gst.ClockType.MONOTONIC
        )
        return int(self._pipeline.get_base_time() + running_ns) if is_monotonic else 0


def _described(caps: Any) -> bytes:
    known, top, bottom = caps.get_fraction("framerate")
    rate = top / bottom if known and bottom else 0.0
    size = [caps.get_int("width")[1], caps.get_int("height")[1]]
    return json.dumps({"size": size, "rate": rate}).encode()


def _end_with_input() -> None:
    while os.read(0, 1 << 12):  # not through sys.stdin, whose lock would be in the way of an ordinary end
        pass
    os._exit(0)  # the pipeline may be stuck, and its devices are the kernel's to free


def main() -> int:
    outbox = Outbox(sys.stdout.buffer)
    try:
        import gi

        gi.require_version("Gst", "1.0")
        from gi.repository import GLib, Gst
    except (ImportError, ValueError) as error:
        outbox.put((NO_GI, 0, 0, False, str(error).encode()[:500]), wait=True)
        outbox.close()
        return 0
    Gst.init(None)
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        Feed(Gst, os.environ[VARIABLE], sys.argv[2], paced=sys.argv[1] == "live").play(outbox)
    except (GLib.Error, RuntimeError) as error:
        text = getattr(error, "message", None) or str(error)
        outbox.put((ERROR, 0, 0, False, text.encode()[:500]), wait=True)
    outbox.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
