"""What became of many questions, counted; and bars to hold it against. Pure: knows no engine.

Of each question a few numbers are kept, four bytes each.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from rich.table import Table

from magno.calibration.moments import spread
from magno.runtime.units import Outcome

GRACE_MS = 50.0  # past its deadline by more than this, an outcome is late
REFUSED_WITHIN_MS = 10.0
IN_TIME = 0.99  # of the questions that were not refused at once


class Kind(Enum):
    """What was done with a question."""

    SOUND = "sound"
    CANCELLED = "cancelled"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of one question."""

    kind: Kind
    outcome: Outcome | None  # None: it never got any
    at_once: bool  # settled before the asking returned: it was not admitted
    lag_ms: float  # asked so much later than it was to be: the asking side's own
    took_ms: float  # from the asking to the settling of its ticket
    late_ms: float | None  # from its deadline to that; below 0: before it; None: it has no sound deadline
    settled_ns: int
    broke_word: bool = False  # PARTIAL, and foretold to be whole


class Outcomes:
    """Counts of what became of questions."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()  # "kind outcome"
        self.unanswered = self.admitted = self.in_time = self.late = self.past_deadline = 0
        self.broken_words = 0  # PARTIAL answers that were foretold to be whole
        self.refused_late = 0  # admitted, and refused before the deadline for want of time
        self.last_late_ns: int | None = None
        self._refusals_ms, self._late_ms, self._lag_ms = array("f"), array("f"), array("f")

    @property
    def asked(self) -> int:
        return sum(self.counts.values())

    def take(self, asked: Asked) -> None:
        """Count one more."""
        outcome = asked.outcome.value if asked.outcome else "none"
        self.counts[f"{asked.kind.value} {outcome}"] += 1
        self._lag_ms.append(asked.lag_ms)
        if asked.outcome is None:
            self.unanswered += 1
        self.broken_words += asked.broke_word
        if asked.late_ms is not None:
            self._take_lateness(asked, asked.late_ms)
        if asked.kind is Kind.SOUND:
            self._take_sound(asked)

    def _take_lateness(self, asked: Asked, late_ms: float) -> None:
        self._late_ms.append(late_ms)
        self.past_deadline += late_ms > 0
        if late_ms > GRACE_MS:
            self.late += 1
            self.last_late_ns = max(self.last_late_ns or 0, asked.settled_ns)

    def _take_sound(self, asked: Asked) -> None:
        if asked.outcome is Outcome.REFUSED and asked.at_once:
            self._refusals_ms.append(asked.took_ms)
            return
        self.admitted += 1
        self.refused_late += asked.outcome is Outcome.REFUSED
        answered = asked.outcome in (Outcome.COMPLETE, Outcome.PARTIAL)
        self.in_time += answered and asked.late_ms is not None and asked.late_ms <= GRACE_MS

    def of(self, kind: Kind, outcome: Outcome) -> int:
        return self.counts[f"{kind.value} {outcome.value}"]

    @property
    def in_time_share(self) -> float:
        """Of the admitted, answered whole or in part by the deadline and its grace; 1 when none was admitted."""
        return self.in_time / self.admitted if self.admitted else 1.0

    @property
    def refusals_ms(self) -> dict[str, float]:
        """How long refusals at once took."""
        return spread(self._refusals_ms)

    def figures(self) -> dict[str, Any]:
        """The counts, as JSON."""
        return {
            "asked": self.asked,
            "outcomes": dict(sorted(self.counts.items())),
            "unanswered": self.unanswered,
            "late": self.late,
            "past_deadline": self.past_deadline,
            "latest_ms": max(self._late_ms, default=0.0),
            "admitted": self.admitted,
            "in_time": self.in_time,
            "refused_at_once": len(self._refusals_ms),
            "refused_late": self.refused_late,
            "foretold_whole_but_partial": self.broken_words,
            "refusal_ms": self.refusals_ms,
            "asker_lag_ms": spread(self._lag_ms),
        }


@dataclass(frozen=True, slots=True)
class Bar:
    """What was wanted and what was found, in words for people."""

    name: str
    wanted: str
    found: str
    met: bool


def bars_as_json(bars: list[Bar]) -> list[dict[str, object]]:
    return [asdict(bar) for bar in bars]


def bars_table(title: str, bars: list[dict[str, Any]], caption: str) -> Table:
    """Bars, for people."""
    table = Table(title=title, caption=caption)
    for column, justify in (("", "left"), ("wanted", "right"), ("found", "right"), ("", "left")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for bar in bars:
        table.add_row(bar["name"], bar["wanted"], bar["found"], "met" if bar["met"] else "MISSED")
    return table
