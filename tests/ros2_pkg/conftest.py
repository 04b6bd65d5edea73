"""ROS on loopback, in a domain of this run's own, before rclpy is ever initialised."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def loopback() -> None:
    from magno_ros.process import loopback_environment

    os.environ.update(loopback_environment())
