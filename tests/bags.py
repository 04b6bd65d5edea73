"""Bags for tests, written by the mcap library: real H.264 of a clip, in messages as a robot's recorder keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from mcap.writer import CompressionType
from mcap_ros2.writer import Writer

from magno.runtime.camera.topic.messages import TOPIC_TYPES
from magno.runtime.units import AccessUnit

COMPRESSED, IMAGE, FOXGLOVE, FFMPEG = TOPIC_TYPES
STRING = "std_msgs/msg/String"
HEADER = f"""
{"=" * 80}
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
{"=" * 80}
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""
TIME = HEADER[HEADER.rindex("=" * 80) :]
DEFINITIONS = {
    COMPRESSED: f"std_msgs/Header header\nstring format\nuint8[] data{HEADER}",
    IMAGE: "std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step\n"
    f"uint8[] data{HEADER}",
    FOXGLOVE: f"builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n{TIME}",
    FFMPEG: "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\nuint8 flags\n"
    f"bool is_bigendian\nuint8[] data{HEADER}",
    STRING: "string data",
}
RECORDED_NS = 1_763_000_000 * 10**9  # when these bags were recorded
FORMAT_FIELDS = {COMPRESSED: "format", FOXGLOVE: "format", FFMPEG: "encoding"}

Said = tuple[str, str, int, Mapping[str, Any]]  # topic, type, when recorded in ns, fields


def write_bag(
    path: Path,
    messages: Iterable[Said],
    *,
    compression: CompressionType = CompressionType.ZSTD,
    chunk_bytes: int = 1 << 18,
) -> Path:
    """A bag of these messages, in this order."""
    with path.open("wb") as stream, Writer(stream, chunk_bytes, compression) as writer:
        schemas = {kind: writer.register_msgdef(kind, text) for kind, text in DEFINITIONS.items()}
        for topic, kind, recorded_ns, fields in messages:
            writer.write_message(topic, schemas[kind], dict(fields), recorded_ns)
    return path


def units_of(clip: Path, until_s: float = 1e9) -> list[AccessUnit]:
    """The clip's own access units in annex B, untouched otherwise."""
    units = []
    with av.open(str(clip)) as container:
        video = container.streams.video[0]
        as_annex_b = BitStreamFilterContext("h264_mp4toannexb", video)
        for packet in container.demux(video):
            for out in as_annex_b.filter(packet) if packet.size else ():
                pts_ns = int(out.pts * video.time_base * 10**9)
                if pts_ns <= until_s * 1e9:
                    units.append(AccessUnit(bytes(out), pts_ns, 0))
    return units


def stamp(stamp_ns: int) -> dict[str, int]:
    sec, nanosec = divmod(stamp_ns, 10**9)
    return {"sec": sec, "nanosec": nanosec}


def coded_message(kind: str, data: bytes, stamp_ns: int, told: str = "h264") -> dict[str, Any]:
    """A message of this type, one with coded pictures."""
    if kind == FOXGLOVE:
        return {"timestamp": stamp(stamp_ns), "frame_id": "", "data": data, "format": told}
    header = {"stamp": stamp(stamp_ns), "frame_id": "camera"}
    rest = {"width": 0, "height": 0, "pts": 0, "flags": 0, "is_bigendian": False} if kind == FFMPEG else {}
    return {"header": header, FORMAT_FIELDS[kind]: told, "data": data, **rest}


def image_message(pixels: Any, stamp_ns: int) -> dict[str, Any]:
    """A sensor_msgs/Image of (H, W, 3) uint8 RGB."""
    height, width, _ = pixels.shape
    header = {"stamp": stamp(stamp_ns), "frame_id": "camera"}
    about = {"height": height, "width": width, "encoding": "rgb8", "is_bigendian": 0, "step": 3 * width}
    return {"header": header, **about, "data": pixels.tobytes()}


def clip_messages(
    clip: Path, kind: str = COMPRESSED, topic: str = "/camera/front", until_s: float = 1e9
) -> list[Said]:
    """A clip as its camera's recorded topic: stamped when its pictures were taken, recorded a little later."""
    return [
        (topic, kind, at_ns + 3_000_000, coded_message(kind, unit.data, at_ns))
        for unit in units_of(clip, until_s)
        if (at_ns := RECORDED_NS + unit.pts_ns)
    ]
