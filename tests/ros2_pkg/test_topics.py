"""Cameras that are topics, end to end: a publisher of each kind in this process, the node in its own."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

pytest.importorskip("rclpy")

import rclpy
from builtin_interfaces.msg import Time
from magno_interfaces.msg import StreamStatus
from magno_interfaces.srv import Query
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from magno.runtime.camera.encode import PictureEncoder
from magno.runtime.camera.topic.messages import TOPIC_TYPES, format_of
from magno.runtime.camera.topic.pictures import PictureError, pixels_of
from magno.runtime.camera.topic.pictures import jpeg_of as jpeg_of_message
from magno_ros.conversions import time_from_ns
from magno_ros.parameters import CameraConfig, ParameterError
from magno_ros.topics import message_class
from tests.jpegs import jpeg_of
from tests.ros2_pkg.robot import QUESTION, SOON_S, Robot, robot, until

RATE = 15
PICTURES, GOP_PICTURES = 40, 8
Coded = Callable[[np.ndarray, Time], Any]


@pytest.fixture(scope="module")
def pictures(clips: Path) -> list[np.ndarray]:
    with av.open(str(clips / "car-detection.mp4")) as container:
        frames = (frame for _, frame in zip(range(PICTURES), container.decode(video=0), strict=False))
        return [frame.to_ndarray(width=320, height=240, format="rgb24") for frame in frames]


class Encoder:
    """With a GOP of half a second, as robots' cameras have: who comes late does not wait long for an IDR."""

    def __init__(self) -> None:
        self._encoder, self._pictures = PictureEncoder(), 0

    def encode(self, picture: np.ndarray) -> bytes:
        if self._pictures % GOP_PICTURES == 0:
            self._encoder = PictureEncoder()
        self._pictures += 1
        return self._encoder.encode(picture, 0, 0).data


def h264() -> Coded:
    encoder = Encoder()

    def coded(picture: np.ndarray, stamp: Time) -> Any:
        message = CompressedImage(format="h264")
        message.header.stamp = stamp
        message.data = encoder.encode(picture)
        return message

    return coded


def foxglove() -> Coded:
    encoder, kind = Encoder(), message_class("foxglove_msgs/msg/CompressedVideo")
    return lambda picture, stamp: kind(timestamp=stamp, format="h264", data=encoder.encode(picture))


def ffmpeg() -> Coded:
    encoder, kind = Encoder(), message_class("ffmpeg_image_transport_msgs/msg/FFMPEGPacket")

    def coded(picture: np.ndarray, stamp: Time) -> Any:
        message = kind(encoding="h264;yuv420p;bgr8;bgr8", width=320, height=240)
        message.header.stamp = stamp
        message.data = encoder.encode(picture)
        return message

    return coded


def jpeg() -> Coded:
    def coded(picture: np.ndarray, stamp: Time) -> Any:
        message = CompressedImage(format="rgb8; jpeg compressed bgr8", data=jpeg_of(picture))
        message.header.stamp = stamp
        return message

    return coded


def damaged_jpeg() -> Coded:
    """Every other one."""
    intact, numbers = jpeg(), itertools.count()

    def coded(picture: np.ndarray, stamp: Time) -> Any:
        message = intact(picture, stamp)
        if next(numbers) % 2:
            message.data = bytes(message.data[:2]) + bytes(400)
        return message

    return coded


def bgr() -> Coded:
    def coded(picture: np.ndarray, stamp: Time) -> Any:
        height, width, _ = picture.shape
        message = Image(height=height, width=width, encoding="bgr8", step=3 * width)
        message.header.stamp, message.data = stamp, picture[..., ::-1].tobytes()
        return message

    return coded


class Camera:
    """Publishes pictures again and again, until it is left."""

    def __init__(
        self, topic: str, coded: Coded, kind: type, pictures: list[np.ndarray], reliable: bool
    ) -> None:
        self._coded, self._pictures = coded, pictures
        self.stamps: list[Time] = []
        self._context = Context()
        rclpy.init(context=self._context)
        self._node = Node("camera", context=self._context, start_parameter_services=False)
        policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        self._publisher = self._node.create_publisher(kind, topic, QoSProfile(depth=10, reliability=policy))
        self.pause = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._publish, daemon=True)

    def __enter__(self) -> Camera:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(SOON_S)
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _publish(self) -> None:
        number = 0
        while not self._over.wait(1 / RATE):
            if self.pause.is_set():
                continue
            stamp = time_from_ns(time.time_ns() - 30_000_000)  # a camera is some way off
            self.stamps.append(stamp)
            self._publisher.publish(self._coded(self._pictures[number % PICTURES], stamp))
            number += 1


KINDS: dict[str, tuple[Callable[[], Coded], str, dict[str, object]]] = {
    "h264": (h264, TOPIC_TYPES[0], {}),
    "jpeg": (jpeg, TOPIC_TYPES[0], {"front__format": "jpeg"}),
    "image": (bgr, TOPIC_TYPES[1], {}),
    "foxglove": (foxglove, TOPIC_TYPES[2], {}),
    "ffmpeg": (ffmpeg, TOPIC_TYPES[3], {"front__reliable": True}),
}


