"""SigLIP and SigLIP 2 of fixed resolution (both are model_type siglip): the vision tower of the two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from magno.export.errors import CheckpointError
from magno.export.vision_part import VisionPart, tower, vision_config
from magno.export.weights.tensors import open_tensors, within


def open_vision(folder: Path, values: dict[str, Any]) -> VisionPart:
    """The tower of a folder with both towers, or with this one alone. Raises CheckpointError."""
    where = folder / "config.json"
    own = values if values["model_type"] == "siglip_vision_model" else values.get("vision_config", {})
    if not isinstance(own, dict):
        raise CheckpointError(f"{where}: vision_config wants an object, found {type(own).__name__}.")
    tensors = open_tensors(folder)
    named = within(tensors, "vision_model.") or tensors  # saved as a tower, by transformers 5
    return VisionPart(folder, vision_config(own, where), tower(named))
