"""Arrays -> embeddings: the two encoders of a bundle, on a backend of choice. Knows no token."""

from __future__ import annotations

import importlib
from types import TracebackType
from typing import cast

import numpy as np
from numpy.typing import NDArray

from magno.runtime.backends import Backend, EncoderError, Graph, Port, Session
from magno.runtime.bundle import Bundle
from magno.runtime.spec import ModelSpec

__all__ = ["BACKENDS", "Encoder", "EncoderError", "delta_graph", "open_encoder", "vision_graph"]

BACKENDS = {
    "ort": "magno.runtime.backends.ort",
    "tensorrt": "magno.runtime.backends.tensorrt",
    "tensorrt-rtx": "magno.runtime.backends.tensorrt_rtx",
    "null": "magno.runtime.backends.null",
}
THREADS_LIMIT = 256


def vision_graph(spec: ModelSpec) -> Graph:
    """What vision.onnx takes and gives: pixels (N, 3, S, S) -> tokens (N, M, embed_dim)."""
    side = spec.codec.image_px
    return Graph(
        (Port("pixels", (3, side, side)),), Port("tokens", (spec.layout.keyframe_tokens, spec.embed_dim))
    )


def delta_graph(spec: ModelSpec) -> Graph:
    """What delta.onnx takes and gives: motion (N, P*P, width), residual (N, 1, S, S) -> (N, 8, embed_dim)."""
    codec = spec.codec
    return Graph(
        (
            Port("motion", (codec.patches**2, codec.motion_width)),
            Port("residual", (1, codec.image_px, codec.image_px)),
        ),
        Port("tokens", (spec.layout.window_tokens, spec.embed_dim)),
    )


class Encoder:
    """The encoders of one bundle. Owns their sessions: close it, or use `with`."""

    def __init__(self, spec: ModelSpec, vision: Session, delta: Session | None) -> None:
        self._vision_graph, self._delta_graph = vision_graph(spec), delta_graph(spec)
        self._vision: Session | None = vision
        self._delta = delta
        self.has_windows = delta is not None  # False: this bundle is keyframe-only

    def keyframe(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """pixels (N, 3, S, S) in [-1, 1] -> (N, M, embed_dim), all finite. Raises EncoderError."""
        return _run(self._vision, self._vision_graph, {"pixels": pixels})

    def window(self, motion: NDArray[np.float32], residual: NDArray[np.float32]) -> NDArray[np.float32]:
        """motion (N, P*P, motion_width), residual (N, 1, S, S) -> (N, 8, embed_dim), all finite.

        Raises EncoderError; always so for a keyframe-only bundle.
        """
        if not self.has_windows:
            raise EncoderError(
                "A window wants delta.onnx, found a keyframe-only bundle: feed keyframes alone."
            )
        return _run(self._delta, self._delta_graph, {"motion": motion, "residual": residual})

    def close(self) -> None:
        for session in (self._vision, self._delta):
            if session is not None:
                session.close()
        self._vision = self._delta = None

    def __enter__(self) -> Encoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_encoder(bundle: Bundle, backend: str = "ort", threads: int = 1) -> Encoder:
    """Open both encoders and hold their graphs against the bundle's spec. Raises EncoderError.

    `threads` is what one inference may use; the language model has its own.
    """
    if backend not in BACKENDS:
        raise EncoderError(f"The backend wants to be one of {', '.join(BACKENDS)}, found {backend[:80]!r}.")
    if not 1 <= threads <= THREADS_LIMIT:
        raise EncoderError(f"The encoder wants 1 to {THREADS_LIMIT} threads, found {threads}.")
    try:
        library = cast(Backend, importlib.import_module(BACKENDS[backend]))
    except ImportError as error:
        raise EncoderError(f"The backend {backend} wants its library, found: {error}. Install it.") from error
    vision = library.open(bundle.vision, vision_graph(bundle.spec), threads)
    try:
        delta = library.open(bundle.delta, delta_graph(bundle.spec), threads) if bundle.delta else None
    except BaseException:
        vision.close()
        raise
    return Encoder(bundle.spec, vision, delta)


def _run(
    session: Session | None, graph: Graph, inputs: dict[str, NDArray[np.float32]]
) -> NDArray[np.float32]:
    if session is None:
        raise EncoderError("The encoder wants to be open, found it closed: open it again.")
    batch = len(inputs[graph.inputs[0].name]) if inputs[graph.inputs[0].name].ndim else 0
    for port in graph.inputs:
        array = inputs[port.name]
        if batch < 1 or array.shape != (batch, *port.shape) or array.dtype != np.float32:
            raise EncoderError(
                f"The encoder wants {port} with N = {batch or 1}, found {array.shape} {array.dtype}."
            )
    tokens = session.infer(inputs)
    if tokens.shape != (batch, *graph.output.shape) or tokens.dtype != np.float32:
        raise EncoderError(f"The encoder wants to give {graph.output}, found {tokens.shape} {tokens.dtype}.")
    if not np.isfinite(tokens).all():
        raise EncoderError(
            f"The encoder wants finite tokens, found infinity or NaN from inputs {', '.join(inputs)}: "
            "check that the inputs are finite."
        )
    return tokens