@contextmanager
def watched(
    kind: str, bundle: Path, folder: Path, pictures: list[np.ndarray]
) -> Iterator[tuple[Robot, Camera]]:
    make, type_name, parameters = KINDS[kind]
    topic = f"camera_{uuid.uuid4().hex[:8]}/stream"
    parameters = {"front__topic": f"/{topic}", "front__type": type_name, **parameters}
    with (
        robot(folder, bundle=str(bundle), cameras=["front"], **parameters) as started,
        Camera(
            topic, make(), message_class(type_name), pictures, bool(parameters.get("front__reliable"))
        ) as camera,
    ):
        started.go("configure", "activate")
        yield started, camera


@pytest.mark.parametrize("kind", KINDS)
def test_a_topic_is_a_camera(
    kind: str, tiny_bundle: Path, tmp_path: Path, pictures: list[np.ndarray]
) -> None:
    with watched(kind, tiny_bundle, tmp_path, pictures) as (started, camera):
        status = started.wait_for_pictures("front")
        assert status.state == StreamStatus.STATE_STREAMING, status.error_msg
        answer = started.client.ask(QUESTION, deadline_s=10.0, max_tokens=2)
        assert answer.outcome == Query.Response.COMPLETE, answer.error_msg
        assert answer.stamp in camera.stamps  # the camera's own, to the nanosecond
        assert 0.02 < answer.age.sec + answer.age.nanosec / 1e9 < SOON_S


def test_a_topic_that_falls_silent_is_a_state(
    tiny_bundle: Path, tmp_path: Path, pictures: list[np.ndarray]
) -> None:
    with watched("h264", tiny_bundle, tmp_path, pictures) as (started, camera):
        started.wait_for_pictures("front")
        camera.pause.set()
        until(lambda: started.heard and started.heard[-1].state == StreamStatus.STATE_SILENT)
        camera.pause.clear()
        until(lambda: started.heard and started.heard[-1].state == StreamStatus.STATE_STREAMING)
        started.go("deactivate", "activate")
        started.wait_for_pictures("front")


def test_what_is_no_h264_is_told_and_harms_nothing(
    tiny_bundle: Path, tmp_path: Path, pictures: list[np.ndarray]
) -> None:
    KINDS["wrong"] = (jpeg, TOPIC_TYPES[0], {})
    with watched("wrong", tiny_bundle, tmp_path, pictures) as (started, _):
        until(lambda: "wants H.264, found the format 'rgb8'" in started.node.log_text())
        assert started.client.state() == "active"


@pytest.mark.parametrize(
    ("encoding", "channels"), [("rgb8", 3), ("bgr8", 3), ("rgba8", 4), ("bgra8", 4), ("mono8", 1)]
)
def test_an_image_is_read_row_by_row(encoding: str, channels: int) -> None:
    height, width, step = 20, 24, 24 * channels + 5
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (height, step), dtype=np.uint8)
    message = Image(height=height, width=width, encoding=encoding, step=step, data=rows.tobytes())
    pixels = pixels_of(message)
    wanted = rows[:, : width * channels].reshape(height, width, channels)[..., :3]
    if encoding.startswith("bgr"):
        wanted = wanted[..., ::-1]
    assert np.array_equal(pixels, wanted[..., 0] if channels == 1 else wanted)


@pytest.mark.parametrize(
    "message",
    [
        Image(height=20, width=20, encoding="32FC1", step=80, data=bytes(1600)),
        Image(height=20, width=20, encoding="rgb8", step=60, data=bytes(1199)),
        Image(height=20, width=20, encoding="rgb8", step=59, data=bytes(1200)),
        Image(height=2**31, width=2**31, encoding="rgb8", step=60, data=bytes(1200)),
        Image(),
    ],
)
def test_what_is_no_image_is_a_sentence(message: Image) -> None:
    with pytest.raises(PictureError, match=r"^wants .*found"):
        pixels_of(message)


@pytest.mark.parametrize("data", [b"", b"GIF89a"])
def test_what_does_not_begin_as_a_jpeg_is_a_sentence(data: bytes) -> None:
    with pytest.raises(PictureError, match=r"^wants a JPEG .*found"):
        jpeg_of_message(CompressedImage(format="jpeg", data=data))


def test_a_jpeg_that_cannot_be_decoded_is_told_by_the_camera_s_process_and_harms_nothing(
    tiny_bundle: Path, tmp_path: Path, pictures: list[np.ndarray]
) -> None:
    KINDS["damaged"] = (damaged_jpeg, TOPIC_TYPES[0], {"front__format": "jpeg"})
    with watched("damaged", tiny_bundle, tmp_path, pictures) as (started, _):
        until(lambda: "A picture wants a JPEG, found" in started.node.log_text())
        started.wait_for_pictures("front")  # every other one is whole
        assert "a message of" not in started.node.log_text()  # the node itself has found no fault


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(ParameterError, match="wants the package absent_msgs, found none installed"):
        message_class("absent_msgs/msg/Video")


def test_formats_are_read_as_each_kind_says_them() -> None:
    packet = message_class(TOPIC_TYPES[3])(encoding="libx264")
    assert format_of(packet) == "libx264" and format_of(CompressedImage(format="H264; x")) == "h264"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "found neither"),
        ({"url": "a", "topic": "b"}, "found both"),
        ({"topic": "b", "type": "std_msgs/msg/String"}, "type wants one of"),
        ({"topic": "b", "format": "vp9"}, "format wants one of"),
    ],
)
def test_a_wrong_camera_is_a_sentence(given: dict[str, str], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        CameraConfig(**given)
