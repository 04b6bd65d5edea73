"""An engine at work: all memory taken once; upload, run and download of a steady batch recorded as one CUDA graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from magno.runtime.backends import EncoderError, Graph
from magno.runtime.backends.compiled_kernels import CompiledKernels, keeps_kernels
from magno.runtime.backends.tensorrt_library import Library

if TYPE_CHECKING:
    from magno.runtime.backends.cuda import Buffer, CudaGraph, Stream


def runs(rows: int, smallest: int, largest: int) -> Iterator[tuple[slice, int]]:
    """How `rows` pictures pass an engine of such batches: which rows, and how many rows to run (with some idle)."""
    for start in range(0, rows, largest):
        part = slice(start, min(start + largest, rows))
        yield part, max(part.stop - part.start, smallest)


class TensorRtSession:
    """One engine on the GPU. Owns its memory there: close it."""

    def __init__(
        self,
        library: Library,
        engine: Any,
        graph: Graph,
        batch: tuple[int, ...],
        kernels: Path | None = None,
    ) -> None:
        """`kernels`: where a library that compiles when it runs keeps what it compiled. Raises EncoderError where the
        GPU's memory does not suffice."""
        self._library, self._engine, self._graph = library, engine, graph
        self._smallest, _, self._largest = batch
        self._context, self._records, self._kernels = create_context(library, engine, kernels)
        self._prepared: set[int] = set()  # batches that were run: nothing more is compiled for them
        self._rows = 0  # of the last run; the context is set to them, and the recording is of them
        self._recording: CudaGraph | None = None
        self._buffers: dict[str, Buffer] = {}
        self._stream: Stream | None = None
        try:
            self._take_memory()
        except BaseException:
            self.close()
            raise

    def infer(self, inputs: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Inputs by name, any batch -> the graph's one output. Raises EncoderError."""
        if self._stream is None:
            raise EncoderError("The engine wants to be open, found it closed: open the encoder again.")
        first = self._graph.inputs[0].name
        output = np.empty((len(inputs[first]), *self._graph.output.shape), np.float32)
        for part, rows in runs(len(output), self._smallest, self._largest):
            count = part.stop - part.start
            for port in self._graph.inputs:
                self._buffers[port.name].rows[:count] = inputs[port.name][part]
            self._run(self._stream, rows)
            self._stream.wait()
            output[part] = self._buffers[self._graph.output.name].rows[:count]
        return output

    def layer_times_ms(self, inputs: dict[str, NDArray[np.float32]], times: int) -> dict[str, list[float]]:
        """Milliseconds of each layer in each of `times` runs of one batch, by the library's profiler. Raises
        EncoderError. A run is slower than in `infer`: it is not recorded, and every layer is measured by itself.
        """
        if self._stream is None:
            raise EncoderError("The engine wants to be open, found it closed: open the encoder again.")
        rows = max(self._smallest, min(len(inputs[self._graph.inputs[0].name]), self._largest))
        told: dict[str, list[float]] = {}
        usual = self._context
        self._forget()
        self._context = _whole(
            self._library, self._engine.create_execution_context()
        )  # records nothing by itself
        try:
            profiler = layer_profiler(self._library.trt, told)
            self._context.profiler = profiler
            self._bind(rows)
            for port in self._graph.inputs:
                part = inputs[port.name][:rows]
                self._buffers[port.name].rows[: len(part)] = part
            for _ in range(times):
                self._queue(self._stream, rows)
                self._stream.wait()
        finally:
            self._context = usual
        return told

    def close(self) -> None:
        self._forget()
        self._keep_kernels()
        self._context = self._kernels = self._engine = None  # before the memory that they use
        for buffer in self._buffers.values():
            buffer.close()
        self._buffers.clear()
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _take_memory(self) -> None:
        from magno.runtime.backends.cuda import Buffer, Stream

        self._stream = Stream()
        for port in (*self._graph.inputs, self._graph.output):
            buffer = self._buffers[port.name] = Buffer(self._largest, port.shape)
            buffer.rows[:] = 0.0  # idle rows are run too, and must not be whatever lay there

    def _run(self, stream: Stream, rows: int) -> None:
        """Queue one batch. The first of a size also prepares the engine for it; the second is recorded."""
        if rows != self._rows:
            self._forget()
            self._bind(rows)
            self._queue(stream, rows)
            self._rows = rows
            if rows not in self._prepared:  # here too: a robot is more often switched off than closed
                self._prepared.add(rows)
                self._keep_kernels()
            return
        if self._recording is None and self._records:
            self._record(stream, rows)
        if self._recording is None:
            self._queue(stream, rows)
        else:
            self._recording.launch(stream)

    def _bind(self, rows: int) -> None:
        """Show the context our memory, and how much of it is in use."""
        for name, buffer in self._buffers.items():
            self._context.set_tensor_address(name, buffer.address)
        for port in self._graph.inputs:
            if not self._context.set_input_shape(port.name, (rows, *port.shape)):
                raise EncoderError(f"The engine wants other batches than {rows}: build it again.")

    def _record(self, stream: Stream, rows: int) -> None:
        try:
            self._recording = stream.record(lambda: self._queue(stream, rows))
        except EncoderError:
            self._records = False  # its work depends on its data: it is queued anew each time

    def _keep_kernels(self) -> None:
        if self._kernels is not None:
            self._kernels.keep()

    def _forget(self) -> None:
        self._rows = 0
        if self._recording is not None:
            self._recording.close()
            self._recording = None

    def _queue(self, stream: Stream, rows: int) -> None:
        for port in self._graph.inputs:
            self._buffers[port.name].upload(stream, rows)
        if not self._context.execute_async_v3(int(stream.raw)):
            raise EncoderError(
                f"The engine wants to run {rows} rows, found: {self._library.complaint()}. Build it again."
            )
        self._buffers[self._graph.output.name].download(stream, rows)


def create_context(
    library: Library, engine: Any, kernels: Path | None
) -> tuple[Any, bool, CompiledKernels | None]:
    """An execution context; whether we are to record its work (TensorRT-RTX records by itself, once it has compiled
    the kernels for a shape); and what it compiled, where that is kept. Raises EncoderError."""
    config = engine.create_runtime_config() if hasattr(engine, "create_runtime_config") else None
    if config is None or not hasattr(config, "cuda_graph_strategy"):
        return _whole(library, engine.create_execution_context()), True, None
    config.cuda_graph_strategy = library.trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
    kept = (
        CompiledKernels(library, config, kernels) if kernels is not None and keeps_kernels(config) else None
    )
    return _whole(library, engine.create_execution_context(config)), False, kept


def _whole(library: Library, context: Any) -> Any:
    if context is None:
        raise EncoderError(
            f"The engine wants memory on the GPU, found: {library.complaint()}. Free some, or build for less."
        )
    return context


def layer_profiler(trt: Any, told: dict[str, list[float]]) -> Any:
    """The library's profiler, which writes into `told`."""

    class Profiler(trt.IProfiler):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            told.setdefault(layer_name, []).append(ms)

    return Profiler()
