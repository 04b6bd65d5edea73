"""The process that reads malformed files: it may be killed by one, and its parent goes on behind that.

    python -c 'from magno.calibration.malformed.worker import main; main()' ORDER      # ORDER: JSON, see runs.Order

Before each file it prints what it is, after it what became of it, as JSON lines.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from magno.calibration.malformed.judge import Seen
from magno.calibration.malformed.kinds import FAMILIES, Files, Malformed, malform, originals
from magno.runtime.units import MagnoError

# Of address space, beyond what the process has when all is loaded: what asks for all memory gets an error.
ROOM_BYTES = 4 << 30


def main() -> None:
    order = json.loads(sys.argv[1])
    # Only our lines may reach the pipe: whatever a library prints goes to standard error.
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sound = originals(Path(order["checkpoint"]), Path(order["bundle"]))
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder), sound)
        for family in FAMILIES:
            _say(pipe, {"family": family})
            shelf.load_sound(family)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + ROOM_BYTES, resource.RLIM_INFINITY))
        for number in range(order["first"], order["count"], order["step"]):
            malformed = malform(sound, number, order["seed"])
            _say(pipe, {"number": number, "family": malformed.family, "kind": malformed.kind})
            _say(pipe, asdict(shelf.show(malformed)))


class Shelf:
    """A folder for each family with its sound files, of which one at a time is damaged."""

    def __init__(self, folder: Path, sound: dict[str, Files]) -> None:
        from magno.calibration.malformed.loaders import LOADERS

        self._loaders, self._sound = LOADERS, sound
        self._folders = {family: folder / family for family in FAMILIES}
        for family, place in self._folders.items():
            place.mkdir()
            for name, data in sound[family].items():
                (place / name).write_bytes(data)

    def load_sound(self, family: str) -> None:
        """Raises what the loader raises: nothing, or nothing can be measured here."""
        self._loaders[family](self._folders[family])

    def show(self, malformed: Malformed) -> Seen:
        """Let the loader read a malformed file, and put the sound one back."""
        place, files = self._folders[malformed.family], malformed.damage.files
        for name, content in files.items():
            _put(place / name, content)
        try:
            return _measured(malformed, lambda: self._loaders[malformed.family](place))
        finally:
            for name in files:
                _put(place / name, self._sound[malformed.family][name])


def _put(path: Path, content: bytes | str | None) -> None:
    path.unlink(missing_ok=True)
    if isinstance(content, str):
        path.symlink_to(content)
    elif content is not None:
        path.write_bytes(content)


def _measured(malformed: Malformed, load: Callable[[], None]) -> Seen:
    before_kib = _peak_kib(forget=True)
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    outcome, told = "taken", ""
    try:
        load()
    except MagnoError as error:
        outcome, told = "refused", str(error)
    except Exception as error:  # the very thing that is looked for
        outcome, told = "fault", _fault(error)
    return Seen(
        malformed.number,
        malformed.family,
        malformed.kind,
        malformed.damage.must_refuse,
        outcome,
        told,
        cpu_s=time.process_time() - began_cpu_s,
        wall_s=time.monotonic() - began_s,
        growth_kib=max(0, _peak_kib() - before_kib),
    )


def _fault(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/site-packages/" not in frame.filename] or list(frames)
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
    return f"{type(error).__name__} at {where}: {' '.join(str(error).split())[:300]}"


def _peak_kib(*, forget: bool = False) -> int:
    """The most memory this process has held since it last forgot."""
    if forget:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def _say(pipe: TextIO, values: dict[str, Any]) -> None:
    pipe.write(json.dumps(values) + "\n")
    pipe.flush()


if __name__ == "__main__":
    main()
