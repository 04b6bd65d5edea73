"""A GStreamer pipeline as a camera, where GStreamer and its Python (gi) are installed.

    gst:nvarguscamerasrc ! nvv4l2h264enc insert-sps-pps=true               a Jetson's camera, encoded in hardware
    gst:v4l2src ! videoconvert ! x264enc tune=zerolatency                  without zerolatency x264enc is 2 s late

The text is the pipeline up to its encoder; parser and appsink are put behind it, unless it ends in an appsink named
`sink`. A pipeline is code of its operator's own: it can read any file and reach any host, so it comes from the
configuration alone. It is played by `gstreamer_feed`, in a process with a Python that has gi.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import BinaryIO, cast

from magno.runtime.camera import gstreamer_feed
from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.gstreamer_feed import (
    CAPS,
    ERROR,
    GAP,
    GOODBYE_S,
    HEAD,
    NO_GI,
    OPENED,
    RAW_CAPS,
    UNIT,
    VARIABLE,
)
from magno.runtime.camera.process.wire import MAX_SIDE_PX, MAX_UNIT_BYTES
from magno.runtime.camera.request import MAX_RATE, CameraError, CameraRequest
from magno.runtime.clock import NS_PER_S, Clock
from magno.runtime.units import AccessUnit

SCHEME = "gst:"
NAMED_SINK = re.compile(r"!\s*appsink\b[^!]*\bname\s*=\s*\"?sink\b[^!]*$")
TAIL = f" ! h264parse config-interval=-1 ! {CAPS} ! appsink name=sink"  # -1: parameter sets with every IDR
PASSWORDS = re.compile(
    r"(?<=://)[^\s/@]+(?=@)|(?<=user-pw=)(\"[^\"]*\"|\S+)|(?<=passphrase=)(\"[^\"]*\"|\S+)"
)
RAW_TAIL = " ! appsink name=sink"
SILENCE_S = 10.0  # without a unit for so long, the pipeline is stuck
MAX_AGE_NS = 10 * NS_PER_S
SYSTEM_PATH = "/usr/bin:/bin:/usr/local/bin"
PACKAGES = "python3-gi gir1.2-gstreamer-1.0 gstreamer1.0-plugins-{base,good,bad,ugly}"

log = logging.getLogger("magno.camera")


def open_source(request: CameraRequest, clock: Clock) -> GStreamerSource:
    return GStreamerSource(request, clock, command_for(request))


def command_for(request: CameraRequest, python: str | None = None) -> list[str]:
    """What plays the pipeline of a request. Raises CameraError when there is no Python for it."""
    return [python or python_with_gi(), "-I", gstreamer_feed.__file__, request.pace, CAPS]


def raw_command_for(request: CameraRequest) -> list[str]:
    """The same for a pipeline that ends in NV12 pictures."""
    return [python_with_gi(), "-I", gstreamer_feed.__file__, request.pace, RAW_CAPS]


def complete(text: str, tail: str = TAIL) -> str:
    """The whole pipeline of what a url says. Pure."""
    return text if NAMED_SINK.search(text) else text.rstrip(" !\n") + tail


def without_password(text: str) -> str:
    """The pipeline as it may be shown: who reads a log needs no password. Pure."""
    return PASSWORDS.sub("...", text)[:200]


def python_with_gi() -> str:
    """This Python when it has gi, else the distribution's, which gi is packaged for. Raises CameraError."""
    found = sys.executable if importlib.util.find_spec("gi") else shutil.which("python3", path=SYSTEM_PATH)
    if found is None:
        raise CameraError(
            f"GStreamer wants the system's python3, found none. As root: apt-get install {PACKAGES}."
        )
    return found


