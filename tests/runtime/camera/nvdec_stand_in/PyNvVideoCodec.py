"""Stands in for NVIDIA's library of this name where there is no GPU: the calls of nvdec_library.py, and no more.

Pictures are decoded by libavcodec. Decode statistics are what its exported vectors say, one 8x8 block of four, written
down by the layout that nvdec_records.py documents. What a GPU would do is not known by passing these tests.
"""

from __future__ import annotations

import ctypes
import enum
import struct
from types import SimpleNamespace

import av
import numpy as np

from magno.runtime.camera.decoding.vectors import motion_field
from magno.runtime.units import BlockMode, Link

__version__ = "2.2.4"
# Tests turn these.
SETTINGS = SimpleNamespace(
    sign=1,
    way="pointer",
    size_of_statistics=None,
    invalid_at=-1,
    fail_at=-1,
    refuse="",
    deep=False,
    packets=0,
)
cudaVideoCodec = SimpleNamespace(H264="h264", HEVC="hevc")
DisplayDecodeLatencyType = SimpleNamespace(LOW="low")


class VideoPacketFlag(enum.IntEnum):
    ENDOFSTREAM = 1
    ENDOFPICTURE = 8


class PacketData:
    bsl_data = bsl = pts = decode_flag = 0


def CreateDecoder(
    *, gpuid: int, codec: str, usedevicememory: bool, latency: str, enableDecodeStats: bool
) -> Decoder:
    assert (gpuid, usedevicememory, latency, enableDecodeStats) == (0, False, "low", True)
    if SETTINGS.refuse:
        raise RuntimeError(SETTINGS.refuse)
    return Decoder(codec)


class Decoder:
    def __init__(self, codec: str) -> None:
        self._context = av.CodecContext.create(codec, "r")
        self._context.options = {"flags2": "+export_mvs"}
        self._context.thread_type, self._context.thread_count = "SLICE", 1

    def Decode(self, packet: PacketData) -> list[Frame]:
        SETTINGS.packets += 1
        if SETTINGS.packets - 1 == SETTINGS.fail_at:
            raise RuntimeError("CUDA_ERROR_UNKNOWN\nat line 7")
        coded = None
        if packet.bsl:
            assert packet.decode_flag == VideoPacketFlag.ENDOFPICTURE
            coded = av.Packet(ctypes.string_at(packet.bsl_data, packet.bsl))
            coded.pts = packet.pts
        return [Frame(frame) for frame in self._context.decode(coded)]


class Frame:
    def __init__(self, frame: av.VideoFrame) -> None:
        self._pts = frame.pts
        nv12 = frame.reformat(format="nv12").to_ndarray()
        self._memory = np.repeat(nv12, 2, axis=1) if SETTINGS.deep else nv12
        self.shape = nv12.shape
        statistics = statistics_of(frame)
        if SETTINGS.size_of_statistics is not None:
            statistics = statistics[: SETTINGS.size_of_statistics]
        self._statistics = np.frombuffer(statistics, np.uint8)
        self.decode_stats_size = len(statistics)
        if SETTINGS.way == "pointer":
            self.decode_stats_ptr = int(self._statistics.ctypes.data)
        elif SETTINGS.way == "bytes":
            self.getRawDecodeStats = self._statistics.tolist

    def getPTS(self) -> int:
        return self._pts

    def framesize(self) -> int:
        return self._memory.nbytes

    def GetPtrToPlane(self, plane: int) -> int:
        return self._memory.ctypes.data

    def ParseDecodeStats(self) -> tuple[list[int], ...]:
        records = np.frombuffer(self._statistics.tobytes(), "<u1,<u1,<u2,<i2,<i2,<i2,<i2", offset=32)
        kinds = (records["f1"] >> 1) & 7
        columns = [records[f"f{number}"].tolist() for number in range(3, 7)]
        return (records["f0"].tolist(), kinds.tolist(), *columns)


def statistics_of(frame: av.VideoFrame) -> bytes:
    side = frame.side_data.get("MOTION_VECTORS")
    vectors = None if side is None else np.asarray(side.to_ndarray())
    size = (-(-frame.width // 16) * 16, -(-frame.height // 16) * 16)
    field = motion_field(vectors, size, intact=True, link=Link.OK)
    mode, mv = field.mode[::2, ::2].reshape(-1), field.mv_qpel[::2, ::2].reshape(-1, 2) * SETTINGS.sign
    second = bool((field.mode == BlockMode.BI).any())
    records = bytearray(struct.pack("<B3xI24x", 1 | second << 1, len(mode)))
    for number, (kind, (x, y)) in enumerate(zip(mode, mv, strict=True)):
        told = {BlockMode.INTRA: 0, BlockMode.MISSING: 1}.get(kind, 1 if x or y else 2)
        other = (-x, -y) if kind == BlockMode.BI else (5, 5) if kind == BlockMode.MISSING else (0, 0)
        if frame.pts == SETTINGS.invalid_at and number == 0:
            told = 7
        records += struct.pack("<BBHhhhh", 30, told << 1, 0, x, y, *other)
    return bytes(records)
