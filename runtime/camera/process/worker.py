"""The reader process: opens one source, decodes it, writes CodecFrames to its standard output.

    MAGNO_CAMERA_REQUEST='{"url": "clip.mp4", "picture_px": 128}' python -m magno.runtime.camera.process.worker

A process of its own, since what it decodes is hostile: it may crash or hang, and takes nothing with it. Its owner
is `reader.CameraReader`. It ends when its standard output closes.

A camera that cannot be opened, or goes, is tried again here, so that its return costs no start of a process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace

from magno.runtime.camera.caps import Caps
from magno.runtime.camera.decoders import open_decoder
from magno.runtime.camera.network.families import without_password
from magno.runtime.camera.process.outbox import Outbox
from magno.runtime.camera.process.pulse import Pulse
from magno.runtime.camera.process.wire import Ended, Failed, Lost, Opened
from magno.runtime.camera.request import REQUEST_VARIABLE, CameraError, CameraRequest
from magno.runtime.camera.sources import SOURCES, Source, is_live, kind_of, open_source
from magno.runtime.clock import NS_PER_S, WallClock
from magno.runtime.spec import SpecError, from_dict
from magno.runtime.units import AccessUnit, CodecFrame

RETRY_S = 1.0  # from one attempt at an absent camera to the next
DECODE_S = 2.0  # no access unit takes longer, unless the decoder is stuck


class Camera:
    """One source on its way to the outbox; opened as often as it takes."""

    def __init__(self, request: CameraRequest, outbox: Outbox, pulse: Pulse) -> None:
        self._request, self._outbox, self._pulse = request, outbox, pulse
        self._clock = WallClock()
        until_s = None if request.loop else request.until_s
        self._until_ns = None if until_s is None else int(until_s * NS_PER_S)
        self._first_sequence = self._next_sequence = 0  # of this opening, of the next picture
        self._decode_ns = 0

    def read(self) -> None:
        """Decode the source to its end into the outbox. Raises CameraError."""
        if self._once():
            self._outbox.put(Ended(self._outbox.dropped, self._decode_ns))

    def read_for_ever(self) -> None:
        """Decode a camera into the outbox whenever it is there, until nobody listens."""
        while not self._outbox.is_gone:
            began_ns = self._clock.now_ns()
            try:
                self._once()
                lost = (
                    f"Wanted {without_password(self._request.url)} to go on, found its end. It is waited for."
                )
            except CameraError as error:
                lost = str(error)
            # A gap: what comes next is not chained to what was before.
            self._first_sequence = self._next_sequence + 1
            self._outbox.put(Lost(lost))
            self._pulse.rest()
            self._clock.sleep_until_ns(began_ns + int(RETRY_S * NS_PER_S))

    def _once(self) -> bool:
        """Open and decode to the end; False: the engine has gone. Raises CameraError."""
        kind = SOURCES.get(kind_of(self._request.url))
        self._pulse.wait_for("the source to open", kind.open_s if kind else None)
        source = open_source(self._request, self._clock)
        try:
            decoder = open_decoder(source, self._request)
            caps = Caps(decoder.caps, source.time_from)
            self._pulse.rest()
            self._outbox.put(Opened(source.codec, source.size, source.rate, source.container, caps))
            for unit in self._units(source, kind.read_s if kind else None):
                self._pulse.wait_for("an access unit to be decoded", DECODE_S)
                began_ns = self._clock.now_ns()
                frames = decoder.decode(unit)
                self._decode_ns += self._clock.now_ns() - began_ns
                if not self._hand_on(frames):
                    return False
            return self._hand_on(decoder.flush())
        finally:
            source.close()

    def _units(self, source: Source, within_s: float | None) -> Iterator[AccessUnit]:
        units = source.units()
        while True:
            self._pulse.wait_for("an access unit to come", within_s)
            unit = next(units, None)
            if unit is None:
                return
            yield unit

    def _hand_on(self, frames: list[CodecFrame]) -> bool:
        """False: the engine has gone."""
        self._pulse.rest()
        for frame in frames:
            if self._until_ns is not None and frame.pts_ns > self._until_ns:
                continue
            if self._first_sequence:
                frame = replace(frame, sequence=self._first_sequence + frame.sequence)
            self._next_sequence = frame.sequence + 1
            if not self._outbox.put(frame):
                return False
        return not self._outbox.is_gone


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's to answer: it ends this process
    # Only messages may reach the pipe: whatever a library prints goes to standard error.
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        request = from_dict(CameraRequest, json.loads(os.environ[REQUEST_VARIABLE]), "camera request")
    except (KeyError, ValueError, SpecError, CameraError) as error:
        print(
            f"A reader process wants a camera request as JSON in {REQUEST_VARIABLE}, found: {error}",
            file=sys.stderr,
        )
        return 2
    pulse = Pulse(WallClock())
    outbox = Outbox(pipe, pulse, live=request.pace == "live")
    camera = Camera(request, outbox, pulse)
    try:
        if is_live(request):
            camera.read_for_ever()
        else:
            camera.read()
    except CameraError as error:
        outbox.put(Failed(str(error)))
    except Exception as error:  # the boundary of a process: its owner hears one sentence, whatever it was
        sentence = " ".join(str(error).split())[:300]
        outbox.put(
            Failed(
                f"Wanted to read {without_password(request.url)}, found {type(error).__name__}: {sentence}. "
                "Please report this, with the file."
            )
        )
    outbox.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
