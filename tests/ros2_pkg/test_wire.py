"""The interfaces as others see them: an independent DDS, in an environment without ROS, reads and asks."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from magno_interfaces.msg import StreamStatus
from magno_interfaces.srv import Query

from tests.ros2_pkg.robot import QUESTION, robot

PEER = Path(__file__).parents[2] / ".venv" / "dds-peer" / "bin" / "python"  # setup.sh test makes it
LOOPBACK = """<CycloneDDS><Domain><General><Interfaces><NetworkInterface name="lo"/></Interfaces>
<AllowMulticast>false</AllowMulticast></General><Discovery><ParticipantIndex>auto</ParticipantIndex>
<Peers><Peer address="127.0.0.1"/></Peers></Discovery></Domain></CycloneDDS>"""
ROS_WORDS = ("ROS", "_ROS", "RMW", "AMENT", "COLCON", "FASTRTPS", "LD_LIBRARY_PATH", "PYTHON")

pytestmark = pytest.mark.skipif(
    not PEER.exists(), reason="no environment with cyclonedds: run ./setup.sh test"
)


def test_a_peer_without_ros_reads_the_status_and_is_answered(
    tiny_bundle: Path, clips: Path, tmp_path: Path
) -> None:
    camera = {"front__url": str(clips / "car-detection.mp4"), "front__loop": True, "front__pace": "live"}
    with robot(tmp_path, bundle=str(tiny_bundle), cameras=["front"], **camera) as node:
        node.go("configure", "activate")
        node.wait_for_pictures("front")
        own = {name: value for name, value in os.environ.items() if not name.startswith(ROS_WORDS)}
        own |= {"CYCLONEDDS_URI": LOOPBACK, "PYTHONNOUSERSITE": "1"}
        own["ROS_DOMAIN_ID"] = os.environ["ROS_DOMAIN_ID"]
        without_ros = subprocess.run([PEER, "-c", "import rclpy"], env=own, capture_output=True, check=False)
        assert without_ros.returncode != 0
        peer = [
            PEER,
            Path(__file__).with_name("dds_peer.py"),
            node.client.target.strip("/"),
            "front",
            QUESTION,
            "10",
        ]
        done = subprocess.run(peer, env=own, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["camera"] == "front" and told["state"] == StreamStatus.STATE_STREAMING
    assert told["pictures_received"] > 0 and told["cached_tokens"] > 0
    assert told["outcome"] == Query.Response.COMPLETE, told
    assert told["visual_tokens"] > 0 and 0 < told["latency_s"] < 10 and not told["error_msg"]
