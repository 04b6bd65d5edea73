"""How far one distribution of the next token is from another. numpy alone: a bench without torch has it too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def kl_nats(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> NDArray[np.float64]:
    """KL divergence in nats of each row of logits `found` (n, vocabulary) from `wanted`: (n,)."""
    p, q = (_log_softmax(logits) for logits in (wanted, found))
    divergences: NDArray[np.float64] = np.maximum((np.exp(p) * (p - q)).sum(axis=1), 0.0)
    return divergences


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
