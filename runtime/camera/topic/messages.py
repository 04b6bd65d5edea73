"""A message of a camera topic -> what the camera takes: H.264 as it came, or a picture. Knows no ROS and no queue.

The live node and recorded bags both come here, so that a recording is read as the topic was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from magno.runtime.camera.process.picture_queue import JPEG_START, Jpeg
from magno.runtime.camera.topic.pictures import (
    CodedMessage,
    ImageMessage,
    PictureError,
    jpeg_of,
    pixels_of,
)
from magno.runtime.clock import NS_PER_S

IMAGE = "sensor_msgs/msg/Image"
TOPIC_TYPES = (
    "sensor_msgs/msg/CompressedImage",
    IMAGE,
    "foxglove_msgs/msg/CompressedVideo",
    "ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
)
H264, JPEG = "h264", "jpeg"
FORMATS = (H264, JPEG)

# An H.264 access unit in annex B; or a picture: a JPEG, (H, W, 3) uint8 RGB or (H, W) uint8 grey.
Coded = bytes | Jpeg | np.ndarray


def is_h264(kind: str, told: str) -> bool:
    """Whether a topic of this type gives access units, where its format is said to be `told`, one of FORMATS."""
    return kind != IMAGE and told == H264


def reader_of(kind: str, told: str) -> Callable[[object], Coded]:
    """What reads the messages of a topic of this type, one of TOPIC_TYPES, and format. It raises PictureError."""
    if kind == IMAGE:
        return lambda message: pixels_of(cast(ImageMessage, message))
    if told == H264:
        return unit_of
    return lambda message: jpeg_of(cast(CodedMessage, message))


def unit_of(message: object) -> bytes:
    """The access unit of a message that says it is H.264. Raises PictureError."""
    told = format_of(message)
    if "264" not in told:
        raise PictureError(f"wants H.264, found the format {told[:40]!r}; say which format it is.")
    return bytes(cast(CodedMessage, message).data)


def found_format(message: object) -> str:
    """One of FORMATS, as a message with coded pictures shows it. Raises PictureError where it is neither."""
    told = format_of(message)
    if "264" in told:
        return H264
    if bytes(cast(CodedMessage, message).data[:2]) == JPEG_START:
        return JPEG
    raise PictureError(f"wants H.264 or JPEG, found the format {told[:40]!r}.")


def format_of(message: object) -> str:
    """What a message says of its coding: CompressedImage and CompressedVideo in `format`, FFMPEGPacket in `encoding`,
    which may be "h264;yuv420p" or the name of an encoder such as "libx264"."""
    told = getattr(message, "format", None)
    return str(getattr(message, "encoding", "") if told is None else told).lower().split(";")[0].strip()


def stamp_ns_of(message: object) -> int:
    """When the camera says that it took it, nanoseconds on the camera's clock; 0: it does not say."""
    stamp = getattr(message, "timestamp", None)
    if stamp is None:
        stamp = message.header.stamp  # type: ignore[attr-defined]
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)
