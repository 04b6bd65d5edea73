"""A checkpoint on disk, in the Hugging Face layout: config.json, model.safetensors, tokenizer.json.

Weights are float16 on disk and float32 in memory. Only safetensors is read: no pickle, no remote code.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from magno.export.config import config_from_dict, config_to_dict
from magno.export.errors import CheckpointError
from magno.export.model import CheckpointConfig, MagnoModel
from magno.export.source import EncoderSource
from magno.export.torch_modules import encoder_shapes, named_tensors, torch_encoder
from magno.export.weights.json_file import SMALL_BYTES, read_json, read_text
from magno.export.weights.tensors import WEIGHTS, check_no_others, check_tensors, open_tensors

__all__ = [
    "CONFIG",
    "TOKENIZER",
    "WEIGHTS",
    "Checkpoint",
    "CheckpointError",
    "load_checkpoint",
    "save_checkpoint",
]

CONFIG, TOKENIZER = "config.json", "tokenizer.json"


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint: the model in float32, in evaluation mode."""

    folder: Path
    config: CheckpointConfig
    model: MagnoModel
    tokenizer_json: str


def save_checkpoint(folder: Path, model: MagnoModel, tokenizer_json: str) -> None:
    """Write a checkpoint; each file is written aside, and all are renamed into place at the end.

    Other files of the folder (a model card) stay. Raises CheckpointError for a weight beyond float16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.to(torch.float16).contiguous() for name, tensor in named_tensors(model).items()}
    for name, tensor in tensors.items():
        _check_finite(name, tensor, "float16 cannot hold it; the training has diverged")
    aside = {name: folder / f".{name}.part" for name in (WEIGHTS, TOKENIZER, CONFIG)}
    try:
        save_file(tensors, aside[WEIGHTS], metadata={"format": "pt"})
        aside[TOKENIZER].write_text(tokenizer_json, encoding="utf-8")
        text = json.dumps(config_to_dict(model.config), indent=2, ensure_ascii=False)
        aside[CONFIG].write_text(text + "\n", encoding="utf-8")
        for name, path in aside.items():
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.replace(folder / name)
    finally:
        for path in aside.values():
            path.unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint, strictly.

    Raises SpecError for config.json's keys, CheckpointError for a missing file or a missing, extra,
    misshapen or non-finite tensor, naming it.
    """
    config = load_config(folder)
    tensors = open_tensors(folder)
    wanted = encoder_shapes(lambda: MagnoModel(config))
    check_no_others(tensors, wanted, folder / WEIGHTS)
    check_tensors(tensors, wanted, folder / WEIGHTS)
    tokenizer_json = read_text(folder / TOKENIZER)
    model = torch_encoder(EncoderSource(lambda: MagnoModel(config), tensors))
    assert isinstance(model, MagnoModel)
    return Checkpoint(folder, config, model, tokenizer_json)


def load_config(folder: Path) -> CheckpointConfig:
    """Read config.json alone. Raises SpecError or CheckpointError."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder} wants to be a checkpoint folder, found none: check the path.")
    return config_from_dict(read_json(folder / CONFIG, SMALL_BYTES))


def _check_finite(name: str, tensor: Tensor, what_to_do: str) -> None:
    if not torch.isfinite(tensor).all():
        raise CheckpointError(f"{name} wants finite weights, found infinity or NaN: {what_to_do}.")
