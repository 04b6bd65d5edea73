"""The families of checkpoints that are understood: one file each, chosen by config.json's model_type.

A whole checkpoint names everything of a bundle; the others are parts of one. A new family is one file and one line.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from magno.export.errors import CheckpointError
from magno.export.source import Source
from magno.export.vision_part import VisionPart
from magno.export.weights.json_file import SMALL_BYTES, read_json

CONFIG = "config.json"
WHOLE = {  # each has open_source(folder, values, image_px) -> Source
    "magno": "magno.export.families.magno",
    "llava": "magno.export.families.llava_video",
    "llava_qwen": "magno.export.families.llava_video",
    "llava_onevision": "magno.export.families.llava_onevision",
}
VISION = {  # each has open_vision(folder, values) -> VisionPart
    "siglip": "magno.export.families.siglip",
    "siglip_vision_model": "magno.export.families.siglip",
}
LANGUAGE = {  # each has configuration(values) and shapes(configuration)
    "qwen2": "magno.export.families.qwen2",
    "qwen3": "magno.export.families.qwen3",
    "llama": "magno.export.families.llama",
}
PARTS = "a SigLIP folder wants --vision, a Qwen2, Qwen3 or Llama folder --llm"


def open_source(folder: Path, image_px: int | None = None) -> Source:
    """Name all of a whole checkpoint, reading no weight. `image_px`: another input size; None: the trained one.

    Raises CheckpointError or SpecError, one sentence, within a second.
    """
    values = read_config(folder)
    found: Source = _family(values, WHOLE, folder, f"a whole model ({PARTS})").open_source(
        folder, values, image_px
    )
    return found


def open_vision(folder: Path) -> VisionPart:
    """Name a vision tower. Raises CheckpointError."""
    values = read_config(folder)
    found: VisionPart = _family(values, VISION, folder, "a vision tower").open_vision(folder, values)
    return found


def read_config(folder: Path) -> dict[str, Any]:
    """config.json's values. Raises CheckpointError."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder} wants to be a checkpoint folder, found none: check the path.")
    values = read_json(folder / CONFIG, SMALL_BYTES)
    if not isinstance(values, dict):
        raise CheckpointError(f"{folder / CONFIG} wants an object, found {type(values).__name__}.")
    return values


def language_family(values: dict[str, Any], where: object) -> Any:
    """The module of a language model's family. Raises CheckpointError."""
    return _family(values, LANGUAGE, where, "a language model")


def _family(values: dict[str, Any], table: dict[str, str], where: object, what: str) -> Any:
    found = values.get("model_type")
    if not isinstance(found, str) or found not in table:
        classes = values.get("architectures")
        also = f" ({str(classes[0])[:80]})" if isinstance(classes, list) and classes else ""
        raise CheckpointError(
            f"{where} wants model_type {', '.join(map(repr, table))} for {what}, found {str(found)[:80]!r}{also}."
        )
    return importlib.import_module(table[found])
