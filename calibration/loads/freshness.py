"""How old the newest picture in a camera's cache gets, watched from outside while something else goes on."""

from __future__ import annotations

from magno.calibration.beside import Beside
from magno.calibration.moments import LOOK_S
from magno.runtime.clock import NS_PER_MS, WallClock
from magno.runtime.engine import Engine


class Freshness(Beside):
    """Looks on from entering to leaving, in a thread of its own."""

    def __init__(self, engine: Engine, camera: str) -> None:
        super().__init__("magno-freshness")
        self._engine, self._camera, self._clock = engine, camera, WallClock()
        self.worst_ms = 0.0  # age of the newest picture that a question would have seen
        self.dropped = 0  # pictures, meanwhile

    def _run(self) -> None:
        before = self._engine.status()[self._camera].pictures_dropped
        while not self._over.wait(LOOK_S):
            status = self._engine.status()[self._camera]
            if status.newest_capture_ns is not None:
                age_ms = (self._clock.now_ns() - status.newest_capture_ns) / NS_PER_MS
                self.worst_ms = max(self.worst_ms, age_ms)
            self.dropped = status.pictures_dropped - before
