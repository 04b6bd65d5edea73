"""Asks an engine one question after another while something else happens to it, and counts what came back."""

from __future__ import annotations

from collections import Counter

from magno.calibration.beside import Beside
from magno.runtime.engine import Engine
from magno.runtime.units import Query

QUESTION = "Which way is the car moving?"
DEADLINE_MS = 1000.0
LATE_MS = DEADLINE_MS + 50.0
HUNG_S = 10.0  # a client without an outcome by then hangs
PAUSE_S = 0.1


class Questioner(Beside):
    """A client of its own thread, from entering to leaving."""

    def __init__(self, engine: Engine, camera: str) -> None:
        super().__init__("magno-questioner", 2 * HUNG_S)
        self._engine, self._camera = engine, camera
        self.outcomes: Counter[str] = Counter()
        self.late = self.hung = 0
        self.slowest_ms = 0.0

    def figures(self) -> dict[str, object]:
        """What came back, as JSON."""
        return {
            "asked": sum(self.outcomes.values()) + self.hung,
            "outcomes": dict(self.outcomes),
            "late": self.late,
            "hung": self.hung,
            "slowest_ms": self.slowest_ms,
        }

    def _run(self) -> None:
        while not self._over.wait(PAUSE_S):
            ticket = self._engine.submit(Query(QUESTION, self._camera, DEADLINE_MS))
            try:
                answer = ticket.result(HUNG_S)
            except TimeoutError:
                self.hung += 1
                continue
            self.outcomes[answer.outcome.value] += 1
            self.late += answer.latency_ms > LATE_MS
            self.slowest_ms = max(self.slowest_ms, answer.latency_ms)
