"""What `magno watch` draws: one camera, its cache, how fast it answers, the newest answers. Pure: knows no engine."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from magno.runtime.clock import NS_PER_S
from magno.runtime.tally import CameraStatus
from magno.runtime.tier import Tier
from magno.runtime.units import Answer, Outcome

SAMPLES = 60  # of motion
ANSWERS = 8
BARS = " ▁▂▃▄▅▆▇█"
COLOURS = {"streaming": "green", "ended": "cyan", "opening": "yellow", "silent": "yellow", "lost": "red"}
OUTCOMES = {
    Outcome.COMPLETE: "green",
    Outcome.PARTIAL: "yellow",
    Outcome.REFUSED: "yellow",
    Outcome.FAILED: "red",
}


@dataclass(slots=True)
class View:
    """What has been seen of one camera so far."""

    budget_tokens: int  # of its stream
    status: CameraStatus | None = None
    motion: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    answers: deque[tuple[str, Answer]] = field(default_factory=lambda: deque(maxlen=ANSWERS))
    waiting: list[str] = field(default_factory=list)  # questions that have no answer yet
    first_ms: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
    outcomes: Counter[Outcome] = field(default_factory=Counter)

    def look(self, status: CameraStatus) -> None:
        self.status = status
        self.motion.append(status.motion_energy)

    def answered(self, question: str, answer: Answer) -> None:
        self.answers.append((question, answer))
        self.outcomes[answer.outcome] += 1
        if answer.ttft_ms is not None:
            self.first_ms.append(answer.ttft_ms)

    def as_json(self, now_ns: int) -> dict[str, object]:
        """One line for programs."""
        status = self.status
        if status is None:
            return {"state": "opening"}
        return {
            "state": status.state,
            "pictures_received": status.pictures_received,
            "pictures_dropped": status.pictures_dropped,
            "pictures_per_second": round(status.pictures_per_second, 2),
            "age_s": _age_s(status, now_ns),
            "motion_energy": status.motion_energy,
            "cached_tokens": status.cached_tokens,
            "budget_tokens": self.budget_tokens,
            "remembered_s": round(status.remembered_s, 2),
            "tier": status.tier,
            "tier_changes": status.tier_changes,
            "error": status.error,
        }

    def drawn(self, typed: str, now_ns: int) -> RenderableType:
        """All of it, for people; `typed` so far, at the prompt."""
        lines = Table.grid(padding=(0, 2))
        lines.add_column(style="dim")
        lines.add_column()
        for name, told in self._lines(now_ns):
            lines.add_row(name, told)
        said = Table.grid(padding=(0, 2))
        for question, answer in self.answers:
            told = Text(answer.text or answer.error, OUTCOMES[answer.outcome])
            took = "" if answer.ttft_ms is None else f"{answer.ttft_ms:.0f} ms"
            said.add_row(question, told, Text(took, "dim"))
        for question in self.waiting:
            said.add_row(question, Text("...", "dim"))
        hint = "" if typed else " ask something; Ctrl-D ends"
        return Group(lines, said, Text.assemble(("> ", "bold"), typed, ("▏", "blink"), (hint, "dim")))

    def _lines(self, now_ns: int) -> list[tuple[str, Text]]:
        status = self.status
        if status is None:
            return [("camera", Text("opening", "yellow"))]
        age_s = _age_s(status, now_ns)
        state = Text(status.state, COLOURS[status.state])
        state.append(f"  {status.pictures_per_second:.1f} a second", "default")
        state.append(f"  {status.pictures_received} pictures, {status.pictures_dropped} dropped", "dim")
        if status.tier != Tier.FULL.value:
            state.append(f"  {status.tier}", "yellow")
        if status.error:
            state.append(f"  {status.error}", "red")
        held = status.cached_tokens / max(self.budget_tokens, 1)
        cache = f"{_bar(held)} {status.cached_tokens} of {self.budget_tokens} tokens"
        found = [
            (status.name, state),
            ("motion", Text(sparkline(self.motion), "magenta")),
            ("cache", Text(f"{cache}, {status.remembered_s:.0f} s remembered")),
            ("newest", Text("no picture yet" if age_s is None else f"{age_s:.2f} s old")),
        ]
        if self.outcomes:
            first = sorted(self.first_ms)
            took = f"{_at(first, 0.5):.0f} ms, p99 {_at(first, 0.99):.0f} ms" if first else "none"
            counts = ", ".join(f"{count} {outcome.value}" for outcome, count in self.outcomes.items())
            found.append(("first token", Text(f"{took}; {counts}")))
        return found


def sparkline(values: deque[float]) -> str:
    """Heights as shares of the highest; the newest is the last."""
    highest = max(values, default=0.0)
    if highest <= 0:
        return BARS[0] * len(values)
    return "".join(BARS[round(value / highest * (len(BARS) - 1))] for value in values)


def _bar(share: float, width: int = 20) -> str:
    full = round(min(max(share, 0.0), 1.0) * width)
    return "█" * full + "░" * (width - full)


def _age_s(status: CameraStatus, now_ns: int) -> float | None:
    return None if status.newest_capture_ns is None else (now_ns - status.newest_capture_ns) / NS_PER_S


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
