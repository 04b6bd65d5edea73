"""One thread runs what it is given: in order, in a while, to the end. No time is asserted."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("rclpy")

from magno_ros.errands import Errands

SOON_S = 10.0


def test_errands_are_run_in_their_order_and_all_before_the_end() -> None:
    run, faults = list[int](), list[BaseException]()
    errands = Errands("test", faults.append)
    for number in range(100):
        errands.soon(lambda number=number: run.append(number))
    errands.close()
    assert run == list(range(100)) and not faults


def test_the_one_that_is_due_first_is_run_first_and_what_is_not_due_at_the_end_is_not() -> None:
    run, done = list[str](), threading.Event()
    errands = Errands("test", lambda fault: None)
    errands.later(60.0, lambda: run.append("never"))
    errands.later(0.05, lambda: (run.append("second"), done.set()))
    errands.later(0.01, lambda: run.append("first"))
    assert done.wait(SOON_S)
    errands.close()
    assert run == ["first", "second"]


def test_a_fault_is_told_and_the_rest_goes_on() -> None:
    run, faults = list[int](), list[BaseException]()
    errands = Errands("test", faults.append)
    errands.soon(lambda: 1 // 0)
    errands.soon(lambda: run.append(1))
    errands.close()
    assert run == [1] and [type(fault) for fault in faults] == [ZeroDivisionError]
