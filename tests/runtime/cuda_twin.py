"""A twin of the GPU for machines without one: CUDA's functions over this machine's memory, and an engine that doubles.

It is as strict as the real one: work is done when it is waited for and not before, recorded work is not done at all
until it is launched, and memory is used, freed and counted as CUDA would.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

OUT_OF_MEMORY, NO_DRIVER = 2, 35
TEXTS = {OUT_OF_MEMORY: b"out of memory", NO_DRIVER: b"driver is insufficient"}

Work = Callable[[], object]


class Handle:
    """What CUDA gives for a stream or a graph: opaque, and a number where one is wanted."""

    def __init__(self) -> None:
        self.works: list[Work] = []

    def __int__(self) -> int:
        return id(self)


class CudaTwin:
    """The functions that magno.runtime.backends.cuda calls."""

    cudaStreamNonBlocking = 1
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)

    def __init__(self, memory_bytes: int = 1 << 20, gpus: int = 1) -> None:
        self.free_bytes, self.gpus = memory_bytes, gpus
        self.memory: dict[int, Any] = {}
        self.handles: set[Handle] = set()
        self.recording: Handle | None = None
        self.launched = 0

    def cudaGetErrorString(self, error: int) -> tuple[int, bytes]:
        return 0, TEXTS[error]

    def cudaGetDeviceCount(self) -> tuple[int, int | None]:
        return (0, self.gpus) if self.gpus >= 0 else (NO_DRIVER, None)

    def cudaGetDeviceProperties(self, device: int) -> tuple[int, Any]:
        return 0, SimpleNamespace(name=b"NVIDIA GeForce RTX 4090\0\0\0", major=8, minor=9)

    def cudaMalloc(self, size_bytes: int) -> tuple[int, int | None]:
        if size_bytes > self.free_bytes:
            return OUT_OF_MEMORY, None
        self.free_bytes -= size_bytes
        memory = (ctypes.c_ubyte * size_bytes)(*b"\xff" * size_bytes)
        self.memory[ctypes.addressof(memory)] = memory
        return 0, ctypes.addressof(memory)

    cudaMallocHost = cudaMalloc

    def cudaFree(self, address: int) -> tuple[int]:
        self.free_bytes += len(self.memory.pop(address))
        return (0,)

    cudaFreeHost = cudaFree

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[int, Handle]:
        return 0, self._new()

    def cudaStreamDestroy(self, handle: Handle) -> tuple[int]:
        self.handles.remove(handle)
        return (0,)

    cudaGraphDestroy = cudaGraphExecDestroy = cudaStreamDestroy

    def cudaMemcpyAsync(self, to: int, source: int, size_bytes: int, kind: int, stream: Handle) -> tuple[int]:
        assert size_bytes <= min(len(self.memory[to]), len(self.memory[source]))
        self.queue(stream, lambda: ctypes.memmove(to, source, size_bytes))
        return (0,)

    def cudaStreamSynchronize(self, stream: Handle) -> tuple[int]:
        assert self.recording is None
        while stream.works:
            stream.works.pop(0)()
        return (0,)

    def cudaStreamBeginCapture(self, stream: Handle, mode: int) -> tuple[int]:
        assert self.recording is None
        self.recording = self._new()
        return (0,)

    def cudaStreamEndCapture(self, stream: Handle) -> tuple[int, Handle]:
        assert self.recording is not None
        graph, self.recording = self.recording, None
        return 0, graph

    def cudaGraphInstantiateWithFlags(self, graph: Handle, flags: int) -> tuple[int, Handle]:
        runnable = self._new()
        runnable.works = list(graph.works)
        return 0, runnable

    def cudaGraphLaunch(self, runnable: Handle, stream: Handle) -> tuple[int]:
        assert runnable in self.handles
        self.launched += 1
        stream.works.extend(runnable.works)
        return (0,)

    def queue(self, stream: Handle, work: Work) -> None:
        (self.recording or stream).works.append(work)

    def stream(self, number: int) -> Handle:
        return next(handle for handle in self.handles if int(handle) == number)

    def array(self, address: int, shape: tuple[int, ...]) -> Any:
        """Memory as the engine sees it."""
        size_bytes = 4 * int(np.prod(shape))
        return np.frombuffer(self.memory[address], np.float32, count=size_bytes // 4).reshape(shape)

    def _new(self) -> Handle:
        handle = Handle()
        self.handles.add(handle)
        return handle


FLOAT32 = "DataType.FLOAT"


class EngineTwin:
    """An engine and its context: y = 2 x, of rows (3, 2), for the shape that was set last."""

    num_io_tensors = 2

    def __init__(self, cuda: CudaTwin, records: bool = True) -> None:
        self.cuda, self.records, self.fails = cuda, records, False
        self.addresses: dict[str, int] = {}
        self.shape: tuple[int, ...] = ()
        self.profiler: Any = None

    def get_tensor_name(self, index: int) -> str:
        return "xy"[index]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name == "x" else "out"

    def get_tensor_dtype(self, name: str) -> str:
        return FLOAT32

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (1, 3, 2)

    def create_execution_context(self, config: object = None) -> EngineTwin:
        return self

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return address in self.cuda.memory

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shape = shape
        return True

    def execute_async_v3(self, stream: int) -> bool:
        if self.fails or (self.cuda.recording is not None and not self.records):
            return False
        shape, x, y = self.shape, self.addresses["x"], self.addresses["y"]

        def double() -> None:
            self.cuda.array(y, shape)[:] = 2 * self.cuda.array(x, shape)
            if self.profiler is not None:
                self.profiler.report_layer_time("double", 0.5)

        self.cuda.queue(self.cuda.stream(stream), double)
        return True


def tensorrt_twin(cuda: CudaTwin, plan: bytes) -> Any:
    """The module: its loader takes `plan` and nothing else."""
    runtime = SimpleNamespace(deserialize_cuda_engine=lambda data: EngineTwin(cuda) if data == plan else None)
    return SimpleNamespace(
        Runtime=lambda log: runtime,
        TensorIOMode=SimpleNamespace(INPUT="in", OUTPUT="out"),
        CudaGraphStrategy=SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole"),
        IProfiler=type("IProfiler", (), {}),
        float32=FLOAT32,
    )
