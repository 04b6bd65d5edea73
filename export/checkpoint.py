"""A checkpoint on disk, in the Hugging Face layout: config.json, model.safetensors, tokenizer.json.

Weights are float16 on disk and float32 in memory. Only safetensors is read: no pickle, no remote code.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from magno.export.config import CheckpointError, config_from_dict, config_to_dict
from magno.export.model import CheckpointConfig, MagnoModel

__all__ = [
    "CONFIG",
    "TOKENIZER",
    "WEIGHTS",
    "Checkpoint",
    "CheckpointError",
    "load_checkpoint",
    "save_checkpoint",
]

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
JSON_LIMIT_BYTES = 64 << 20


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
    tensors = {name: tensor.to(torch.float16).contiguous() for name, tensor in _tensors_of(model).items()}
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
    # The shapes come from a model without storage, so that a hostile config cannot take the memory.
    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in _tensors_of(_build(config)).items()}
    tensors = _read_tensors(_file(folder, WEIGHTS), wanted)
    model = _build(config)
    with torch.no_grad():
        for name, tensor in _tensors_of(model).items():
            tensor.copy_(tensors[name])
    return Checkpoint(folder, config, model.eval(), _read_text(folder, TOKENIZER))


def load_config(folder: Path) -> CheckpointConfig:
    """Read config.json alone. Raises SpecError or CheckpointError."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder} wants to be a checkpoint folder, found none: check the path.")
    try:
        values = json.loads(_read_text(folder, CONFIG))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{folder / CONFIG} wants JSON, found a fault: {_short(error)}.") from error
    return config_from_dict(values)


def _build(config: CheckpointConfig) -> MagnoModel:
    try:
        return MagnoModel(config)
    except Exception as error:  # transformers and torch check sizes with many kinds of exception
        raise CheckpointError(
            f"config.json wants sizes that make a model, found: {_short(error)}."
        ) from error


def _tensors_of(model: MagnoModel) -> dict[str, Tensor]:
    """Name on disk -> tensor. A tied lm_head is the embedding table, and is not stored twice."""
    tied = model.language.config.tie_word_embeddings
    return {
        name.replace(
            "vision.tower.vision_model.", "vision.tower."
        ): tensor  # as transformers before 5 names them
        for name, tensor in model.state_dict(keep_vars=True).items()
        if not (tied and name == "language.lm_head.weight")
    }


def _read_tensors(path: Path, wanted: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    try:
        with safe_open(path, framework="pt") as file:
            found = set(file.keys())
            for name in sorted(found - wanted.keys()):
                raise CheckpointError(
                    f"{path} has the tensor {name[:200]!r}, which config.json does not want."
                )
            for name, shape in wanted.items():
                if name not in found:
                    raise CheckpointError(f"{path} lacks the tensor {name!r}, which config.json wants.")
                view = file.get_slice(name)
                if tuple(view.get_shape()) != shape or view.get_dtype() not in ("F16", "BF16", "F32"):
                    raise CheckpointError(
                        f"{path}: {name} wants {shape} F16, BF16 or F32, "
                        f"found {tuple(view.get_shape())} {view.get_dtype()}."
                    )
                tensors[name] = file.get_tensor(name)
                _check_finite(name, tensors[name], "train or copy the checkpoint again")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} wants to be a safetensors file, found: {_short(error)}.") from error
    return tensors


def _check_finite(name: str, tensor: Tensor, what_to_do: str) -> None:
    if not torch.isfinite(tensor).all():
        raise CheckpointError(f"{name} wants finite weights, found infinity or NaN: {what_to_do}.")


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise CheckpointError(f"{folder} lacks {name}: a checkpoint has {CONFIG}, {WEIGHTS} and {TOKENIZER}.")
    return path


def _read_text(folder: Path, name: str) -> str:
    path = _file(folder, name)
    size_bytes = path.stat().st_size
    if size_bytes > JSON_LIMIT_BYTES:
        raise CheckpointError(f"{path} wants at most {JSON_LIMIT_BYTES} bytes, found {size_bytes}.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path} wants UTF-8 text, found: {_short(error)}.") from error


def _short(error: Exception) -> str:
    """The first line of a library's message, without its full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".")
