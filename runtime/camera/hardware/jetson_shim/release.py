"""Which Jetson this is, and which release of NVIDIA's software runs on it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from magno.runtime.camera.hardware.calibrated import start_of
from magno.runtime.camera.request import CameraError

RELEASE, BOARD = "etc/nv_tegra_release", "proc/device-tree/model"
# "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: ..."
SAYS = re.compile(r"#\s*R(\d{1,3})\s*\(release\),\s*REVISION:\s*(\d{1,3}(?:\.\d{1,3})*)")
MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Release:
    """A board and its L4T release."""

    board: str
    l4t: str  # "36.4.3"


def read_release(root: Path = Path("/")) -> Release:
    """This device's. Raises CameraError on what is no Jetson."""
    says = SAYS.match(start_of(root / RELEASE, MAX_BYTES))
    if says is None:
        raise CameraError(
            f"A jetson:// camera wants a Jetson, found no L4T release in {root / RELEASE}. Use v4l2:// here."
        )
    board = start_of(root / BOARD, MAX_BYTES).strip("\0 \n")
    return Release(board[:100] or "Jetson", f"{says[1]}.{says[2]}")
