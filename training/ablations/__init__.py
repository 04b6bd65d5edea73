"""The runtime with something taken away, for evaluation alone: which part of its input answers come from.

Each is a seam that production has anyway: a backend of the encoders' table, or the class that cuts windows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from magno.runtime import watcher
from magno.runtime.encoder import BACKENDS
from magno.runtime.units import CodecFrame
from magno.runtime.window import FusedWindow, Keyframe, Windower
from magno.training.coarse import coarse_frame

AS_IT_IS = "none"
COARSE = "coarse-vectors"
ENCODERS = {
    "no-delta": "magno.training.ablations.no_delta",
    "no-residual": "magno.training.ablations.no_residual",
}
ABLATIONS = (AS_IT_IS, *ENCODERS, COARSE)


class CoarseWindower(Windower):
    """Sees vectors as hardware encoders have them."""

    def step(self, frame: CodecFrame) -> list[Keyframe | FusedWindow]:
        return super().step(coarse_frame(frame))


@contextmanager
def ablated(name: str, backend: str = "ort") -> Iterator[str]:
    """While it lasts, the name of the backend to open an engine with; one ablation at a time."""
    if name in ENCODERS:
        BACKENDS[name] = ENCODERS[name]
        try:
            yield name
        finally:
            del BACKENDS[name]
    elif name == COARSE:
        watcher.Windower = CoarseWindower  # type: ignore[attr-defined,misc]
        try:
            yield backend
        finally:
            watcher.Windower = Windower  # type: ignore[attr-defined]
    else:
        yield backend
