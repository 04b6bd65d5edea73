"""A node that is configured, activated, asked, deactivated and cleaned up again and again holds no more for it.

MAGNO_CYCLES=100 goes round more often: memory can be judged only then, as allocators fill for some twenty cycles.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from magno_interfaces.srv import Query

from magno.calibration.footprint import footprint, trend
from tests.ros2_pkg.robot import QUESTION, robot

CYCLES = int(os.environ.get("MAGNO_CYCLES", "12"))
SETTLED_AFTER = 100  # cycles
# A cycle keeps 43 KiB (100 cycles on two cores, most of it in the first 20), and 120 of the engine alone nothing.
MOST_SLOPE_KIB = 256


def test_a_cycle_leaves_nothing_behind(tiny_bundle: Path, clips: Path, tmp_path: Path) -> None:
    camera = {"front__url": str(clips / "car-detection.mp4"), "front__loop": True, "front__pace": "live"}
    seen = []
    with robot(tmp_path, bundle=str(tiny_bundle), cameras=["front"], **camera) as node:
        for _ in range(CYCLES):
            node.go("configure", "activate")
            node.wait_for_pictures("front")
            answer = node.client.ask(QUESTION, deadline_s=10.0)
            assert answer.outcome == Query.Response.COMPLETE, answer.error_msg
            node.go("deactivate", "cleanup")
            process = node.node.process
            assert process is not None
            seen.append(footprint(process.pid))
    told = trend(seen)
    print(told)
    for before, after in (told.descriptors, told.threads):
        assert after <= before, seen
    if CYCLES >= SETTLED_AFTER:
        assert told.slope_kib <= MOST_SLOPE_KIB, seen
