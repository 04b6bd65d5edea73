"""What a Taker takes, with real services and a real topic, beside an executor that must not touch it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy")

from builtin_interfaces.msg import Time
from magno_interfaces.srv import Unwatch
from rclpy.executors import SingleThreadedExecutor

from magno_ros.taker import AT_ONCE, TakenClient, TakenService, TakenTopic, Taker
from tests.ros2_pkg.peers import Peers, peers, told
from tests.ros2_pkg.robot import until


class Taking:
    """A taker of a node that an executor spins, too."""

    def __init__(self, ros: Peers) -> None:
        self.ros = ros
        self.taker = Taker(ros.node, ros.faults.append)
        self.threads: set[str] = set()
        self.owed: list[Callable[[Any], None]] = []
        self.serve("early", lambda request, respond: respond(Unwatch.Response(success=True)))
        self.taker.start()
        ros.spin(SingleThreadedExecutor(context=ros.context), ros.node)

    def serve(self, name: str, act: Callable[[Any, Callable[[Any], None]], None]) -> None:
        def noted(request: Any, respond: Callable[[Any], None]) -> None:
            self.threads.add(threading.current_thread().name)
            act(request, respond)

        def never(request: Any, response: Any) -> Any:
            raise AssertionError("an executor took what is the taker's")

        group = self.taker.group
        service = self.ros.node.create_service(Unwatch, name, never, callback_group=group)
        self.taker.add(TakenService(service, noted))


@pytest.fixture(scope="module")
def taking() -> Iterator[Taking]:
    with peers() as ros:
        made = Taking(ros)
        yield made
        made.taker.close()
        assert not ros.faults


def test_what_comes_is_taken_by_one_thread_also_of_what_is_added_later(taking: Taking) -> None:
    taking.serve("late", lambda request, respond: respond(Unwatch.Response(success=request.id == 7)))
    calls = [taking.ros.call(Unwatch, "late", Unwatch.Request(id=7)) for _ in range(3)]
    calls.append(taking.ros.call(Unwatch, "early", Unwatch.Request()))
    assert all(told(call).success for call in calls)
    assert taking.threads == {"magno-taker"}


def test_a_response_may_come_later_from_any_thread(taking: Taking) -> None:
    taking.serve("owing", lambda request, respond: taking.owed.append(respond))
    call = taking.ros.call(Unwatch, "owing", Unwatch.Request())
    until(lambda: taking.owed)
    assert told(taking.ros.call(Unwatch, "early", Unwatch.Request())).success and not call.done()
    taking.owed.pop()(Unwatch.Response(success=True))
    assert told(call).success


def test_a_topic_is_taken_in_order_until_it_is_removed(taking: Taking) -> None:
    node, heard = taking.ros.node, list[int]()
    count = 2 * AT_ONCE
    topic = node.create_subscription(
        Time, "times", lambda time: heard.append(time.sec), count, callback_group=taking.taker.group
    )
    taken = TakenTopic(topic)
    taking.taker.add(taken)
    publisher = taking.ros.asker.create_publisher(Time, "times", count)
    until(publisher.get_subscription_count)
    for number in range(count):
        publisher.publish(Time(sec=number))
    until(lambda: len(heard) == count)
    assert heard == list(range(count))
    taking.taker.remove(taken)
    node.destroy_subscription(topic)
    until(lambda: not publisher.get_subscription_count())
    assert told(taking.ros.call(Unwatch, "early", Unwatch.Request())).success


def test_a_client_gets_its_own_responses_among_those_of_others(taking: Taking) -> None:
    node, asked = taking.ros.asker, 4  # ROS keeps ten
    taker = Taker(node, taking.ros.faults.append)
    mine = node.create_client(Unwatch, "echo", callback_group=taker.group)
    taker.add(TakenClient(mine))
    taker.start()
    taking.serve("echo", lambda request, respond: respond(Unwatch.Response(success=request.id == 7)))
    other = node.create_client(Unwatch, "echo")
    until(lambda: mine.service_is_ready() and other.service_is_ready())
    calls = [
        (mine.call_async(Unwatch.Request(id=7)), other.call_async(Unwatch.Request())) for _ in range(asked)
    ]
    gone = mine.call_async(Unwatch.Request(id=7))
    mine.remove_pending_request(gone)
    assert all(told(own).success and not told(others).success for own, others in calls)
    assert told(mine.call_async(Unwatch.Request(id=7))).success and not gone.done()
    taker.close()


def test_a_fault_is_told_and_the_rest_goes_on(taking: Taking) -> None:
    taking.serve("broken", lambda request, respond: respond("no response"))
    taking.ros.call(Unwatch, "broken", Unwatch.Request())
    until(lambda: taking.ros.faults)
    assert isinstance(taking.ros.faults.pop(), TypeError)
    assert told(taking.ros.call(Unwatch, "early", Unwatch.Request())).success
