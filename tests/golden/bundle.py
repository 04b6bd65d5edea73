"""The bundle of the golden trace: the tiny model, whose words stay whatever becomes of the pocket model's."""

from __future__ import annotations

from pathlib import Path

from magno.export.bundle_from_checkpoint import bundle_from_checkpoint
from tests.tiny import tiny_checkpoint


def golden_bundle(folder: Path) -> Path:
    """Made in `folder`."""
    return bundle_from_checkpoint(tiny_checkpoint(folder / "checkpoint"), folder / "bundle", llm_type="f32")
