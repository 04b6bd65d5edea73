"""When a reader process that ended is replaced, and where its pictures go in the camera's time. Pure."""

from __future__ import annotations

from dataclasses import replace

from magno.runtime.units import CodecFrame

HEALTHY_S = 1.0  # a process that lived as long did not die of its start
# Before the next process, by how many died young in a row: one start costs a quarter of a second of a core.
PAUSES_S = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)


class Restarts:
    """How long to wait before the next reader process. The first is replaced at once, and so is one that worked."""

    def __init__(self) -> None:
        self._young = 0  # processes in a row that died young

    def pause_s(self, lived_s: float) -> float:
        """After a process that lived so long."""
        self._young = self._young + 1 if lived_s < HEALTHY_S else 0
        return PAUSES_S[min(max(self._young - 1, 0), len(PAUSES_S) - 1)]


class Timeline:
    """The time of one camera's stream, which goes on where the stream begins anew: after the camera was away, and in
    the next reader process. How far it went on meanwhile, this machine's clock tells."""

    def __init__(self) -> None:
        self._anew = True
        self._shift_ns = 0
        self._newest_ns: int | None = None  # pts of the newest picture, as placed
        self._captured_ns = 0  # when that was captured

    def begin_anew(self) -> None:
        """The next picture is the first of a stream that counts its time from an origin of its own."""
        self._anew = True

    def place(self, frame: CodecFrame) -> CodecFrame:
        """The picture, at its time of the whole."""
        if self._anew and self._newest_ns is not None:
            away_ns = max(1, frame.capture_ns - self._captured_ns)
            self._shift_ns = self._newest_ns + away_ns - frame.pts_ns
        self._anew = False
        pts_ns = frame.pts_ns + self._shift_ns
        if self._newest_ns is None or pts_ns > self._newest_ns:
            self._newest_ns, self._captured_ns = pts_ns, frame.capture_ns
        return replace(frame, pts_ns=pts_ns) if self._shift_ns else frame
