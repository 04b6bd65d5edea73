"""What a recording is made of, whoever writes it. Times are the stream's own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from magno.runtime.units import CodecFrame


class Level(Enum):
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture and its motion."""

    frame: CodecFrame


@dataclass(frozen=True, slots=True)
class Note:
    """A line of text."""

    at_ns: int
    path: str  # "tokens", "questions"
    text: str
    level: Level = Level.INFO


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of a series."""

    at_ns: int
    path: str  # "cache/used_tokens"
    value: float


Item = Shown | Note | Figure
