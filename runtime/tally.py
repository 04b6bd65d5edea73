"""What has become of one camera and of its pictures, as `Engine.status` tells it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from magno.runtime.camera.process.wire import Opened
from magno.runtime.clock import NS_PER_S, Clock
from magno.runtime.units import CodecFrame

RATE_PICTURES = 32  # the rate is measured over so many
SILENT_S = 0.9  # without a picture, so that it is told within a second
SILENT_PICTURES = 5  # a slow camera may miss some


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """One camera, as seen now.

    Its state is "opening", "streaming", "silent" (open, and sends no picture), "lost" (gone, or its reader process
    is; it is waited for when it is live) or "ended".
    """

    name: str
    state: str
    pictures_received: int
    pictures_dropped: int
    pictures_per_second: float
    newest_capture_ns: int | None  # of the newest picture in the cache
    cached_tokens: int
    error: str  # one sentence, when lost
    reconnects: int = 0  # times that the camera came back to the same reader process
    restarts: int = 0  # reader processes that were replaced
    reader_pid: int | None = None  # of the newest reader process
    motion_energy: float = 0.0  # of the newest window: see energy.motion_energy
    remembered_s: float = 0.0  # so far back questions may be about: Query.ago_s
    scene_cuts: int = 0  # times that another scene was seen, or might have been: the camera came back
    past_lost: int = 0  # of its past on disk: GOPs that could not be written, files that were left out
    tier: str = "full"  # how much of it is taken in: see tier.Tier
    tier_changes: int = 0


class Tally:
    """Written by the camera's thread, read by any."""

    def __init__(self, clock: Clock, *, paced: bool) -> None:
        """`paced`: pictures come at a rate of their own, not as fast as they are taken."""
        self._clock, self._paced = clock, paced
        self.state, self.error = "opening", ""
        self.received = self.dropped = self.reconnects = self.restarts = 0
        self.energy = 0.0  # of the newest window
        self.stirred = 0.0  # energy times seconds, of all windows
        self.cuts = 0
        self._told_rate = 0.0  # by the stream, pictures a second
        self._next_sequence: int | None = None
        self._arrivals: deque[int] = deque(maxlen=RATE_PICTURES)
        self._shown: deque[tuple[int, int]] = deque(maxlen=RATE_PICTURES)  # sequence, pts_ns
        self._heard_ns = clock.now_ns()  # of the camera: that it is open, or a picture

    def opened(self, opened: Opened) -> None:
        """The stream begins, perhaps anew: its pictures are counted from any number."""
        self.state, self.error, self._told_rate = "streaming", "", opened.rate
        self._next_sequence, self._heard_ns = None, self._clock.now_ns()
        self._arrivals.clear()
        self._shown.clear()

    def lost(self, error: str) -> bool:
        """The camera is gone; False: that was known."""
        known, self.state, self.error = self.state == "lost", "lost", error
        return not known

    def ended(self) -> None:
        self.state = "ended"

    def count(self, frame: CodecFrame) -> None:
        """A picture came; a gap in the sequence counts what was dropped on its way."""
        lost = 0 if self._next_sequence is None else max(0, frame.sequence - self._next_sequence)
        self.received += 1 + lost
        self.dropped += lost
        self._next_sequence = frame.sequence + 1
        self._heard_ns = self._clock.now_ns()
        self._arrivals.append(self._heard_ns)
        self._shown.append((frame.sequence, frame.pts_ns))

    def cut(self) -> None:
        """Another scene is seen, or may be."""
        self.cuts += 1

    def moved(self, energy: float, lasted_ns: int) -> None:
        """A window had such energy and took so long."""
        self.energy = energy
        self.stirred += energy * lasted_ns / NS_PER_S

    def rate(self) -> float:
        """Pictures a second, lately; 0: none."""
        arrivals = list(self._arrivals)
        if len(arrivals) < 2 or self.state != "streaming":
            return 0.0
        span_ns = self._clock.now_ns() - arrivals[0]
        return (len(arrivals) - 1) * NS_PER_S / span_ns if span_ns > 0 else 0.0

    def shown_rate(self) -> float:
        """Pictures a second of the stream's own time, those that were lost on their way too; 0: not known."""
        if not self._shown:
            return 0.0
        (first, first_ns), (last, last_ns) = self._shown[0], self._shown[-1]
        return (last - first) * NS_PER_S / (last_ns - first_ns) if last_ns > first_ns else 0.0

    def seen_state(self) -> str:
        """The state, with "silent" told from "streaming"."""
        since_ns = self._clock.now_ns() - self._heard_ns
        late = self._paced and since_ns > silence_ns(self._told_rate)
        return "silent" if late and self.state == "streaming" else self.state


def silence_ns(rate: float) -> int:
    """How long an open camera of so many pictures a second (0: unknown) may send none."""
    slow_s = SILENT_PICTURES / rate if rate > 0 else 0.0
    return int(max(SILENT_S, slow_s) * NS_PER_S)
