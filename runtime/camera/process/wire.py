"""CodecFrames as bytes, between the reader process and the engine, and access units the other way. Pure.

The reader decodes hostile bytes, so what it says is checked here as hostile too, and nothing is unpickled: a
message is `MGN1`, two lengths, a JSON head and the arrays one after another.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import numpy as np

from magno.runtime.camera.caps import NO_VECTORS, Caps, TimeFrom
from magno.runtime.camera.request import CameraError
from magno.runtime.spec import from_dict, to_dict
from magno.runtime.units import AccessUnit, CodecFrame, Link, MotionField

LENGTHS = struct.Struct("<4sII")  # magic, bytes of the head, bytes of the body
MAGIC = b"MGN1"
UNIT_HEAD = struct.Struct("<4sqqBI")  # magic, pts_ns, capture_ns, whether it is a key, bytes of its data
UNIT_MAGIC = b"MGU1"
MAX_UNIT_BYTES = 16 << 20
MAX_HEAD_BYTES = 16 << 10
MAX_BODY_BYTES = 256 << 20  # 8k motion and a 4096 px picture fit
BLOCK_SIZES = (8, 16, 32)
PICT_TYPES = ("I", "P", "B")
MAX_SIDE_PX = 65535
MAX_NUMBER = 2**63 - 1
MAX_ERROR_CHARACTERS = 1000  # at most 12 bytes each as JSON: fits a head
UNKNOWN_CAPS = Caps(NO_VECTORS, TimeFrom.CONTAINER)


@dataclass(frozen=True, slots=True)
class Opened:
    """The source is open; pictures follow. Comes again when a camera that was lost is back."""

    codec: str
    size: tuple[int, int]
    rate: float
    container: str = ""  # libavformat's name of it
    caps: Caps = UNKNOWN_CAPS


@dataclass(frozen=True, slots=True)
class Alive:
    """Nothing to hand over, and all is well: the process is not stuck."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The camera is gone; the process goes on trying to open it."""

    error: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The source cannot be read, or no longer; the process ends."""

    error: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream has come to its end."""

    dropped: int  # pictures that the engine was too slow to take
    decode_ns: int = 0  # spent on all pictures: decoding, vectors, making them small


Message = Opened | Alive | Lost | Failed | Ended | CodecFrame


def write_message(stream: BinaryIO, message: Message) -> None:
    """Write and flush one message. Raises OSError when nobody reads any more."""
    arrays: list[np.ndarray] = []
    if isinstance(message, Opened):
        head: dict[str, Any] = {"opened": [message.codec, *message.size, message.rate, message.container]}
        head["caps"] = to_dict(message.caps)
    elif isinstance(message, Alive):
        head = {"alive": 1}
    elif isinstance(message, Lost):
        head = {"lost": message.error[:MAX_ERROR_CHARACTERS]}
    elif isinstance(message, Failed):
        head = {"failed": message.error[:MAX_ERROR_CHARACTERS]}
    elif isinstance(message, Ended):
        head = {"ended": [message.dropped, message.decode_ns]}
    else:
        head, arrays = _frame_head(message)
    text = json.dumps(head).encode()
    body = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    stream.write(LENGTHS.pack(MAGIC, len(text), len(body)) + text + body)
    stream.flush()


class Readable(Protocol):
    """What messages come from."""

    def read(self, size: int, /) -> bytes | None: ...


def read_message(stream: Readable) -> Message | None:
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
            codec, width, height, rate, container = head["opened"]
            size = (_number(width, 0, MAX_SIDE_PX), _number(height, 0, MAX_SIDE_PX))
            caps = from_dict(Caps, head["caps"], "caps")
            return Opened(str(codec), size, _rate(rate), str(container), caps)
        if "alive" in head:
            return Alive()
        if "lost" in head:
            return Lost(str(head["lost"])[:MAX_ERROR_CHARACTERS])
        if "failed" in head:
            return Failed(str(head["failed"])[:MAX_ERROR_CHARACTERS])
        if "ended" in head:
            dropped, decode_ns = head["ended"]
            return Ended(_number(dropped, 0), _number(decode_ns, 0))
        return _frame(head, body)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, AttributeError) as error:
        raise _garbled(str(error)[:120]) from error


def write_unit(stream: BinaryIO, unit: AccessUnit) -> None:
    """Write and flush one access unit of at most MAX_UNIT_BYTES. Raises OSError when nobody reads any more."""
    head = UNIT_HEAD.pack(UNIT_MAGIC, unit.pts_ns, unit.capture_ns, unit.is_key, len(unit.data))
    stream.write(head + unit.data)
    stream.flush()


