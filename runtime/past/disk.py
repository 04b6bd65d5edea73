"""One camera's past on disk: files of a few GOPs, the oldest of which leave over a budget of bytes; kept from one
process to the next (lives says what of it can be placed in time).

All that is written, listed and deleted is so on a thread of its own: what is to be written waits in a bounded queue,
and is dropped and counted where the disk does not keep up. A question reads the few files that it needs itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import math
import re
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from magno.runtime.clock import NS_PER_S, WallClock
from magno.runtime.past.file import Header, Origin, PastFileError, pack, read_header, read_items
from magno.runtime.past.lives import Life, Moment, shifts
from magno.runtime.units import Encoded, MagnoError, SpanKind
from magno.runtime.whole import whole_file

FILE_BYTES = 1 << 18  # GOPs are gathered up to so many; what is gathered is lost with the process
QUEUE_FILES = 4  # that wait to be written
NAME = re.compile(r"([0-9]{8,})\.past")
LOCK_S, LOOK_S = 5.0, 0.1  # another process, or the watching before, may be about to leave the folder
BYE_S = 5.0  # that closing waits for what is yet to be written
BOOT = Path("/proc/sys/kernel/random/boot_id")

log = logging.getLogger("magno.past")


@dataclass(frozen=True, slots=True)
class _File:
    number: int
    path: Path
    size_bytes: int
    origin: Origin | None = None  # None: it is left out, and is deleted in its turn
    first: Moment | None = None  # by the clock of its own life
    last: Moment | None = None
    shift_ns: int = 0


class PastOnDisk:
    """The past of one camera in one folder. `add`, `before` and `close` are the owner thread's."""

    def __init__(self, folder: Path, most_bytes: int, origin: Origin, first: Encoded) -> None:
        """`first` is what the camera has just shown, by which what is there already is placed in time."""
        self._folder, self._most_bytes, self._origin = folder, most_bytes, origin
        self._first, self._embed_dim = first, first.rows.shape[1]
        self._files: tuple[_File, ...] = ()  # by number; replaced as a whole, so that any thread may read it
        self._pending: list[Encoded] = []
        self._queue: deque[list[Encoded]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self.dropped_gops = 0  # that the disk was too slow or too full for
        self.left_out_files = 0  # damaged, another's, or of a time that cannot be told
        self._thread = threading.Thread(target=self._run, name="magno-past", daemon=True)
        self._thread.start()

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self._files)

    def add(self, item: Encoded) -> None:
        """Keep it once its GOP is over; never waits."""
        if item.kind is SpanKind.KEYFRAME and sum(one.rows.nbytes for one in self._pending) >= FILE_BYTES:
            self._hand_over()
        if self._pending or item.kind is SpanKind.KEYFRAME:
            self._pending.append(item)

    def before(self, pts_ns: float) -> Iterator[Encoded]:
        """What was seen before this moment, newest first, by the time of the stream that is watched now."""
        for file in reversed(self._files):
            if file.origin is None or file.first is None or file.first.pts_ns + file.shift_ns >= pts_ns:
                continue
            try:
                items = read_items(file.path, file.origin, self._embed_dim)
            except PastFileError as error:
                self._leave_out(file, error)
                continue
            for item in reversed(items):
                if item.pts_ns + file.shift_ns < pts_ns:
                    yield self._placed(item, file)

    def since_ns(self) -> float:
        """From when on it remembers, by the time of the stream that is watched now; infinity: nothing. From any
        thread."""
        kept = (file.first.pts_ns + file.shift_ns for file in self._files if file.origin and file.first)
        return next(kept, math.inf)

    def close(self) -> None:
        """Write what is left, without waiting for it; see `wait`."""
        with self._changed:
            if self._pending:
                self._queue.append(self._pending)
                self._pending = []
            self._closing = True
            self._changed.notify_all()

    def wait(self) -> None:
        """Until all is written after `close`, or BYE_S have passed."""
        self._thread.join(BYE_S)

    def _hand_over(self) -> None:
        with self._changed:
            if len(self._queue) < QUEUE_FILES:
                self._queue.append(self._pending)
                self._changed.notify_all()
            else:
                self._drop(self._pending)
        self._pending = []

    def _drop(self, items: list[Encoded]) -> None:
        self.dropped_gops += sum(item.kind is SpanKind.KEYFRAME for item in items)

    def _placed(self, item: Encoded, file: _File) -> Encoded:
        pts_ns = item.pts_ns + file.shift_ns
        # The monotonic clock of another boot says nothing here: the stream's own stamps do.
        told = file.origin is not None and file.origin.boot == self._origin.boot
        capture_ns = item.capture_ns if told else self._first.capture_ns - (self._first.pts_ns - pts_ns)
        return replace(item, pts_ns=pts_ns, capture_ns=capture_ns)

    def _leave_out(self, file: _File, error: PastFileError) -> None:
        with self._changed:
            self.left_out_files += 1
            left_out = replace(file, origin=None)
            self._files = tuple(left_out if one is file else one for one in self._files)
        log.warning("%s", error)

    # The disk's thread

    def _run(self) -> None:
        try:
            with self._locked():
                self._list()
                while (items := self._next()) is not None:
                    self._keep(items)
        except OSError as error:
            log.warning(
                "The past wants the folder %s, found it unusable (%s): not kept.", self._folder, error
            )
            while (items := self._next()) is not None:
                self._drop(items)

    def _next(self) -> list[Encoded] | None:
        """What is to be written next; None: nothing more will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            return self._queue.popleft() if self._queue else None

    def _keep(self, items: list[Encoded]) -> None:
        number = self._files[-1].number + 1 if self._files else 1
        path = self._folder / f"{number:08d}.past"
        try:
            data = pack(self._origin, items)
            with whole_file(path) as part:
                part.write_bytes(data)
        except (OSError, MagnoError) as error:  # MagnoError: of stamps that go back
            self._drop(items)
            log.warning("The past wants to be written, found that it cannot be (%s): some is lost.", error)
            return
        first, last = (Moment(one.pts_ns, one.capture_ns, self._origin.boot) for one in (items[0], items[-1]))
        with self._changed:
            self._files = (*self._files, _File(number, path, len(data), self._origin, first, last))
        self._forget()

    def _forget(self) -> None:
        """The oldest files leave until the budget holds."""
        size_bytes = self.size_bytes
        while self._files and size_bytes > self._most_bytes:
            oldest = self._files[0]
            with contextlib.suppress(OSError):  # gone, or no file at all
                oldest.path.unlink()
            size_bytes -= oldest.size_bytes
            with self._changed:
                self._files = self._files[1:]

    def _list(self) -> None:
        """Take what is there already."""
        for part in self._folder.glob(".*.past.*.part"):  # of a process that was killed
            part.unlink(missing_ok=True)
        found = sorted(
            (int(name[1]), path) for path in self._folder.iterdir() if (name := NAME.fullmatch(path.name))
        )
        files = [self._looked_at(number, path) for number, path in found]
        lives: dict[str, Life] = {}
        for file in files:
            if file.origin is not None and file.first is not None and file.last is not None:
                life = file.origin.life
                first = lives[life].first if life in lives else file.first
                lives[life] = Life(life, first, file.last)
        begins = Moment(self._first.pts_ns, self._first.capture_ns, self._origin.boot)
        moved = shifts(list(lives.values()), begins)
        placed = []
        for file in files:
            if file.origin is not None and file.origin.life not in moved:
                file = replace(file, origin=None)
            placed.append(replace(file, shift_ns=moved[file.origin.life]) if file.origin else file)
        self.left_out_files = sum(file.origin is None for file in placed)
        if self.left_out_files:
            log.warning("%d of %d files of the past are left out.", self.left_out_files, len(placed))
        self._files = tuple(placed)
        self._forget()

    def _looked_at(self, number: int, path: Path) -> _File:
        size_bytes = path.lstat().st_size
        try:
            header = read_header(path)
        except PastFileError as error:
            log.warning("%s", error)
            return _File(number, path, size_bytes)
        if not self._is_own(header):
            return _File(number, path, size_bytes)
        first, last = (
            Moment(entry.pts_ns, entry.capture_ns, header.origin.boot)
            for entry in (header.entries[0], header.entries[-1])
        )
        return _File(number, path, size_bytes, header.origin, first, last)

    def _is_own(self, header: Header) -> bool:
        origin, own = header.origin, self._origin
        same = (origin.bundle, origin.camera) == (own.bundle, own.camera)
        return same and header.embed_dim == self._embed_dim

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The folder for this process alone. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        clock = WallClock()
        until_ns = clock.now_ns() + int(LOCK_S * NS_PER_S)
        with (self._folder / ".lock").open("w") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if clock.now_ns() > until_ns:
                        raise
                clock.sleep_until_ns(clock.now_ns() + int(LOOK_S * NS_PER_S))
            yield


def camera_folder(folder: Path, name: str, url: str) -> Path:
    """Where the past of a camera is kept: another url under the same name is another camera."""
    told = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:40]
    which = hashlib.sha256("\0".join((name, url)).encode("utf-8", "surrogatepass")).hexdigest()
    return folder / f"{told}-{which[:12]}"


def boot() -> str:
    """Of this machine, since it was started; empty where that cannot be told."""
    try:
        return BOOT.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
