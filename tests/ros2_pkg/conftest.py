"""ROS on loopback, in a domain of this run's own, before rclpy is ever initialised; and a node that watches a clip."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # it wants rclpy
    from tests.ros2_pkg.robot import Robot


@pytest.fixture(scope="session", autouse=True)
def loopback() -> None:
    from magno_ros.process import loopback_environment

    os.environ.update(loopback_environment())


@pytest.fixture(scope="module")
def active(tiny_bundle: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    """A node watching one clip for ever; every test leaves it active."""
    from tests.ros2_pkg.robot import robot

    folder = tmp_path_factory.mktemp("active")
    clip = str(clips / "car-detection.mp4")
    with robot(
        folder, bundle=str(tiny_bundle), cameras=["front"], front__url=clip, front__loop=True
    ) as started:
        started.go("configure", "activate")
        started.wait_for_pictures("front")
        yield started
