"""The reader process: opens one source, decodes it, writes CodecFrames to its standard output.

    python -m magno.runtime.camera.worker '{"url": "clip.mp4", "picture_px": 128}'

A process of its own, since what it decodes is hostile: it may crash or hang, and takes nothing with it. Its owner
is `reader.CameraReader`. It ends when its standard output closes.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from typing import BinaryIO

from magno.runtime.camera.caps import Caps
from magno.runtime.camera.decoder import Decoder
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.camera.sources import open_source
from magno.runtime.camera.wire import Ended, Failed, Message, Opened, write_message
from magno.runtime.clock import NS_PER_S, WallClock
from magno.runtime.spec import SpecError, from_dict
from magno.runtime.units import CodecFrame

QUEUE_PICTURES = 8


class Outbox:
    """Messages on their way to the engine. A live camera drops its newest pictures when the engine is behind, and
    counts them (the gap in their sequence says so downstream); a file read fast waits."""

    def __init__(self, stream: BinaryIO, *, live: bool) -> None:
        self._queue: queue.Queue[Message | None] = queue.Queue(maxsize=QUEUE_PICTURES)
        self._stream, self._live = stream, live
        self._gone = threading.Event()
        self.dropped = 0
        self._writer = threading.Thread(target=self._write, daemon=True)
        self._writer.start()

    def put(self, message: Message) -> bool:
        """Send a message; False: the engine has gone."""
        droppable = self._live and isinstance(message, CodecFrame)
        while not self._gone.is_set():
            try:
                self._queue.put(message, timeout=0.0 if droppable else 0.2, block=not droppable)
                return True
            except queue.Full:
                if droppable:
                    self.dropped += 1
                    return True
        return False

    def close(self) -> None:
        """Send what is waiting."""
        while not self._gone.is_set():
            try:
                self._queue.put(None, timeout=0.2)
                break
            except queue.Full:
                continue
        self._writer.join()

    def _write(self) -> None:
        try:
            while (message := self._queue.get()) is not None:
                write_message(self._stream, message)
        except OSError:  # the engine closed the pipe: nobody listens any more
            pass
        finally:
            self._gone.set()


def read_camera(request: CameraRequest, outbox: Outbox) -> None:
    """Decode the source to its end into the outbox. Raises CameraError."""
    clock, decode_ns = WallClock(), 0
    source = open_source(request, clock)
    until_ns = None if request.until_s is None or request.loop else int(request.until_s * NS_PER_S)
    try:
        decoder = Decoder(
            source.codec, source.extradata, request.picture_px, keyframes_only=request.keyframes_only
        )
        caps = Caps(decoder.caps, source.time_from)
        outbox.put(Opened(source.codec, source.size, source.rate, source.container, caps))
        for unit in source.units():
            began_ns = clock.now_ns()
            frames = decoder.decode(unit)
            decode_ns += clock.now_ns() - began_ns
            if not _hand_on(frames, until_ns, outbox):
                return
        if _hand_on(decoder.flush(), until_ns, outbox):
            outbox.put(Ended(outbox.dropped, decode_ns))
    finally:
        source.close()


def _hand_on(frames: list[CodecFrame], until_ns: int | None, outbox: Outbox) -> bool:
    """False: the engine has gone."""
    wanted = (frame for frame in frames if until_ns is None or frame.pts_ns <= until_ns)
    return all(outbox.put(frame) for frame in wanted)


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's to answer: it ends this process
    # Only messages may reach the pipe: whatever a library prints goes to standard error.
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        request = from_dict(CameraRequest, json.loads(sys.argv[1]), "camera request")
    except (IndexError, ValueError, SpecError, CameraError) as error:
        print(f"A reader process wants a camera request as JSON, found: {error}", file=sys.stderr)
        return 2
    outbox = Outbox(pipe, live=request.pace == "live")
    try:
        read_camera(request, outbox)
    except CameraError as error:
        outbox.put(Failed(str(error)))
    except Exception as error:  # the boundary of a process: its owner hears one sentence, whatever it was
        sentence = " ".join(str(error).split())[:300]
        outbox.put(
            Failed(
                f"Wanted to read {request.url[:200]}, found {type(error).__name__}: {sentence}. "
                "Please report this, with the file."
            )
        )
    outbox.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
