"""Where the past of each camera is kept: in memory, and on disk where a folder is named for it."""

from __future__ import annotations

import secrets
from pathlib import Path

from magno.runtime.config import EngineConfig
from magno.runtime.past.archive import Archive
from magno.runtime.past.disk import PastOnDisk, boot, camera_folder
from magno.runtime.past.file import Origin
from magno.runtime.units import Encoded


class Archives:
    """Makes the archive of each camera that begins to be watched. Used by the language model's owner thread."""

    def __init__(self, config: EngineConfig, bundle: str) -> None:
        """`bundle` tells one from another: see Engine."""
        self._config, self._bundle = config, bundle

    def of(self, name: str, url: str, first: Encoded) -> Archive:
        """For a camera whose first keyframe has just come."""
        memory_bytes = self._config.archive_bytes
        if not self._config.past_dir:
            return Archive(memory_bytes)
        folder = camera_folder(Path(self._config.past_dir), name, url)
        origin = Origin(self._bundle, folder.name, boot(), secrets.token_hex(8))
        return Archive(memory_bytes, PastOnDisk(folder, self._config.past_bytes, origin, first))
