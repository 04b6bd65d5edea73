"""What export raises."""

from __future__ import annotations

from magno.runtime.units import MagnoError


class CheckpointError(MagnoError, ValueError):
    """A checkpoint folder that cannot be read, written or exported as it is."""
