"""The golden trace: six seconds of a real clip, an empty car park and then a car, through the tiny bundle."""

from __future__ import annotations

from pathlib import Path

from magno.runtime.clock import NS_PER_S
from magno.runtime.config import EngineConfig
from magno.runtime.replay import CAMERA, Asked, Replayed, replay
from magno.runtime.units import Query

TRACE = Path(__file__).parent / "car-detection.jsonl"
CLIP = Path(__file__).parents[1] / "clips" / "car-detection.mp4"
UNTIL_S = 6.0
BUDGET_TOKENS = 120  # so small that GOPs leave
TALK = Query("Which way is the car moving?", CAMERA, max_tokens=8, conversation="golden")
ASKED = [
    Asked(2 * NS_PER_S, TALK),
    Asked(5 * NS_PER_S, Query("left or right", CAMERA, max_tokens=8)),
    Asked(6 * NS_PER_S, TALK),  # it has the first one's turn in its prompt
]


def played(bundle: Path) -> Replayed:
    config = EngineConfig(str(bundle), threads=1, max_cameras=1, budget_tokens=BUDGET_TOKENS)
    return replay(config, str(CLIP), ASKED, until_s=UNTIL_S)
