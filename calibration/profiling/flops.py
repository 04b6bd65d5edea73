"""Arithmetic of one operator, from the shapes that went in and came out. Pure; knows ONNX's and ONNX Runtime's names.

A multiplication and an addition are two operations. Matrix products, convolutions and attention are exact; every other
operator that computes is taken for one operation an output element; one that only moves or describes data is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Shape = Sequence[int]
MATRIX_PRODUCTS = frozenset(
    {
        "MatMul",
        "FusedMatMul",
        "Gemm",
        "FusedGemm",
        "MatMulInteger",
        "MatMulIntegerToFloat",
        "DynamicQuantizeMatMul",
        "QLinearMatMul",
        "QGemm",
        "MatMulNBits",
    }
)
CONVOLUTIONS = frozenset({"Conv", "FusedConv", "NhwcFusedConv", "ConvInteger", "QLinearConv"})
ATTENTIONS = frozenset({"MultiHeadAttention"})
MOVES = frozenset(
    {
        "Cast",
        "Concat",
        "Constant",
        "ConstantOfShape",
        "Expand",
        "Flatten",
        "Gather",
        "Identity",
        "Pad",
        "ReorderInput",
        "ReorderOutput",
        "Reshape",
        "Shape",
        "Slice",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)


def flops(operator: str, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> int:
    """Operations of one run. `inputs` includes the weights; shapes that are not known are left out of it."""
    if not outputs or operator in MOVES:
        return 0
    elements = math.prod(outputs[0])
    if operator in MATRIX_PRODUCTS and inputs:
        return 2 * elements * _summed_over(inputs[0], outputs[0])
    if operator in CONVOLUTIONS:
        kernels = [shape for shape in inputs[1:] if len(shape) == len(outputs[0])]
        return 2 * elements * math.prod(kernels[0][1:]) if kernels else elements
    if operator in ATTENTIONS and len(inputs) > 1:
        return 4 * elements * inputs[1][-2]  # Q times K over its width, then times V over its length
    return elements


def _summed_over(left: Shape, out: Shape) -> int:
    """K of a matrix product (..., M, K) x (K, N) -> (..., M, N), the left side perhaps transposed."""
    if not left or not out:
        return 1
    rows = math.prod(out) // max(1, out[-1])
    fits = math.prod(left) // max(1, rows)
    return fits if fits in left[-2:] else left[-1]
