"""The node end to end: its own process, the real engine, real services on loopback."""

import signal
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray
from magno_interfaces.msg import StreamStatus
from magno_interfaces.srv import Query

from magno_ros.client import ClientError
from magno_ros.conversions import ms_from_duration
from tests.ros2_pkg.robot import QUESTION, SOON_S, Robot, robot, until

COMPLETE, PARTIAL = Query.Response.COMPLETE, Query.Response.PARTIAL
REFUSED, FAILED = Query.Response.REFUSED, Query.Response.FAILED


def test_a_question_is_answered_with_all_that_belongs_to_it(active: Robot) -> None:
    response = active.client.ask(QUESTION, camera="front", deadline_s=10.0, max_tokens=4)
    assert response.outcome == COMPLETE, response.error_msg
    assert response.error_msg == ""
    assert abs(response.stamp.sec - time.time()) < SOON_S
    assert ms_from_duration(response.latency) >= ms_from_duration(response.time_to_first_token) > 0
    assert response.cached_tokens > response.visual_tokens > 0


def test_the_only_camera_needs_no_name(active: Robot) -> None:
    assert active.client.ask(QUESTION, deadline_s=10.0, max_tokens=2).outcome == COMPLETE


def test_a_question_may_be_about_the_past(active: Robot) -> None:
    until(lambda: active.wait_for_pictures("front").remembered.sec >= 2)
    now, then = (active.client.ask(QUESTION, deadline_s=10.0, max_tokens=2, ago_s=ago) for ago in (0.0, 2.0))
    assert now.outcome == then.outcome == COMPLETE
    apart_s = (now.stamp.sec - then.stamp.sec) + (now.stamp.nanosec - then.stamp.nanosec) / 1e9
    assert 1.0 < apart_s < 2.0 + SOON_S
    lost = active.client.ask(QUESTION, deadline_s=10.0, ago_s=86_000.0)
    assert lost.outcome == REFUSED and "remembered" in lost.error_msg


def test_a_question_may_be_about_what_its_words_name(active: Robot) -> None:
    answer = active.client.ask(QUESTION, deadline_s=10.0, max_tokens=2, recall=True)
    assert answer.outcome == COMPLETE, answer.error_msg
    assert answer.stamp.sec > 0


def test_a_conversation_goes_on(active: Robot) -> None:
    names = ("visitor", "visitor", "", "visitor")
    turns = [
        active.client.ask(QUESTION, deadline_s=10.0, max_tokens=4, conversation=name).earlier_turns
        for name in names
    ]
    assert turns == [0, 1, 0, 2]


def test_a_standing_question_tells_what_changed(active: Robot) -> None:
    number = active.client.watch(QUESTION, camera="front", every_s=0.2, on_motion=False)
    until(lambda: any(event.id == number for event in active.events))
    first = next(event for event in active.events if event.id == number)
    assert (first.camera, first.question, first.previous_answer) == ("front", QUESTION, "")
    assert abs(first.header.stamp.sec - time.time()) < SOON_S and first.stamp.sec <= first.header.stamp.sec
    assert active.client.unwatch(number) and not active.client.unwatch(number)
    with pytest.raises(ClientError, match="wants text"):
        active.client.watch(" ", camera="front")
    with pytest.raises(ClientError, match="watches front"):
        active.client.watch(QUESTION, camera="back")


def test_diagnostics_tell_of_the_engine_and_of_each_camera(active: Robot) -> None:
    heard: list[DiagnosticArray] = []
    node = active.client._node  # a robot's own would do as well
    subscription = node.create_subscription(DiagnosticArray, "/diagnostics", heard.append, 10)
    until(lambda: heard)
    node.destroy_subscription(subscription)
    engine, camera = heard[0].status
    assert engine.name.endswith(": engine") and camera.name.endswith(": camera front")
    assert "tiny" in {value.key: value.value for value in engine.values}["model"]


def test_cameras_are_listed(active: Robot) -> None:
    (camera,) = active.client.cameras()
    assert camera.camera == "front" and camera.pictures_received > 0


def test_the_action_tells_the_text_as_it_comes(active: Robot) -> None:
    texts: list[str] = []
    result, end = active.client.start(QUESTION, deadline_s=10.0, max_tokens=8, on_text=texts.append).result()
    assert (end, result.outcome) == ("succeeded", COMPLETE)
    until(lambda: texts and texts[-1].strip() == result.answer and len(texts) > 1)
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))


def test_cancel_ends_a_goal_before_its_time(active: Robot) -> None:
    begun = threading.Event()
    goal = active.client.start(QUESTION, deadline_s=60.0, max_tokens=500, on_text=lambda _: begun.set())
    assert begun.wait(SOON_S)
    assert goal.cancel()
    result, end = goal.result()
    assert end == "canceled"
    assert result.outcome == FAILED and result.error_msg


def test_cancel_right_after_the_goal_is_a_cancel_too(active: Robot) -> None:
    goal = active.client.start(QUESTION, deadline_s=60.0, max_tokens=500)
    goal.cancel()
    assert goal.result()[1] == "canceled"
    assert active.client.ask(QUESTION, deadline_s=10.0, max_tokens=2).outcome == COMPLETE


