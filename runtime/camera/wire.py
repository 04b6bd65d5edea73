"""CodecFrames as bytes, between the reader process and the engine. Pure.

The reader decodes hostile bytes, so what it says is checked here as hostile too, and nothing is unpickled: a
message is `MGN1`, two lengths, a JSON head and the arrays one after another.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from magno.runtime.camera.request import CameraError
from magno.runtime.units import CodecFrame, Link, MotionField

LENGTHS = struct.Struct("<4sII")  # magic, bytes of the head, bytes of the body
MAGIC = b"MGN1"
MAX_HEAD_BYTES = 16 << 10
MAX_BODY_BYTES = 256 << 20  # 8k motion and a 4096 px picture fit
BLOCK_SIZES = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class Opened:
    """The source is open; pictures follow."""

    codec: str
    size: tuple[int, int]
    rate: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The source cannot be read, or no longer."""

    error: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream has come to its end."""

    dropped: int  # pictures that the engine was too slow to take


Message = Opened | Failed | Ended | CodecFrame


def write_message(stream: BinaryIO, message: Message) -> None:
    """Write and flush one message."""
    arrays: list[np.ndarray] = []
    if isinstance(message, Opened):
        head: dict[str, Any] = {"opened": [message.codec, *message.size, message.rate]}
    elif isinstance(message, Failed):
        head = {"failed": message.error[:2000]}
    elif isinstance(message, Ended):
        head = {"ended": message.dropped}
    else:
        head, arrays = _frame_head(message)
    text = json.dumps(head).encode()
    body = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    stream.write(LENGTHS.pack(MAGIC, len(text), len(body)) + text + body)
    stream.flush()


def read_message(stream: BinaryIO) -> Message | None:
    """The next message; None at the end of the stream. Raises CameraError for what is no message."""
    start = _exactly(stream, LENGTHS.size)
    if start is None:
        return None
    magic, head_bytes, body_bytes = LENGTHS.unpack(start)
    if magic != MAGIC or head_bytes > MAX_HEAD_BYTES or body_bytes > MAX_BODY_BYTES:
        raise _garbled("a message's start")
    text, body = _exactly(stream, head_bytes), _exactly(stream, body_bytes)
    if text is None or body is None:
        return None
    return parse(text, body)


def parse(text: bytes, body: bytes) -> Message:
    """A message from its head and body. Raises CameraError only."""
    try:
        head = json.loads(text)
        if "opened" in head:
            codec, width, height, rate = head["opened"]
            return Opened(str(codec), (int(width), int(height)), float(rate))
        if "failed" in head:
            return Failed(str(head["failed"]))
        if "ended" in head:
            return Ended(int(head["ended"]))
        return _frame(head, body)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, AttributeError) as error:
        raise _garbled(str(error)[:120]) from error


def _frame_head(frame: CodecFrame) -> tuple[dict[str, Any], list[np.ndarray]]:
    head: dict[str, Any] = {
        "sequence": frame.sequence,
        "pts_ns": frame.pts_ns,
        "capture_ns": frame.capture_ns,
        "pict_type": frame.pict_type,
        "size": frame.size,
        "picture_px": frame.picture.shape[0],
    }
    if frame.motion is None:
        return head, [frame.picture]
    motion = frame.motion
    head["motion"] = [*motion.mode.shape, motion.block_px, *motion.coded_size, motion.link.value]
    return head, [frame.picture, motion.mv_qpel, motion.mode]


def _frame(head: dict[str, Any], body: bytes) -> CodecFrame:
    side = int(head["picture_px"])
    if side < 1:
        raise ValueError("a picture of no size")
    motion = None
    rows = columns = 0
    if "motion" in head:
        rows, columns, block_px, width, height = (int(number) for number in head["motion"][:5])
        if rows < 1 or columns < 1 or block_px not in BLOCK_SIZES:
            raise ValueError("a motion grid of no size")
    picture_bytes, cells = side * side * 3, rows * columns
    if len(body) != picture_bytes + cells * 5:
        raise ValueError(f"a body of {len(body)} bytes")
    picture = np.frombuffer(body, np.uint8, picture_bytes).reshape(side, side, 3)
    if "motion" in head:
        mv_qpel = np.frombuffer(body, np.int16, cells * 2, picture_bytes).reshape(rows, columns, 2)
        mode = np.frombuffer(body, np.uint8, cells, picture_bytes + cells * 4).reshape(rows, columns)
        motion = MotionField(mv_qpel, mode, block_px, (width, height), Link(head["motion"][5]))
    width, height = (int(number) for number in head["size"])
    if width < 1 or height < 1:
        raise ValueError("a frame of no size")
    times = (int(head["sequence"]), int(head["pts_ns"]), int(head["capture_ns"]))
    return CodecFrame(*times, str(head["pict_type"])[:2], motion, picture, (width, height))


def _exactly(stream: BinaryIO, size: int) -> bytes | None:
    data = stream.read(size)
    return data if data is not None and len(data) == size else None


def _garbled(what: str) -> CameraError:
    return CameraError(
        f"The engine wanted a message of its reader process, found garbage ({what}); start the camera again."
    )
