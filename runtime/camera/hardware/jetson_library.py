"""The Jetson shim through ctypes: the only file that calls it."""

from __future__ import annotations

import ctypes
from ctypes import (
    POINTER,
    byref,
    c_char_p,
    c_int16,
    c_int32,
    c_int64,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from magno.runtime.camera.hardware.jetson_shim.build import BUILD, Built
from magno.runtime.camera.request import CameraError

ABI = 1  # MAGNO_JETSON_ABI in magno_jetson.h
ERROR_BYTES = 256
CODECS = {"h264": 0, "hevc": 1}
BLOCK_PX = {"h264": 16, "hevc": 32}
VECTOR_BYTES = (4, 20, 68)  # of the releases known so far
NODES = (Path("/dev/v4l2-nvenc"), Path("/dev/nvhost-msenc"))  # from JetPack 6 on, and before


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """What an encoder is opened with."""

    codec: str  # "h264" or "hevc"
    size: tuple[int, int]  # width, height, even
    rate: int  # pictures a second
    bitrate: int  # bits a second
    idr_interval: int  # pictures


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """What the encoder made of one picture."""

    stream: bytes  # annex B
    pts_us: int  # as it was put in
    xy: np.ndarray | None  # (Hb, Wb, 2) int16 x, y in the device's own sign and unit; None: none came
    weight: np.ndarray | None  # (Hb, Wb) uint8, 0 to 3
    why: str  # a sentence, where there are no vectors


class _Options(ctypes.Structure):
    _fields_ = (
        ("device", c_char_p),
        *((name, c_int32) for name in ("codec", "width", "height", "rate_num", "rate_den", "bitrate", "idr")),
    )


class _Picture(ctypes.Structure):
    _fields_ = (
        ("stream", POINTER(c_uint8)),
        ("stream_bytes", c_uint64),
        ("pts_us", c_int64),
        ("xy", POINTER(c_int16)),
        ("weight", POINTER(c_uint8)),
        ("cells", c_int32),
        ("columns", c_int32),
        ("rows", c_int32),
    )


class JetsonLibrary:
    """The compiled shim. Raises CameraError when it cannot be loaded, or is another than this file knows."""

    def __init__(self, built: Built) -> None:
        try:
            self._library = ctypes.CDLL(built.library)
            abi = self._library.magno_abi()
        except (OSError, AttributeError) as error:
            raise CameraError(
                f"Wanted to load the Jetson shim {built.library}, found that it cannot be ({str(error)[:200]}). "
                f"Run `{BUILD}` again."
            ) from error
        self.vector_bytes = int(self._library.magno_vector_bytes())
        if abi != ABI or self.vector_bytes not in VECTOR_BYTES:
            raise CameraError(
                f"A Jetson shim wants version {ABI} and vectors of {VECTOR_BYTES} bytes, found version {abi} and "
                f"{self.vector_bytes} bytes. Run `{BUILD}` again; if it was, this release is not known yet."
            )
        self._declare()

    def _declare(self) -> None:
        library, handle, error = self._library, c_void_p, c_char_p
        library.magno_open.argtypes, library.magno_open.restype = (POINTER(_Options), error), handle
        library.magno_put.argtypes = (handle, c_void_p, c_int64, error)
        library.magno_take.argtypes = (handle, POINTER(_Picture), error)
        library.magno_finish.argtypes = library.magno_force_idr.argtypes = (handle, error)
        library.magno_close.argtypes, library.magno_close.restype = (handle,), None
        library.magno_vector_bytes.restype = c_uint32

    def open(self, options: EncoderOptions, device: Path | None = None) -> JetsonEncoder:
        """Open the encoder. Raises CameraError."""
        node = device or next((path for path in NODES if path.exists()), None)
        if node is None:
            raise CameraError(
                f"A jetson:// camera wants an encoder at {' or '.join(map(str, NODES))}, found none. An Orin Nano has "
                "none: use v4l2:// or gst:// there."
            )
        width, height = options.size
        asked = _Options(
            str(node).encode(),
            CODECS[options.codec],
            width,
            height,
            options.rate,
            1,
            options.bitrate,
            options.idr_interval,
        )
        error = ctypes.create_string_buffer(ERROR_BYTES)
        handle = self._library.magno_open(byref(asked), error)
        if not handle:
            raise _failed(error)
        return JetsonEncoder(self._library, handle, options.size)


class JetsonEncoder:
    """One open encoder. One thread may put and finish while another takes. Each raises CameraError."""

    def __init__(self, library: ctypes.CDLL, handle: int, size: tuple[int, int]) -> None:
        self._library, self._handle, self._size = library, handle, size

    def put(self, nv12: np.ndarray, pts_us: int) -> None:
        """Hand over one picture, (H * 3 / 2, W) uint8 NV12. Waits while the encoder is behind."""
        width, height = self._size
        if nv12.shape != (height * 3 // 2, width) or nv12.dtype != np.uint8:
            raise CameraError(
                f"The encoder wants NV12 pictures ({height * 3 // 2}, {width}) uint8, found {nv12.shape} {nv12.dtype}. "
                "Have the camera keep its size."
            )
        picture = np.ascontiguousarray(nv12)
        error = ctypes.create_string_buffer(ERROR_BYTES)
        if self._library.magno_put(self._handle, picture.ctypes.data, pts_us, error) < 0:
            raise _failed(error)

    def finish(self) -> None:
        """Nothing more will be put."""
        error = ctypes.create_string_buffer(ERROR_BYTES)
        if self._library.magno_finish(self._handle, error) < 0:
            raise _failed(error)

    def force_idr(self) -> None:
        """Let the next picture that is put be an IDR."""
        error = ctypes.create_string_buffer(ERROR_BYTES)
        if self._library.magno_force_idr(self._handle, error) < 0:
            raise _failed(error)

    def take(self) -> CodedPicture | None:
        """The next coded picture, waiting for it; None: that was the last."""
        picture, error = _Picture(), ctypes.create_string_buffer(ERROR_BYTES)
        came = self._library.magno_take(self._handle, byref(picture), error)
        if came < 0:
            raise _failed(error)
        if came == 0:
            return None
        stream = ctypes.string_at(picture.stream, picture.stream_bytes)
        if not picture.xy:
            return CodedPicture(stream, picture.pts_us, None, None, _said(error))
        grid = (picture.rows, picture.columns)
        xy = np.frombuffer(ctypes.string_at(picture.xy, picture.cells * 4), np.int16).reshape(*grid, 2)
        weight = np.frombuffer(ctypes.string_at(picture.weight, picture.cells), np.uint8).reshape(grid)
        return CodedPicture(stream, picture.pts_us, xy, weight, "")

    def close(self) -> None:
        """Free it. Nobody may be waiting in `put` or `take`."""
        handle, self._handle = self._handle, 0
        if handle:
            self._library.magno_close(handle)

    def __enter__(self) -> JetsonEncoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _failed(error: ctypes.Array[ctypes.c_char]) -> CameraError:
    return CameraError(f"{_said(error)} Open the camera again.")


def _said(error: ctypes.Array[ctypes.c_char]) -> str:
    return error.value.decode(errors="replace")
