"""The row `magno bench ros`: it is there without ROS, imports none of it before it measures, and says what it wants."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from magno.calibration import bench, ros

LOADED = """
import argparse, sys
from magno.calibration.bench import add_arguments
add_arguments(argparse.ArgumentParser())
print(sorted({"rclpy", "magno_ros", "magno_interfaces"} & set(sys.modules)))
"""


def test_nothing_of_ros_is_imported_for_the_table() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_ros_it_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, ros.BENCH, None)
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    assert bench.run(parser.parse_args(["ros", "--soak", "5"])) == 2
    told = capsys.readouterr()
    assert "wants ROS 2" in told.err and ros.BENCH in told.err and "Source the workspace" in told.err
    assert told.out == ""
