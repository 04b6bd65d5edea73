"""What a profile is taken with; all of it is told with the figures."""

from __future__ import annotations

from dataclasses import dataclass

from magno.runtime.units import MagnoError

MOST_RUNS = 10_000


class ProfileError(MagnoError):
    """What cannot be profiled."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The engine's own defaults, and how often everything is repeated."""

    backend: str = "ort"
    clip: str = "tests/clips/car-detection.mp4"
    question: str = "Which way is the car moving?"
    seconds: float = 8.0  # of the clip
    encoder_threads: int = 1
    language_threads: int = 2
    max_step_tokens: int = 128
    warm_up: int = 3  # runs before those that count
    runs: int = 20  # of each graph, of each question
    answer_tokens: int = 16

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= 3600:
            raise ProfileError(f"A profile wants up to an hour of the clip, found {self.seconds:g} s.")
        for name in ("encoder_threads", "language_threads", "max_step_tokens", "runs", "answer_tokens"):
            if not 1 <= getattr(self, name) <= MOST_RUNS:
                raise ProfileError(f"{name} wants 1 to {MOST_RUNS}, found {getattr(self, name)}.")
        if not 0 <= self.warm_up <= MOST_RUNS:
            raise ProfileError(f"warm_up wants 0 to {MOST_RUNS}, found {self.warm_up}.")
