"""PyPI's motion-vector-extractor in a process of its own: its libavcodec and ours must not meet."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from magno.runtime.units import MagnoError

# Answers each line, a clip and how, with the pictures it read and the CPU time of that, threads included.
SCRIPT = """
import json, sys, time
from mvextractor.videocap import VideoCap
print("ready", flush=True)
for line in sys.stdin:
    clip, limit, with_pixels = json.loads(line)
    capture, pictures = VideoCap(), 0
    began = time.process_time_ns()
    assert capture.open(clip)
    if not with_pixels:
        capture.set_decode_frames(False)
    while pictures < limit and capture.read()[0]:
        pictures += 1
    spent = time.process_time_ns() - began
    capture.release()
    print(json.dumps([pictures, spent]), flush=True)
"""


class RivalError(MagnoError):
    """There is nothing to compare with."""


class Rival:
    """A Python that has the package, ready to read clips. Raises RivalError where it has not."""

    def __init__(self, python: str) -> None:
        try:
            self._process = subprocess.Popen(
                [python, "-c", SCRIPT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        except OSError as error:
            raise RivalError(
                f"Wanted a Python at {python}, found none ({error}). Give --extractor-python."
            ) from error
        if self._line() != "ready":
            self.close()
            raise RivalError(
                f"Wanted motion-vector-extractor in {python}, found none. Install it into a virtual environment of its "
                "own (it brings OpenCV) and give that Python as --extractor-python."
            )

    def read(self, clip: Path, pictures: int, *, with_pixels: bool) -> tuple[int, int]:
        """Read so many pictures; how many there were, and the CPU nanoseconds it took. Raises RivalError."""
        requests = cast(IO[str], self._process.stdin)
        try:
            print(json.dumps([str(clip), pictures, with_pixels]), file=requests, flush=True)
            count, spent_ns = json.loads(self._line())
        except (OSError, ValueError) as error:
            raise RivalError(
                f"Wanted the extractor to read {clip}, found that it failed ({error})."
            ) from error
        return int(count), int(spent_ns)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        return cast(IO[str], self._process.stdout).readline().strip()

    def __enter__(self) -> Rival:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
