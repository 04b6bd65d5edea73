"""What every family of checkpoints is read into: two encoders and a language model, named but not loaded.

Knows no file layout of any family and no torch: `families/` fills these, the writers of a bundle read them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magno.export.weights.tensors import Tensors, Weights
from magno.runtime.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class EncoderSource:
    """An encoder: how torch builds it, and the weights to fill it with."""

    build: Callable[[], Any]  # a torch.nn.Module without its weights; cheap on torch's meta device
    tensors: Weights  # by the module's own state-dict names, as transformers 5 has them


@dataclass(frozen=True, slots=True)
class LanguageSource:
    """A decoder-only language model with its tokenizer."""

    architecture: str  # "qwen2", "qwen3" or "llama"
    config: Any  # its transformers configuration, with defaults filled in
    tensors: Tensors  # by the names of transformers' ...ForCausalLM: model.embed_tokens.weight, ..., lm_head.weight
    folder: Path  # holds tokenizer.json, and perhaps tokenizer_config.json and chat_template.jinja
    name: str  # for people


@dataclass(frozen=True, slots=True)
class Source:
    """All of a bundle to be."""

    spec: ModelSpec
    vision: EncoderSource
    delta: EncoderSource | None  # None: a keyframe-only bundle
    language: LanguageSource
    folders: tuple[Path, ...]  # the folders and files it is read from
