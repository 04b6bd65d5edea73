"""Parameters that may be changed at any time, with `ros2 param set`. Pure: knows no node.

All others are read once, at configure: parameters.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from magno.runtime.deadline import MAX_ANSWER_TOKENS
from magno.runtime.spec import SpecError, from_dict, to_dict
from magno.runtime.units import Query

MIN_PERIOD_S, MAX_PERIOD_S = 0.02, 60.0


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """The newest values of these parameters."""

    status_period_s: float = 1.0  # from one message of ~/stream_status and /diagnostics to the next
    default_max_tokens: int = Query("").max_tokens  # longest answer to a question whose own max_tokens is 0

    def __post_init__(self) -> None:
        if not MIN_PERIOD_S <= self.status_period_s <= MAX_PERIOD_S:
            raise SpecError(
                f"status_period_s wants {MIN_PERIOD_S:g} to {MAX_PERIOD_S:g} seconds, found {self.status_period_s:g}. "
                "Set another."
            )
        if not 1 <= self.default_max_tokens <= MAX_ANSWER_TOKENS:
            raise SpecError(
                f"default_max_tokens wants 1 to {MAX_ANSWER_TOKENS} tokens, found {self.default_max_tokens}. "
                "Set another."
            )


LIVE = {field.name: field.default for field in dataclasses.fields(LiveConfig)}


def changed(live: LiveConfig, values: Mapping[str, Any]) -> LiveConfig:
    """The same with those of the values that are LIVE. Raises SpecError: one sentence for the first that is wrong."""
    given = {name: value for name, value in values.items() if name in LIVE}
    return from_dict(LiveConfig, {**to_dict(live), **given}, "parameters")