def read_unit(stream: Readable) -> AccessUnit | None:
    """The next access unit; None at the end of the stream. Raises CameraError for what is none."""
    start = _exactly(stream, UNIT_HEAD.size)
    if start is None:
        return None
    magic, pts_ns, capture_ns, is_key, size = UNIT_HEAD.unpack(start)
    if magic != UNIT_MAGIC or size > MAX_UNIT_BYTES or is_key > 1:
        raise CameraError(
            "The reader process wanted an access unit, found garbage; hand units over through a UnitQueue."
        )
    data = _exactly(stream, size)
    return None if data is None else AccessUnit(data, pts_ns, capture_ns, bool(is_key))


def _frame_head(frame: CodecFrame) -> tuple[dict[str, Any], list[np.ndarray]]:
    head: dict[str, Any] = {
        "sequence": frame.sequence,
        "pts_ns": frame.pts_ns,
        "capture_ns": frame.capture_ns,
        "pict_type": frame.pict_type,
        "size": frame.size,
        "picture_px": frame.picture.shape[0],
        "is_reference": frame.is_reference,
        "is_healing": frame.is_healing,
    }
    if frame.motion is None:
        return head, [frame.picture]
    motion = frame.motion
    told = motion.reference is not None
    head["motion"] = [*motion.mode.shape, motion.block_px, *motion.coded_size, motion.link.value, told]
    arrays = [frame.picture, motion.mv_qpel, motion.mode]
    return head, arrays if motion.reference is None else [*arrays, motion.reference]


def _frame(head: dict[str, Any], body: bytes) -> CodecFrame:
    side = _number(head["picture_px"], 1, MAX_SIDE_PX)
    picture_bytes = side * side * 3
    picture = np.frombuffer(body, np.uint8, picture_bytes).reshape(side, side, 3)
    motion = _motion(head["motion"], body, picture_bytes) if "motion" in head else None
    motion_bytes = 0 if motion is None else motion.mode.size * (5 if motion.reference is None else 6)
    if len(body) != picture_bytes + motion_bytes:
        raise ValueError(f"a body of {len(body)} bytes")
    if head["pict_type"] not in PICT_TYPES:
        raise ValueError("a picture of no type")
    return CodecFrame(
        sequence=_number(head["sequence"], 0),
        pts_ns=_number(head["pts_ns"], -MAX_NUMBER),
        capture_ns=_number(head["capture_ns"], -MAX_NUMBER),
        pict_type=head["pict_type"],
        motion=motion,
        picture=picture,
        size=_size(head["size"]),
        is_reference=bool(head["is_reference"]),
        is_healing=bool(head["is_healing"]),
    )


def _motion(head: list[Any], body: bytes, start: int) -> MotionField:
    rows, columns, block_px, width, height, link, told = head
    if _number(block_px, 1) not in BLOCK_SIZES:
        raise ValueError("blocks of no size")
    width, height = _size((width, height))
    if (rows, columns) != (-(-height // block_px), -(-width // block_px)):
        raise ValueError("a motion grid that does not cover its picture")
    cells = rows * columns
    mv_qpel = np.frombuffer(body, np.int16, cells * 2, start).reshape(rows, columns, 2)
    mode = np.frombuffer(body, np.uint8, cells, start + cells * 4).reshape(rows, columns)
    reference = None
    if told:
        reference = np.frombuffer(body, np.uint8, cells, start + cells * 5).reshape(rows, columns)
    return MotionField(mv_qpel, mode, block_px, (width, height), Link(link), reference)


def _size(pair: Any) -> tuple[int, int]:
    width, height = pair
    return _number(width, 1, MAX_SIDE_PX), _number(height, 1, MAX_SIDE_PX)


def _number(value: Any, low: int, high: int = MAX_NUMBER) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError("a number out of its range")
    return value


def _rate(value: Any) -> float:
    rate = float(value)
    if not 0 <= rate < float("inf"):
        raise ValueError("a rate out of its range")
    return rate


def _exactly(stream: Readable, size: int) -> bytes | None:
    data = stream.read(size)
    return data if data is not None and len(data) == size else None


def _garbled(what: str) -> CameraError:
    return CameraError(
        f"The engine wanted a message of its reader process, found garbage ({what}); start the camera again."
    )
