"""ONNX Runtime on the CPU. The only file that imports onnxruntime.

The language model shares the cores, so the threads are counted and none of them spins while it waits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from magno.runtime.backends import EncoderError, Graph, Port
from magno.runtime.backends.onnx_file import read_self_contained

QUIET = 4  # fatal only: what matters comes as an exception
OPTIONS = {"session.intra_op.allow_spinning": "0", "session.inter_op.allow_spinning": "0"}

onnxruntime.set_default_logger_severity(QUIET)  # what is no session's own would go to standard error


class OrtSession:
    """One graph in ONNX Runtime."""

    def __init__(self, session: onnxruntime.InferenceSession, path: Path) -> None:
        self._session: onnxruntime.InferenceSession | None = session
        self._path = path

    def infer(self, inputs: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Inputs by name -> the graph's one output. Raises EncoderError."""
        if self._session is None:
            raise EncoderError(f"{self._path} wants to be open, found it closed: open the encoder again.")
        try:
            (output,) = self._session.run(None, inputs)
        except Exception as error:  # onnxruntime's exceptions have no common base but Exception
            raise EncoderError(f"{self._path} wants to run, found: {_short(error)}.") from error
        result: NDArray[np.float32] = output
        return result

    def close(self) -> None:
        self._session = None


def open(path: Path, graph: Graph, threads: int) -> OrtSession:
    """Load a graph and hold it against what the model wants. Raises EncoderError."""
    model = read_self_contained(path)
    options = session_options(threads)
    try:
        session = onnxruntime.InferenceSession(
            model,
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,  # it would tell of a fault on standard output, and try the same again
        )
    except Exception as error:
        raise EncoderError(
            f"{path} wants to be a graph that ONNX Runtime {onnxruntime.__version__} loads, "
            f"found: {_short(error)}. Export it again."
        ) from error
    _check_ports(path, "inputs", graph.inputs, session.get_inputs())
    _check_ports(path, "outputs", (graph.output,), session.get_outputs())
    return OrtSession(session, path)


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """How every session of the runtime runs; a profile of one begins from the same."""
    options = onnxruntime.SessionOptions()
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = QUIET
    for key, value in OPTIONS.items():
        options.add_session_config_entry(key, value)
    return options


def _check_ports(path: Path, side: str, wanted: tuple[Port, ...], found: list[Any]) -> None:
    """Names, order-free; a free batch; the other sizes and the type exactly."""
    expected = {port.name: str(port) for port in wanted}
    given = {port.name: _describe(port) for port in found}
    if expected != given:
        raise EncoderError(
            f"{path} wants {side} {', '.join(sorted(expected.values()))}, "
            f"found {', '.join(sorted(given.values()))[:400]}. Export it again with this checkpoint."
        )


def _describe(port: Any) -> str:
    """ONNX Runtime's view of a port, in the words of `Port`."""
    batch, *rest = port.shape or [None]
    kind = "float32" if port.type == "tensor(float)" else port.type
    first = batch if isinstance(batch, int) else "N"
    return f"{port.name} ({', '.join(map(str, [first, *rest]))}) {kind}"


def _short(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