@pytest.mark.parametrize(
    ("question", "camera", "deadline_s"),
    [("", "", 1.0), ("  \n", "", 1.0), (QUESTION, "", 0.0), (QUESTION, "", -1.0), (QUESTION, "rear", 1.0)],
)
def test_bad_questions_fail_with_a_sentence(
    active: Robot, question: str, camera: str, deadline_s: float
) -> None:
    response = active.client.ask(question, camera=camera, deadline_s=deadline_s)
    assert response.outcome == FAILED
    assert response.error_msg.endswith(".") and response.answer == ""
    result, end = active.client.start(question, camera=camera, deadline_s=deadline_s).result()
    assert (end, result.outcome, result.error_msg) == ("aborted", FAILED, response.error_msg)


def test_what_cannot_be_met_is_refused(active: Robot) -> None:
    response = active.client.ask(QUESTION, deadline_s=1e-6)
    assert response.outcome == REFUSED and response.error_msg


def test_a_million_characters_fail_and_the_node_stays_up(active: Robot) -> None:
    assert active.client.ask("a" * 1_000_000, deadline_s=1.0).outcome == FAILED
    assert active.client.state() == "active"


def test_forty_at_once_all_get_an_outcome(active: Robot) -> None:
    outcomes: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: outcomes.append(
                active.client.ask(QUESTION, deadline_s=SOON_S, max_tokens=8).outcome
            )
        )
        for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    assert active.client.state() == "active"  # waiting questions do not block the lifecycle
    for thread in threads:
        thread.join(2 * SOON_S)
    assert len(outcomes) == 40
    assert set(outcomes) <= {COMPLETE, PARTIAL, REFUSED} and COMPLETE in outcomes


def test_status_tells_how_the_camera_is(active: Robot) -> None:
    status = active.wait_for_pictures("front")
    assert status.state == StreamStatus.STATE_STREAMING and status.error_msg == ""
    assert status.pictures_per_second > 0 and status.cached_tokens > 0
    assert ms_from_duration(status.newest_picture_age) >= 0


def test_transitions_that_are_not_allowed_are_refused_and_harm_nothing(active: Robot) -> None:
    assert not active.client.change_state("configure")
    assert not active.client.change_state("cleanup")
    assert not active.client.change_state("fly")
    assert active.client.state() == "active"


def test_the_life_of_a_node(tiny_bundle: Path, clips: Path, tmp_path: Path) -> None:
    clip = str(clips / "car-detection.mp4")
    with robot(
        tmp_path, bundle=str(tiny_bundle), cameras=["front"], front__url=clip, front__loop=True
    ) as life:
        assert life.client.state() == "unconfigured"
        assert life.client.ask(QUESTION, deadline_s=1.0).outcome == REFUSED
        for _ in range(2):
            life.go("configure")
            refused = life.client.ask(QUESTION, deadline_s=1.0)
            assert refused.outcome == REFUSED and "not active" in refused.error_msg
            assert life.client.start(QUESTION, deadline_s=1.0).result()[1] == "aborted"
            for _ in range(2):
                life.go("activate")
                life.wait_for_pictures("front")
                assert life.client.ask(QUESTION, deadline_s=10.0, max_tokens=2).outcome == COMPLETE
                life.go("deactivate")
                assert life.client.state() == "inactive"
                assert life.client.ask(QUESTION, deadline_s=1.0).outcome == REFUSED
            life.go("cleanup")
            assert life.client.state() == "unconfigured"
        assert life.node.stop(signal.SIGTERM) == 0


def test_sigint_ends_an_active_node_cleanly(tiny_bundle: Path, clips: Path, tmp_path: Path) -> None:
    clip = str(clips / "car-detection.mp4")
    with robot(
        tmp_path, bundle=str(tiny_bundle), cameras=["front"], front__url=clip, front__loop=True
    ) as life:
        life.go("configure", "activate")
        life.wait_for_pictures("front")
        assert life.node.stop(signal.SIGINT) == 0
        assert "Traceback" not in life.node.log_text()


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"bundle": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({}, "bundle wants"),
        ({"bundle": "b", "thread": 2}, "Did you mean 'threads'"),
    ],
)
def test_a_wrong_configuration_is_a_sentence_and_the_node_lives(
    tmp_path: Path, parameters: dict[str, object], sentence: str
) -> None:
    with robot(tmp_path, **parameters) as life:
        assert not life.client.change_state("configure")
        assert sentence in life.node.last_error()
        assert life.client.state() == "unconfigured"
        assert "Traceback" not in life.node.log_text()


def test_a_wrong_clip_fails_activate_and_the_model_stays_warm(
    tiny_bundle: Path, clips: Path, tmp_path: Path
) -> None:
    parameters = {
        "cameras": ["good", "bad"],
        "good__url": str(clips / "car-detection.mp4"),
        "bad__url": str(clips / "none.mp4"),
    }
    with robot(tmp_path, bundle=str(tiny_bundle), **parameters) as life:
        life.go("configure")
        assert not life.client.change_state("activate")
        assert "none.mp4" in life.node.last_error()
        assert life.client.state() == "inactive"
        assert not life.client.change_state("activate")  # the good camera was given back: no "taken"
        assert "none.mp4" in life.node.last_error()


def test_a_client_hears_of_a_killed_node_in_bounded_time(tmp_path: Path) -> None:
    with robot(tmp_path) as life:
        assert life.client.state() == "unconfigured"
        assert life.node.process is not None
        life.node.process.kill()
        life.node.process.wait()
        with pytest.raises(ClientError, match="has the node died"):
            life.client.ask(QUESTION, deadline_s=0.2, patience_s=0.3)
