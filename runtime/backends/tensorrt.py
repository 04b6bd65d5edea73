"""TensorRT: the engines of a bundle on this machine's GPU. `magno build` makes them; stale ones are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from magno.runtime.backends import EncoderError, Graph, Port
from magno.runtime.backends.compiled_kernels import kernels_path
from magno.runtime.backends.engine_file import read_engine
from magno.runtime.backends.engine_record import Here
from magno.runtime.backends.tensorrt_library import Library, load_library
from magno.runtime.backends.tensorrt_session import TensorRtSession


def open(path: Path, graph: Graph, threads: int) -> TensorRtSession:
    """The engine of `path`, a bundle's ONNX file. `threads` is for backends on the CPU. Raises EncoderError."""
    return open_flavour("tensorrt", path, graph)


def open_flavour(flavour: str, path: Path, graph: Graph) -> TensorRtSession:
    """Find, check and load the engine of `path` for the GPU that is here. Raises EncoderError."""
    library = load_library(flavour)
    try:
        from magno.runtime.backends.cuda import find_gpu
    except ImportError as error:
        raise EncoderError(
            f"{flavour} wants cuda-python, found: {error}. Run: pip install cuda-python."
        ) from error
    found = read_engine(path, Here(flavour, library.version, find_gpu()))
    engine = load_engine(library, found.data, str(found.path))
    check_ports(library.trt, engine, graph, str(found.path))
    return TensorRtSession(library, engine, graph, found.file.batch, kernels_path(found.path))


def load_engine(library: Library, data: bytes | memoryview, where: str) -> Any:
    """Run the loader on an engine that has been checked. Raises EncoderError."""
    runtime = library.trt.Runtime(library.log)
    engine = runtime.deserialize_cuda_engine(data)
    if engine is None:
        raise EncoderError(
            f"{where} wants to be loaded by {library.flavour} {library.version}, found: {library.complaint()}. "
            f"Build it again here: magno build BUNDLE --engine {library.flavour}."
        )
    return engine


def check_ports(trt: Any, engine: Any, graph: Graph, where: str) -> None:
    """Hold an engine's inputs and outputs against what the model wants. Raises EncoderError."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    for side, ports in (("INPUT", graph.inputs), ("OUTPUT", (graph.output,))):
        mode = getattr(trt.TensorIOMode, side)
        given = sorted(_describe(trt, engine, name) for name in names if engine.get_tensor_mode(name) == mode)
        wanted = sorted(map(str, ports))
        if wanted != given:
            raise EncoderError(
                f"{where} wants {side.lower()}s {', '.join(wanted)}, found {', '.join(given)[:400]}: build it again."
            )


def _describe(trt: Any, engine: Any, name: str) -> str:
    """An engine's tensor in the words of `Port`."""
    kind = engine.get_tensor_dtype(name)
    port = str(Port(name, tuple(engine.get_tensor_shape(name))[1:]))
    return port if kind == trt.float32 else port.replace("float32", str(kind))