class GStreamerSource:
    """One pipeline. Raises CameraError when it cannot be played, or sends nothing."""

    container = "gstreamer"
    codec = "h264"
    extradata: bytes | None = None
    time_from = TimeFrom.DEVICE

    def __init__(self, request: CameraRequest, clock: Clock, command: list[str]) -> None:
        """`command` plays the pipeline: `command_for` the request."""
        if request.loop:
            raise CameraError("A loop wants a file, found a pipeline. Leave it out.")
        self._request, self._clock = request, clock
        self.dropped = 0  # units that reading was too slow for
        text = request.url[len(SCHEME) :].strip()
        self._shown, self._python = without_password(text), command[0]
        raw = command[-1] == RAW_CAPS
        self._wanted = "NV12 pictures" if raw else "H.264"
        self._end = "something that makes NV12" if raw else "an H.264 encoder or parser"
        environment = {**os.environ, VARIABLE: complete(text, RAW_TAIL if raw else TAIL)}
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment
            )
        except (OSError, ValueError) as error:  # no process to be had, a NUL in the text
            raise self._fault(f"that it cannot be started ({error})") from error
        self._pipe = cast(BinaryIO, self._process.stdout)
        try:
            self.size, self.rate = self._opened()
        except BaseException:
            self.close()
            raise

    def units(self) -> Iterator[AccessUnit]:
        """Access units as they come, the first at 0 s; one without data where some are missing. Raises CameraError
        when the pipeline fails."""
        first_ns: int | None = None
        while (message := self._message()) is not None:
            kind, stamp_ns, capture_ns, is_key, data = message
            if kind == GAP:
                self.dropped, data = self.dropped + (int(data) if data.isdigit() else 0), b""
            first_ns = stamp_ns if first_ns is None else first_ns
            pts_ns, now_ns = stamp_ns - first_ns, self._clock.now_ns()
            if self._request.until_s is not None and pts_ns > self._request.until_s * NS_PER_S:
                return
            known = now_ns - MAX_AGE_NS < capture_ns <= now_ns
            yield AccessUnit(data, pts_ns, capture_ns if known else now_ns, is_key)

    def close(self) -> None:
        """End the pipeline and its process."""
        with contextlib.suppress(OSError):
            cast(BinaryIO, self._process.stdin).close()
        try:
            self._process.wait(GOODBYE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pipe.close()
        if self.dropped:
            log.warning(
                "%s: %d pictures were dropped, since reading was behind", self._shown[:80], self.dropped
            )

    def _opened(self) -> tuple[tuple[int, int], float]:
        message = self._message()
        if message is None:
            raise self._fault("its end before any picture")
        if message[0] != OPENED:
            raise self._fault("garbage")
        try:
            said = json.loads(message[4])
            (width, height), rate = said["size"], float(said["rate"])
        except (ValueError, KeyError, TypeError) as error:
            raise self._fault("garbage") from error
        return (_side(width), _side(height)), rate if 0 <= rate <= MAX_RATE else 0.0

    def _message(self) -> tuple[bytes, int, int, bool, bytes] | None:
        """The next message; None at the stream's end. Raises CameraError for a fault told of, or seen."""
        head = self._exactly(HEAD.size)
        if head is None:
            code = self._process.wait(GOODBYE_S)
            if code:
                raise self._fault(f"its process gone (code {code})")
            return None
        kind, pts_ns, capture_ns, is_key, size = HEAD.unpack(head)
        if kind not in (OPENED, UNIT, GAP, ERROR, NO_GI) or size > MAX_UNIT_BYTES:
            raise self._fault("garbage")
        data = self._exactly(size)
        if data is None:
            raise self._fault("its process gone")
        if kind == NO_GI:
            raise CameraError(
                f"A GStreamer pipeline wants GStreamer's Python (gi) in {self._python}, found none "
                f"({_sentence(data)}). As root: apt-get install {PACKAGES}."
            )
        if kind == ERROR:
            raise self._fault(_sentence(data))
        return kind, pts_ns, capture_ns, bool(is_key), data

    def _exactly(self, size: int) -> bytes | None:
        """So many bytes; None when the process ends before. Raises CameraError when it is silent for too long."""
        data, looked = bytearray(), select.poll()
        looked.register(self._pipe, select.POLLIN)
        while len(data) < size:
            if not looked.poll(SILENCE_S * 1000):
                raise self._fault(f"silence for {SILENCE_S:g} s")
            piece = os.read(self._pipe.fileno(), size - len(data))
            if not piece:
                return None
            data += piece
        return bytes(data)

    def _fault(self, found: str) -> CameraError:
        return CameraError(
            f"Wanted {self._wanted} from the GStreamer pipeline {self._shown!r}, found {found}. "
            f"Try it with gst-launch-1.0, and end it in {self._end}."
        )


def _sentence(data: bytes) -> str:
    return " ".join(data.decode("utf-8", "replace").split()).rstrip(".")[:300]


def _side(value: object) -> int:
    return value if type(value) is int and 0 <= value <= MAX_SIDE_PX else 0
