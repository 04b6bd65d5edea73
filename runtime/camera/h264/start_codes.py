"""Access units as MP4 and Matroska keep them (lengths before NAL units) -> annex B, for decoders that want it. Pure.

H.264 and HEVC (ISO/IEC 14496-15, 5.3.3 and 8.3.3). Raises nothing for any bytes: what is cut short stays cut short.
"""

from __future__ import annotations

from magno.runtime.camera.h264.nal import START, avcc


class StartCodes:
    """One stream's. Its parameter sets, kept outside of it, go before the first unit and each key one."""

    def __init__(self, codec: str, extradata: bytes | None) -> None:
        boxed = (hvcc if codec == "hevc" else avcc)(extradata or b"")
        self._length_bytes, sets = boxed or (0, [])
        self._sets = b"".join(map(_started, sets)) if boxed else extradata or b""
        self._begun = False

    def convert(self, data: bytes, *, is_key: bool) -> bytes:
        """One access unit in annex B."""
        sets = self._sets if is_key or not self._begun else b""
        self._begun = True
        if not self._length_bytes:
            return sets + data
        return sets + b"".join(map(_started, _with_lengths(data, self._length_bytes)))


def hvcc(extradata: bytes) -> tuple[int, list[bytes]] | None:
    """Of an MP4's hvcC box: bytes of a length, and the parameter sets. None: it is none."""
    if len(extradata) < 23 or extradata[0] != 1:
        return None
    sets, at = [], 23
    for _ in range(extradata[22]):
        count = int.from_bytes(extradata[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            if at >= len(extradata):
                break
            size = int.from_bytes(extradata[at : at + 2], "big")
            sets.append(extradata[at + 2 : at + 2 + size])
            at += 2 + size
    return (extradata[21] & 3) + 1, [nal for nal in sets if nal]


def _with_lengths(data: bytes, length_bytes: int) -> list[bytes]:
    nals, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + length_bytes], "big")
        nals.append(data[at + length_bytes : at + length_bytes + size])
        at += length_bytes + size
    return [nal for nal in nals if nal]


def _started(nal: bytes) -> bytes:
    return b"\0" + START + nal
