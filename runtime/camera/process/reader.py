"""The engine's end of a reader process: start it, take its CodecFrames, end it. Knows no codec library."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, cast

from magno.runtime.camera.process.feed import Feed
from magno.runtime.camera.process.pipe import PatientPipe, Silence
from magno.runtime.camera.process.wire import Ended, Failed, Lost, Message, Opened, read_message
from magno.runtime.camera.request import REQUEST_VARIABLE, CameraError, CameraRequest
from magno.runtime.camera.sources import STANDARD_INPUT
from magno.runtime.spec import to_dict
from magno.runtime.units import CodecFrame

# Not `-m`, which looks into the folder that somebody happens to stand in first: it may hold a `magno`, or an `av.py`.
WORKER = (
    "import sys; sys.path[:] = filter(None, sys.path); "
    "from magno.runtime.camera.process.worker import main; sys.exit(main())"
)
GOODBYE_S = 2.0
START_S = 10.0  # until a process says its first word: Python and its libraries come from a disk
SILENCE_S = 0.25  # one that lives and is not stuck says something every 0.1 s; with a look at it, 0.35 s


class CameraReader:
    """Owns one reader process. `opened` waits for the source; `frames` yields until it ends or is closed."""

    def __init__(self, request: CameraRequest, feed: Feed | None = None) -> None:
        """`feed` is what a source `units://` or `pictures://` reads; it outlives the process, so that the next can
        go on."""
        self.request = request
        # Known once the stream has ended:
        self.dropped = 0  # pictures the process could not hand over
        self.decode_ns = 0  # what all pictures cost the process, from packet to CodecFrame
        # Not on the command line, which every user of the machine can read: a url may hold a password.
        environment = {**os.environ, REQUEST_VARIABLE: json.dumps(to_dict(request))}
        command = [sys.executable, "-c", WORKER]
        reading, writing = os.pipe()
        try:
            self._process = subprocess.Popen(
                command, stdin=_input_of(request, feed), stdout=writing, env=environment
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._pipe = PatientPipe(reading, self._process.pid, START_S)
        self._closed = threading.Event()
        self._feed = feed
        self._feeder: threading.Thread | None = None
        if feed is not None:
            feed.begin_anew()
            self._feeder = threading.Thread(
                target=self._hand_over, args=(feed,), name="magno-feed", daemon=True
            )
            self._feeder.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def opened(self) -> Opened:
        """What the source is. Raises CameraError when it cannot be read."""
        for message in self.messages():
            if isinstance(message, Opened):
                return message
            if isinstance(message, Lost):
                raise CameraError(message.error)
        raise CameraError("The camera wanted a stream, found its end before its beginning. Start it again.")

    def frames(self) -> Iterator[CodecFrame]:
        """Every picture until the stream's end. Raises CameraError when the source or its process fails."""
        for message in self.messages():
            if isinstance(message, CodecFrame):
                yield message
            elif isinstance(message, Lost):
                raise CameraError(message.error)

    def messages(self) -> Iterator[Opened | Lost | CodecFrame]:
        """All that is heard of the camera until its stream ends: one that is live goes and comes, and has no end.

        Raises CameraError when the source fails, and when its process dies or falls silent.
        """
        while True:
            message = self._message()
            self._pipe.patience_s = SILENCE_S
            if isinstance(message, Opened | Lost | CodecFrame):
                yield message
            elif isinstance(message, Ended):
                self.dropped, self.decode_ns = message.dropped, message.decode_ns
                return
            elif isinstance(message, Failed):
                raise CameraError(message.error)
            elif message is None:
                raise self._died()

    def _message(self) -> Message | None:
        try:
            return read_message(self._pipe)
        except Silence:
            raise CameraError(
                "The camera wanted its reader process to say that it is well, found it "
                "silent (stuck, stopped, or kept from running for long); start it again."
            ) from None

    def kill(self) -> None:
        """End the process at once; a thread that waits in `frames` gets a CameraError. Callable from any thread."""
        self._process.kill()

    def close(self) -> None:
        """End the process and free the pipe. Only the thread that reads may call this."""
        self._process.kill()
        self._closed.set()
        self._pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # the kernel holds it: it ends once that lets go
            self._process.wait(GOODBYE_S)
        if self._feed is not None and self._feeder is not None:
            self._feed.wake()
            self._feeder.join(GOODBYE_S)

    def _hand_over(self, feed: Feed) -> None:
        """Hand on what a caller puts in until there are no more, or nobody takes them."""
        pipe = cast(BinaryIO, self._process.stdin)
        with contextlib.suppress(OSError), pipe:
            while feed.send(pipe, self._closed):
                pass

    def _died(self) -> CameraError:
        try:
            code = self._process.wait(GOODBYE_S)
        except subprocess.TimeoutExpired:  # it closed the pipe and lives
            self._process.kill()
            code = self._process.wait(GOODBYE_S)
        return CameraError(
            f"The camera wanted its reader process to live, found it gone (code {code}); start it again."
        )

    def __enter__(self) -> CameraReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _input_of(request: CameraRequest, feed: Feed | None) -> int | None:
    if feed is not None:
        return subprocess.PIPE
    return None if request.url == STANDARD_INPUT else subprocess.DEVNULL
