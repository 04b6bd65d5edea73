"""float32 numbers as ONNX stores them in half precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from magno.export.errors import CheckpointError

BF16_SHIFT = 16  # bfloat16 is the upper half of a float32


def half_bytes(exact: NDArray[np.float32], name: str, half: int) -> bytes:
    """float32 numbers as little-endian float16 or bfloat16. Raises CheckpointError for what float16 cannot hold."""
    if half == TensorProto.BFLOAT16:
        return bfloat16_bits(exact).astype("<u2").tobytes()
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float16)
    if not np.isfinite(rounded).all():
        raise CheckpointError(
            f"{name} wants weights of at most 65504 for fp16, found {np.abs(exact).max():.6g}: "
            "use --precision bf16."
        )
    return bytes(rounded.astype("<f2").tobytes())


def bfloat16_bits(exact: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Finite float32 numbers as bfloat16, rounded to the nearest, halves to even."""
    bits = np.ascontiguousarray(exact).view(np.uint32)
    odd = (bits >> BF16_SHIFT) & 1
    return ((bits + 0x7FFF + odd) >> BF16_SHIFT).astype(np.uint16)
