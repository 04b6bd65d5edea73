"""The example behaviour: what it decides, by a table; and against a real node that answers, refuses, rests and dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from builtin_interfaces.msg import Duration
from magno_interfaces.srv import Query

from magno_ros.patrol import Decision, Patrol, Rules, Speed, decide
from tests.ros2_pkg.robot import QUESTION, SOON_S, Robot, robot, until

COMPLETE, PARTIAL = Query.Response.COMPLETE, Query.Response.PARTIAL
REFUSED, FAILED = Query.Response.REFUSED, Query.Response.FAILED
RULES = Rules()
CALM = Rules(QUESTION, deadline_s=SOON_S, oldest_s=SOON_S, every_s=0.05)


@pytest.mark.parametrize(
    ("outcome", "text", "age_s", "speed"),
    [
        (COMPLETE, "No, nothing.", 0, Speed.GO),
        (COMPLETE, "no", 2, Speed.SLOW),
        (COMPLETE, "Yes.", 0, Speed.STOP),
        (COMPLETE, "yes", 2, Speed.STOP),
        (COMPLETE, "Nothing that I know.", 0, Speed.SLOW),
        (COMPLETE, "", 0, Speed.SLOW),
        (PARTIAL, "no", 0, Speed.SLOW),
        (PARTIAL, "yes, a red", 0, Speed.STOP),
        (REFUSED, "", 0, Speed.SLOW),
        (FAILED, "no", 0, Speed.SLOW),
        (FAILED, "yes", 0, Speed.SLOW),
        (0, "no", 0, Speed.SLOW),
    ],
)
def test_only_a_whole_answer_about_a_fresh_picture_lets_it_go(
    outcome: int, text: str, age_s: int, speed: Speed
) -> None:
    answer = Query.Response(outcome=outcome, answer=text, age=Duration(sec=age_s))
    assert decide(answer, RULES).speed is speed


def test_refused_it_asks_again_no_sooner_than_it_was_told() -> None:
    refused = Query.Response(outcome=REFUSED, error_msg="busy.", retry_after=Duration(sec=3))
    assert decide(refused, RULES) == Decision(Speed.SLOW, "REFUSED: busy.", 3.0)
    assert decide(Query.Response(outcome=REFUSED), RULES).again_s == RULES.every_s


def looks(patrol: Patrol, why: str) -> Decision:
    """The first decision for this reason."""
    found: list[Decision] = []

    def seen() -> bool:
        found.append(patrol.look())
        return why in found[-1].why

    until(seen)
    return found[-1]


def watched(life: Robot) -> None:
    life.go("activate")
    life.wait_for_pictures("front")


def test_it_slows_down_while_nothing_answers_and_goes_on_after(
    tiny_bundle: Path, clips: Path, tmp_path: Path
) -> None:
    front = {"front__url": str(clips / "car-detection.mp4"), "front__loop": True}
    with robot(tmp_path, bundle=str(tiny_bundle), cameras=["front"], **front) as life:
        life.go("configure")
        watched(life)
        with Patrol(life.client, CALM) as patrol:
            looks(patrol, "COMPLETE")
            life.go("deactivate")
            rests = patrol.look()
            assert rests.speed is Speed.SLOW and "is not active" in rests.why
            watched(life)
            looks(patrol, "COMPLETE")
        with Patrol(life.client, Rules(QUESTION, deadline_s=1e-6)) as hasty:
            assert looks(hasty, "REFUSED").speed is Speed.SLOW


def test_a_dead_node_is_decided_without(tmp_path: Path) -> None:
    with robot(tmp_path) as life:
        assert life.client.state() == "unconfigured"
        assert life.node.process is not None
        life.node.process.kill()
        life.node.process.wait()
        with Patrol(life.client, Rules(QUESTION, deadline_s=0.2)) as patrol:
            decisions = [patrol.look() for _ in range(3)]
        assert {decision.speed for decision in decisions} == {Speed.SLOW}
        assert all(decision.why for decision in decisions)


def test_it_runs_as_a_program_until_it_is_told_to_end(tmp_path: Path) -> None:
    """Before the node is configured: refused, and so slow."""
    with robot(tmp_path) as life:
        assert life.client.state() == "unconfigured"
        command = [sys.executable, "-m", "magno_ros.patrol", "--node", life.client.target, "--deadline", "5"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                process.send_signal(signal.SIGINT)
                assert process.wait(SOON_S) == 0
            finally:
                process.kill()
        assert line.startswith("slow: "), line
