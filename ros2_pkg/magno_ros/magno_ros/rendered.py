"""A clip whose truth is known because it is drawn: a red square on its way to the right, encoded by x264."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

TRUTH = "right"
FPS = 15
SECONDS = 12
SIDE_PX = 256
HALF_PX = 26  # half of the square's side
START_PX, STEP_PX = 40.0, 1.0


def pictures() -> Iterator[np.ndarray]:
    """(SIDE_PX, SIDE_PX, 3) uint8 RGB; the square's edges are drawn to a fraction of a pixel."""
    rng = np.random.default_rng(7)
    cells = rng.uniform(-18, 18, (SIDE_PX // 8, SIDE_PX // 8, 1))
    ground = np.clip(120 + np.kron(cells, np.ones((8, 8, 1))), 0, 255) * np.ones(3)
    along = np.arange(SIDE_PX) + 0.5
    down = np.clip(HALF_PX + 0.5 - np.abs(along - SIDE_PX / 2), 0, 1)[:, None, None]
    for index in range(FPS * SECONDS):
        across = np.clip(HALF_PX + 0.5 - np.abs(along - START_PX - STEP_PX * index), 0, 1)[None, :, None]
        covered = down * across
        yield (ground * (1 - covered) + np.array((205, 35, 35)) * covered).astype(np.uint8)


def write_clip(path: Path) -> Path:
    """The clip as an MP4 file, written aside and renamed."""
    aside = path.with_name(path.name + ".part")
    with av.open(str(aside), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width = stream.height = SIDE_PX
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "23", "x264-params": "ref=1:bframes=0"}
        for picture in pictures():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return aside.replace(path)
