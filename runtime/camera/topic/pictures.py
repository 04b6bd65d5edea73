"""Messages with pictures -> arrays, and JPEGs as they came. Knows a message by its fields alone, whoever made it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from magno.runtime.camera.process.picture_queue import Jpeg, is_size, jpeg_fault
from magno.runtime.units import MagnoError

# sensor_msgs/image_encodings -> channels as they lie in memory, and how they become RGB.
ENCODINGS: dict[str, tuple[int, tuple[int, ...]]] = {
    "rgb8": (3, (0, 1, 2)),
    "bgr8": (3, (2, 1, 0)),
    "8uc3": (3, (2, 1, 0)),  # OpenCV's order, as cv_bridge has it
    "rgba8": (4, (0, 1, 2)),
    "bgra8": (4, (2, 1, 0)),
    "mono8": (1, ()),
    "8uc1": (1, ()),
}


class ImageMessage(Protocol):
    """What is read of a sensor_msgs/Image."""

    encoding: str
    height: int
    width: int
    step: int  # bytes of a row
    data: bytes


class CodedMessage(Protocol):
    """What is read of a sensor_msgs/CompressedImage, and of its kin."""

    data: bytes


class PictureError(MagnoError):
    """A message that is no picture; its text goes on after "a message of TOPIC"."""


def pixels_of(message: ImageMessage) -> np.ndarray:
    """(H, W, 3) uint8 RGB or (H, W) uint8 grey of a message. Raises PictureError."""
    told = str(message.encoding).lower()
    if told not in ENCODINGS:
        raise PictureError(f"wants an encoding of {', '.join(ENCODINGS)}, found {told[:40]!r}.")
    channels, order = ENCODINGS[told]
    height, width, step = int(message.height), int(message.width), int(message.step)
    if not is_size(width, height) or step < width * channels or len(message.data) < step * height:
        raise PictureError(
            f"wants {width}x{height} {told} in rows of {step} bytes, found {len(message.data)} bytes in all."
        )
    rows = np.frombuffer(message.data, np.uint8, step * height).reshape(height, step)[:, : width * channels]
    if not order:
        return rows
    return rows.reshape(height, width, channels)[..., list(order)]


def jpeg_of(message: CodedMessage) -> Jpeg:
    """A message's picture as it came, not decoded. Raises PictureError for what does not begin as a JPEG."""
    jpeg = Jpeg(bytes(message.data))
    if (fault := jpeg_fault(jpeg.data)) is not None:
        raise PictureError(fault)
    return jpeg
