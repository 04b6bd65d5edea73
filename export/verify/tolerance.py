"""How far two ways of running the same model may lie apart: the one table, and the one comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from magno.runtime.units import MagnoError


class ParityError(MagnoError):
    """Two ways of running the same model that do not agree."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Both must hold. The largest difference is relative to the largest absolute value of the reference."""

    max_error: float
    min_cosine: float  # of the worst row


@dataclass(frozen=True, slots=True)
class Parity:
    """What a comparison found, in Tolerance's terms."""

    max_error: float
    min_cosine: float


# Which rung of the ladder -> its tolerance.
TOLERANCES = {
    "onnx fp32": Tolerance(1e-4, 0.999_99),  # torch float32 -> ONNX Runtime
    "onnx fp16": Tolerance(5e-2, 0.999),
    "onnx bf16": Tolerance(2e-1, 0.999),
    "gguf f32": Tolerance(5e-3, 0.999_9),  # torch float32 -> llama.cpp, whose KV cache is float16
    "gguf f16": Tolerance(2e-2, 0.999),
}


def compare(reference: NDArray[np.float32], found: NDArray[np.float32]) -> Parity:
    """How far `found` (..., d) lies from `reference` (..., d). Raises ParityError for shapes or NaN."""
    if reference.shape != found.shape or not reference.size:
        raise ParityError(f"A comparison wants {reference.shape} on both sides, found {found.shape}.")
    if not (np.isfinite(reference).all() and np.isfinite(found).all()):
        raise ParityError("A comparison wants finite values, found infinity or NaN.")
    a = reference.reshape(-1, reference.shape[-1]).astype(np.float64)
    b = found.reshape(-1, found.shape[-1]).astype(np.float64)
    scale = max(float(np.abs(a).max()), 1e-12)
    norms = np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-24)
    return Parity(float(np.abs(a - b).max()) / scale, float(((a * b).sum(axis=1) / norms).min()))


def check(what: str, rung: str, reference: NDArray[np.float32], found: NDArray[np.float32]) -> Parity:
    """Hold a comparison against the table. Raises ParityError naming `what`."""
    parity, wanted = compare(reference, found), TOLERANCES[rung]
    if parity.max_error > wanted.max_error or parity.min_cosine < wanted.min_cosine:
        raise ParityError(
            f"{what} ({rung}) wants an error of at most {wanted.max_error:g} and a cosine of at least "
            f"{wanted.min_cosine:g}, found {parity.max_error:.3g} and {parity.min_cosine:.6f}."
        )
    return parity
