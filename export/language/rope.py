"""How far a rotary embedding was stretched, in llama.cpp's terms. Pure; knows transformers' settings only.

transformers' kinds (modeling_rope_utils): default, linear, yarn and llama3. `dynamic` and `longrope` change with the
length of a prompt and are refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from gguf import RopeScalingType
from numpy.typing import NDArray

from magno.export.errors import CheckpointError

KINDS = ("default", "linear", "yarn", "llama3")


@dataclass(frozen=True, slots=True)
class RopeScaling:
    """llama.cpp's rope.* metadata; None: not written, its default holds."""

    freq_base: float
    kind: RopeScalingType | None = None
    factor: float = 1.0
    original_context: int | None = None  # tokens
    attention_factor: float | None = None
    beta_fast: float | None = None
    beta_slow: float | None = None


def rope_settings(config: Any) -> dict[str, Any]:
    """rope_parameters (transformers 5) or rope_scaling and rope_theta (4), with rope_type and rope_theta filled in."""
    found = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    theta = found.get("rope_theta") or getattr(config, "rope_theta", None) or 10_000.0
    kind = found.get("rope_type") or found.get("type") or "default"
    return {**found, "rope_theta": float(theta), "rope_type": kind}


def rope_scaling(config: Any) -> RopeScaling:
    """The metadata of `config`'s rotary embedding. Raises CheckpointError for one that llama.cpp lacks."""
    settings = rope_settings(config)
    kind, base = settings["rope_type"], settings["rope_theta"]
    if kind not in KINDS:
        raise CheckpointError(
            f"config.json: rope_type wants one of {', '.join(KINDS)} for llama.cpp, found {str(kind)[:80]!r}."
        )
    if kind == "linear":
        return RopeScaling(base, RopeScalingType.LINEAR, _number(settings, "factor"))
    if kind == "yarn":
        return _yarn(settings, config)
    return RopeScaling(base)  # llama3's factors are a tensor: see frequency_factors


def frequency_factors(config: Any, head_dim: int) -> NDArray[np.float32] | None:
    """By what llama3's scaling divides each of the (head_dim / 2) frequencies; None for the other kinds.

    Long waves are slowed by `factor`, short ones kept, those between blended (Llama 3.1's model card and code).
    """
    settings = rope_settings(config)
    if settings["rope_type"] != "llama3":
        return None
    factor, low, high = (_number(settings, key) for key in ("factor", "low_freq_factor", "high_freq_factor"))
    context = _number(settings, "original_max_position_embeddings")
    if high <= low:
        raise CheckpointError(
            f"config.json: high_freq_factor wants more than low_freq_factor {low:g}, found {high:g}."
        )
    frequencies = settings["rope_theta"] ** (-np.arange(0, head_dim, 2, dtype=np.float64) / head_dim)
    waves = context * frequencies / (2 * math.pi)  # in the original context
    kept = np.clip((waves - low) / (high - low), 0.0, 1.0)
    return (1.0 / (kept + (1.0 - kept) / factor)).astype(np.float32)


def _yarn(settings: dict[str, Any], config: Any) -> RopeScaling:
    factor = _number(settings, "factor")
    for key in ("mscale", "mscale_all_dim"):
        if settings.get(key):
            raise CheckpointError(f"config.json: rope's {key} wants to be absent for llama.cpp, found it.")
    if settings.get("truncate", True) is not True:
        raise CheckpointError("config.json: rope's truncate wants true for llama.cpp, found false.")
    # llama.cpp multiplies by its own 1 + 0.1 ln(factor), which is also transformers' default.
    stated = "attention_factor" if settings.get("attention_factor") is not None else None
    usual = 1.0 + 0.1 * math.log(factor)
    return RopeScaling(
        freq_base=settings["rope_theta"],
        kind=RopeScalingType.YARN,
        factor=factor,
        original_context=int(
            settings.get("original_max_position_embeddings") or config.max_position_embeddings
        ),
        attention_factor=None if stated is None else _number(settings, stated) / usual,
        beta_fast=float(settings.get("beta_fast") or 32.0),
        beta_slow=float(settings.get("beta_slow") or 1.0),
    )


def _number(settings: dict[str, Any], key: str) -> float:
    value = settings.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e12:
        raise CheckpointError(f"config.json: rope's {key} wants a number above 0, found {str(value)[:40]!r}.")
    return float(value)
