"""Which NVIDIA GPU and driver this machine has, as the driver itself tells in /proc."""

from __future__ import annotations

import re
from pathlib import Path

from magno.runtime.camera.hardware.calibrated import Device, start_of
from magno.runtime.camera.request import CameraError

FOLDER = "proc/driver/nvidia"
MAX_BYTES = 1 << 16


def read_gpu(library: str, root: Path = Path("/")) -> Device:
    """The GPUs' names and the driver's version, with that of `library`. Raises CameraError where there is no driver.

    Which of several decodes is the driver's to choose, so that all their names are the identity.
    """
    folder = root / FOLDER
    version = re.search(
        r"Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)", start_of(folder / "version", MAX_BYTES)
    )
    if version is None:
        raise CameraError(
            f"The decoder nvdec wants an NVIDIA driver, found none in {folder}. Use --decoder ffmpeg here."
        )
    names = re.findall(
        r"^Model:[ \t]*(\S.*)$", "\n".join(start_of(path, MAX_BYTES) for path in _about(folder)), re.MULTILINE
    )
    return Device(
        " + ".join(sorted(name.strip()[:100] for name in names)) or "NVIDIA GPU", version[1], library
    )


def _about(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("gpus/*/information"))
    except OSError:
        return []
