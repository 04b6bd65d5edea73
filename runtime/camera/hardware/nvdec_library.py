"""NVDEC through PyNvVideoCodec: the only file that imports it, which fails where there is no NVIDIA driver.

Pictures are decoded to this machine's memory, one packet in, its picture out (LOW latency, ENDOFPICTURE). The pointers
that the library hands out are good until the next packet: all is copied here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import PyNvVideoCodec as nvc  # type: ignore[import-not-found, import-untyped, unused-ignore]

from magno.runtime.camera.hardware.nvdec_records import LISTS, Statistics, from_lists, parse_statistics
from magno.runtime.camera.request import CameraError

VERSION = str(nvc.__version__)
CODECS = {"h264": "H264", "hevc": "HEVC"}
PARSED = ("qp_luma", *LISTS)  # the order of ParseDecodeStats, where it gives a tuple
MAX_BYTES = 256 << 20  # of one picture or its statistics


class UnitNotDecoded(Exception):
    """One access unit that the decoder could make nothing of."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One picture as NVDEC gave it."""

    number: int  # of the access unit that it came in
    nv12: np.ndarray  # (H * 3 / 2, W) uint8
    has_statistics: bool  # the decoder is able to tell any
    statistics: Statistics | None

    @property
    def size(self) -> tuple[int, int]:
        return self.nv12.shape[1], self.nv12.shape[0] * 2 // 3


class Session:
    """One stream on the GPU. Raises CameraError when it has no decoder for the codec."""

    def __init__(self, codec: str) -> None:
        try:
            self._decoder = nvc.CreateDecoder(
                gpuid=0,
                codec=getattr(nvc.cudaVideoCodec, CODECS[codec]),
                usedevicememory=False,
                latency=nvc.DisplayDecodeLatencyType.LOW,
                enableDecodeStats=True,
            )
        except Exception as error:  # its exceptions share no base but this
            raise CameraError(
                f"Wanted NVDEC to decode {codec}, found that it does not ({_reason(error)}). Use --decoder ffmpeg."
            ) from error

    def decode(self, data: bytes, number: int) -> list[Decoded]:
        """The pictures that an access unit in annex B completes. Raises UnitNotDecoded, and CameraError for pictures
        or statistics that make no sense."""
        memory = np.frombuffer(
            data, np.uint8
        )  # the packet has its address alone: it must live on until Decode ends
        packet = nvc.PacketData()
        packet.bsl_data, packet.bsl, packet.pts = int(memory.ctypes.data), len(data), number
        packet.decode_flag = int(nvc.VideoPacketFlag.ENDOFPICTURE)
        return self._frames(packet)

    def flush(self) -> list[Decoded]:
        packet = nvc.PacketData()
        packet.bsl_data = packet.bsl = 0
        packet.decode_flag = int(nvc.VideoPacketFlag.ENDOFSTREAM)
        return self._frames(packet)

    def _frames(self, packet: Any) -> list[Decoded]:
        try:
            frames = list(self._decoder.Decode(packet))
        except Exception as error:
            raise UnitNotDecoded(_reason(error)) from error
        return [_decoded(frame) for frame in frames]


def _decoded(frame: Any) -> Decoded:
    shape = tuple(int(side) for side in frame.shape)
    size = int(frame.framesize())
    if len(shape) != 2 or shape[0] % 3 or size != shape[0] * shape[1] or not 0 < size <= MAX_BYTES:
        raise CameraError(
            f"Wanted NV12 pictures of 8 bits from NVDEC, found {shape} in {size} bytes. Have the camera send 4:2:0 of "
            "8 bits, or use --decoder ffmpeg."
        )
    nv12 = np.frombuffer(ctypes.string_at(int(frame.GetPtrToPlane(0)), size), np.uint8).reshape(shape)
    visible = (shape[1], shape[0] * 2 // 3)
    has_statistics = 0 < int(frame.decode_stats_size) <= MAX_BYTES
    statistics = _statistics(frame, visible) if has_statistics else None
    return Decoded(int(frame.getPTS()), nv12, has_statistics, statistics)


def _statistics(frame: Any, size: tuple[int, int]) -> Statistics | None:
    """By the quickest way that this version has: their memory, their bytes, or their lists."""
    pointer = getattr(frame, "decode_stats_ptr", None)
    if isinstance(pointer, int) and pointer:
        return parse_statistics(ctypes.string_at(pointer, int(frame.decode_stats_size)), size)
    if hasattr(frame, "getRawDecodeStats"):
        return parse_statistics(bytes(frame.getRawDecodeStats()), size)
    parsed: Mapping[str, Sequence[int]] | Sequence[Sequence[int]] = frame.ParseDecodeStats()
    lists = parsed if isinstance(parsed, Mapping) else dict(zip(PARSED, parsed, strict=False))
    return from_lists(lists, size)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
