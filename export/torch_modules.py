"""Sources -> torch modules in float32, filled one tensor at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from magno.export.errors import CheckpointError
from magno.export.source import EncoderSource, LanguageSource
from magno.export.weights.json_file import short
from magno.export.weights.tensors import Weights, check_tensors


def torch_encoder(source: EncoderSource) -> nn.Module:
    """The encoder in evaluation mode. Raises CheckpointError for weights that are not there or not finite."""
    return _filled(build(source.build), source.tensors)


def torch_language(source: LanguageSource) -> nn.Module:
    """The language model in evaluation mode: its weights in float32, all in memory. Raises CheckpointError."""
    return _filled(build(lambda: AutoModelForCausalLM.from_config(source.config).float()), source.tensors)


def check_encoder(source: EncoderSource, where: object) -> None:
    """Hold the weights' names and shapes against what torch wants, without reading or allocating any."""
    check_tensors(source.tensors, encoder_shapes(source.build), where)


def encoder_shapes(builder: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]]:
    """What a module stores: name -> shape, nothing allocated. Raises CheckpointError for sizes that make none."""
    with torch.device("meta"):  # so that a hostile config cannot take the memory
        return {name: tuple(tensor.shape) for name, tensor in named_tensors(build(builder)).items()}


def build(builder: Callable[[], Any]) -> nn.Module:
    """Raises CheckpointError where the configuration makes no module."""
    try:
        module: nn.Module = builder()
    except Exception as error:  # transformers and torch check sizes with many kinds of exception
        raise CheckpointError(f"config.json wants sizes that make a model, found: {short(error)}.") from error
    return module


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Name as stored -> tensor. A tied lm_head is the embedding table, and is not stored twice."""
    stored: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            # As transformers 5 has it; before, a SigLIP tower had one level more.
            stored[name.replace("tower.vision_model.", "tower.")] = tensor
            seen.add(id(tensor))
    return stored


def _filled(module: nn.Module, tensors: Weights) -> nn.Module:
    with torch.no_grad():
        for name, tensor in named_tensors(module).items():
            if name not in tensors:
                raise CheckpointError(f"The checkpoint lacks the tensor {name!r}: copy it again.")
            tensor.copy_(torch.from_numpy(tensors[name].read()))
    return module.eval()
