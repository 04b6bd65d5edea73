"""A bag's messages, serialised by ROS itself, are read as the live node reads them; no ROS is asked for that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mcap")

from mcap.writer import Writer
from rclpy.serialization import serialize_message

from magno.runtime.camera.topic.mcap_file import McapFile
from magno.runtime.camera.topic.messages import H264, TOPIC_TYPES, reader_of, stamp_ns_of
from magno_ros.conversions import time_from_ns
from magno_ros.topics import message_class
from tests import bags

STAMP_NS = bags.RECORDED_NS + 123_456_789


@pytest.mark.parametrize("kind", TOPIC_TYPES)
def test_what_ros_has_serialised_is_read_the_same(kind: str, tmp_path: Path) -> None:
    message = message_class(kind)()
    if kind == bags.FOXGLOVE:
        message.timestamp = time_from_ns(STAMP_NS)
    else:
        message.header.stamp, message.header.frame_id = time_from_ns(STAMP_NS), "camera_optical"
    if kind == bags.IMAGE:
        message.height, message.width, message.step, message.encoding = 20, 24, 75, "bgr8"
        message.data = np.random.default_rng(0).integers(0, 256, 1500, np.uint8).tobytes()
    else:
        setattr(message, bags.FORMAT_FIELDS[kind], "h264")
        message.data = bytes(range(256)) * 5
    path = tmp_path / "a.mcap"
    with path.open("wb") as stream:
        writer = Writer(stream)
        writer.start("ros2")
        schema = writer.register_schema(kind, "ros2msg", bags.DEFINITIONS[kind].encode())
        channel = writer.register_channel("/a", "cdr", schema)
        writer.add_message(channel, 7, serialize_message(message), 7)
        writer.finish()
    file = McapFile(path)
    assert file.topics() == {"/a": kind}
    ((recorded_ns, read),) = file.messages("/a")
    file.close()
    assert recorded_ns == 7 and stamp_ns_of(read) == stamp_ns_of(message) == STAMP_NS
    assert np.array_equal(reader_of(kind, H264)(read), reader_of(kind, H264)(message))
