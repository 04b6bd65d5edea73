"""Parameters over the wire, as `ros2 param set` sends them, to a node that is active and answers questions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from magno_interfaces.srv import Query
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient

from tests.ros2_pkg.robot import QUESTION, SOON_S, Robot, robot, until

Set = Callable[[str, object], SetParametersResult]


@pytest.fixture(scope="module")
def active(tiny_bundle: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    """A node that tells its status once a minute, until it is told otherwise."""
    parameters = {"front__url": str(clips / "car-detection.mp4"), "front__loop": True, "status_period_s": 60}
    folder = tmp_path_factory.mktemp("live")
    with robot(folder, bundle=str(tiny_bundle), cameras=["front"], **parameters) as started:
        started.go("configure", "activate")
        until(lambda: any(camera.cached_tokens for camera in started.client.cameras()))
        yield started


@pytest.fixture(scope="module")
def set_parameter(active: Robot) -> Set:
    client = AsyncParameterClient(active.client._node, active.client.target)
    assert client.wait_for_services(SOON_S)

    def set_one(name: str, value: object) -> SetParametersResult:
        done = threading.Event()
        future = client.set_parameters([Parameter(name, value=value)])
        future.add_done_callback(lambda _: done.set())
        assert done.wait(SOON_S)
        (result,) = future.result().results
        return result

    return set_one


def test_the_status_comes_as_often_as_is_set(active: Robot, set_parameter: Set) -> None:
    assert set_parameter("status_period_s", 0.1).successful
    active.heard.clear()
    until(lambda: len(active.heard) > 3)  # once a minute they would not
    assert set_parameter("status_period_s", 1).successful  # a whole number is welcome


def test_the_longest_answer_is_as_long_as_is_set(active: Robot, set_parameter: Set) -> None:
    def pieces() -> int:
        texts: list[str] = []
        goal = active.client.start(QUESTION, deadline_s=SOON_S, on_text=texts.append)
        result, _ = goal.result()
        assert result.outcome == Query.Response.COMPLETE, result.error_msg
        until(lambda: texts and texts[-1].strip() == result.answer)
        return len(texts)

    assert set_parameter("default_max_tokens", 1).successful
    assert pieces() == 1
    assert set_parameter("default_max_tokens", 6).successful
    assert 1 < pieces() <= 6


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("threads", 4, "threads is read at configure and the node is configured: clean it up first."),
        ("front.url", "b.mp4", "front.url is read at configure"),
        ("cameras", ["front", "back"], "cameras is read at configure"),
        ("status_period_s", 0.0, "status_period_s wants 0.02 to 60 seconds, found 0. Set another."),
        ("status_period_s", "often", "status_period_s wants"),
        ("default_max_tokens", 100_000, "default_max_tokens wants 1 to"),
    ],
)
def test_what_cannot_be_set_is_refused_with_the_reason(
    active: Robot, set_parameter: Set, name: str, value: object, reason: str
) -> None:
    result = set_parameter(name, value)
    assert not result.successful and reason in result.reason
    assert active.client.state() == "active"


def test_a_start_with_a_wrong_value_is_a_sentence(tiny_bundle: Path, tmp_path: Path) -> None:
    with robot(tmp_path, bundle=str(tiny_bundle), status_period_s=0.0) as life:
        assert not life.client.change_state("configure")
        assert "status_period_s wants 0.02 to 60" in life.node.last_error()
