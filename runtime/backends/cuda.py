"""The GPU through cuda-python, which nothing else imports: who it is, memory, a stream, recorded work.

Importing this fails where cuda-python is missing; a missing GPU or driver shows in `find_gpu`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magno.runtime.backends import EncoderError
from magno.runtime.backends.engine_record import Gpu

try:
    from cuda.bindings import runtime as cudart  # type: ignore[import-not-found, import-untyped, attr-defined, unused-ignore]
except ImportError:  # before 12.6, as on JetPack 5
    from cuda import cudart  # type: ignore[import-not-found, import-untyped, attr-defined, unused-ignore]


class NoGpu(EncoderError):
    """This machine has no NVIDIA GPU that CUDA can use."""


def find_gpu() -> Gpu:
    """The first GPU that CUDA shows (CUDA_VISIBLE_DEVICES chooses). Raises NoGpu."""
    try:
        error, count = cudart.cudaGetDeviceCount()
        reason = _text(error) if int(error) else "" if count else "none"
    except Exception as fault:  # its loader raises kinds of its own where there is no driver
        reason = " ".join(str(fault).split())[:200] or type(fault).__name__
    if reason:
        raise NoGpu(f"An engine wants an NVIDIA GPU with its driver, found: {reason}.")
    properties = _call(cudart.cudaGetDeviceProperties(0))
    name = bytes(properties.name).split(b"\0")[0].decode("utf-8", "replace")
    return Gpu(name, f"{int(properties.major)}.{int(properties.minor)}")


class Buffer:
    """Rows of one tensor: page-locked memory here, and as much on the GPU."""

    def __init__(self, rows: int, shape: tuple[int, ...]) -> None:
        """Raises EncoderError where the memory does not suffice."""
        count = rows * int(np.prod(shape, dtype=np.int64))
        self._row_bytes = count // rows * 4
        self._host: int | None = int(_call(cudart.cudaMallocHost(count * 4)))
        try:
            self.address = int(_call(cudart.cudaMalloc(count * 4)))  # on the GPU
        except EncoderError:
            cudart.cudaFreeHost(self._host)
            raise
        view = (ctypes.c_float * count).from_address(self._host)
        self.rows: NDArray[np.float32] = np.ctypeslib.as_array(view).reshape(rows, *shape)  # good until close

    def upload(self, stream: Stream, rows: int) -> None:
        kind = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        _call(cudart.cudaMemcpyAsync(self.address, self._host, rows * self._row_bytes, kind, stream.raw))

    def download(self, stream: Stream, rows: int) -> None:
        kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        _call(cudart.cudaMemcpyAsync(self._host, self.address, rows * self._row_bytes, kind, stream.raw))

    def close(self) -> None:
        if self._host is not None:
            cudart.cudaFree(self.address)
            cudart.cudaFreeHost(self._host)
            self._host = None


class Stream:
    """A queue of work on the GPU, apart from everyone else's."""

    def __init__(self) -> None:
        self.raw = _call(cudart.cudaStreamCreateWithFlags(cudart.cudaStreamNonBlocking))

    def wait(self) -> None:
        """Until all work is done; another thread may use Python meanwhile. Raises EncoderError for what failed."""
        _call(cudart.cudaStreamSynchronize(self.raw))

    def record(self, work: Callable[[], None]) -> CudaGraph:
        """Record what `work` queues, without running it. Raises EncoderError where it cannot be recorded."""
        # Thread-local: llama.cpp's threads go on using the GPU meanwhile, which a global capture would forbid.
        mode = cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        _call(cudart.cudaStreamBeginCapture(self.raw, mode))
        try:
            work()
        except BaseException:
            error, graph = cudart.cudaStreamEndCapture(self.raw)  # or the stream would stay in recording
            if not int(error):
                cudart.cudaGraphDestroy(graph)
            raise
        return CudaGraph(_call(cudart.cudaStreamEndCapture(self.raw)))

    def close(self) -> None:
        if self.raw is not None:
            cudart.cudaStreamDestroy(self.raw)
            self.raw = None


class CudaGraph:
    """Recorded work, launched as one."""

    def __init__(self, graph: Any) -> None:
        """Takes over `graph`. Raises EncoderError."""
        try:
            self._runnable = _call(cudart.cudaGraphInstantiateWithFlags(graph, 0))
        finally:
            cudart.cudaGraphDestroy(graph)

    def launch(self, stream: Stream) -> None:
        _call(cudart.cudaGraphLaunch(self._runnable, stream.raw))

    def close(self) -> None:
        if self._runnable is not None:
            cudart.cudaGraphExecDestroy(self._runnable)
            self._runnable = None


def _call(result: Any) -> Any:
    """What a CUDA function gave besides its error code, if anything. Raises EncoderError."""
    error, *values = result
    if int(error):
        raise EncoderError(f"The GPU wants to go on, found: {_text(error)}. Open the encoder again.")
    return values[0] if values else None


def _text(error: Any) -> str:
    words = bytes(cudart.cudaGetErrorString(error)[1]).decode("utf-8", "replace")
    return f"{words} (CUDA error {int(error)})"
