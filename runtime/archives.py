"""Where the past of each camera is kept: in memory, and on disk where a folder is named for it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from magno.runtime.archive import Archive
from magno.runtime.config import BYTES_PER_MB
from magno.runtime.past_disk import PastOnDisk, boot, camera_folder
from magno.runtime.past_file import Origin
from magno.runtime.spec import SpecError
from magno.runtime.units import Encoded


@dataclass(frozen=True, slots=True)
class PastConfig:
    """A folder for the past of all cameras, for this machine alone: what it holds tells what they saw."""

    folder: str
    most_mb: int = 1000  # of each camera; pocket fills some 140 MB an hour at 25 pictures a second

    def __post_init__(self) -> None:
        if not self.folder or self.most_mb < 1:
            raise SpecError(
                f"The past wants a folder and 1 MB or more, found {self.folder[:80]!r} and {self.most_mb}."
            )


class Archives:
    """Makes the archive of each camera that begins to be watched. Used by the language model's owner thread."""

    def __init__(self, memory_bytes: int, bundle: str, past: PastConfig | None = None) -> None:
        """`bundle` tells one from another: see Engine."""
        self._memory_bytes, self._bundle, self._past = memory_bytes, bundle, past
        self._boot = boot()

    def of(self, name: str, url: str, first: Encoded) -> Archive:
        """For a camera whose first keyframe has just come."""
        if self._past is None:
            return Archive(self._memory_bytes)
        folder = camera_folder(Path(self._past.folder), name, url)
        origin = Origin(self._bundle, folder.name, self._boot, secrets.token_hex(8))
        disk = PastOnDisk(folder, self._past.most_mb * BYTES_PER_MB, origin, first)
        return Archive(self._memory_bytes, disk)
