"""Access units handed to the engine, as the ROS node will hand them."""

from __future__ import annotations

from pathlib import Path

from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import Outcome, Query
from tests import synthetic


def test_units_of_a_caller_are_watched_to_their_end(tiny_bundle: Path) -> None:
    units = synthetic.encode(synthetic.panned((128, 96), (2, 0), 40), gop=20)
    with Engine.open(EngineConfig(bundle=str(tiny_bundle))) as engine:
        queue = engine.watch_units("front")
        taken = sum(queue.put(unit) for unit in units)  # faster than any camera: some are dropped
        queue.close()
        assert engine.wait_ended("front", 20)
        answer = engine.ask(Query("Which way is it moving?", "front", 10_000))
        assert answer.outcome is Outcome.COMPLETE and answer.visual_tokens > 0
        status = engine.status()["front"]
        assert status.state == "ended" and status.pictures_received >= 1
        assert status.pictures_dropped >= len(units) - taken
