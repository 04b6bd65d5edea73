"""Real pixels: pictures of the real clips, and things cut out of them. Some to train on, others held out.

`car-detection.mp4` and the later scenes of the bunny are held out, and the bunny's first scene and the bottles
are trained on. The only file of the world that decodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

from magno.training.scenes.sampling import planar

SIZE = (640, 360)  # width, height that pictures are decoded at
BUNNY_CUT = 210  # here its second scene begins
TRAINED = {"bottle-detection.mp4": range(0, 1189, 60), "bunny_h264.mp4": range(0, BUNNY_CUT - 2, 12)}
HELD_OUT = {"car-detection.mp4": range(0, 377, 30), "bunny_h264.mp4": range(BUNNY_CUT + 2, 337, 12)}


@dataclass(frozen=True, slots=True)
class CutOut:
    """A real thing with a soft edge."""

    colour: str  # "" where no one word names it
    noun: str
    rgba: np.ndarray  # (4, h, w) float32, premultiplied: colour 0..255, cover 0..1


@dataclass(frozen=True, slots=True)
class Sought:
    """Where a thing stands in a clip, and a picture that shows what is behind it."""

    clip: str
    picture: int
    empty: int
    box: tuple[int, int, int, int]  # left, top, right, bottom at SIZE
    colour: str
    noun: str


CUTS = {
    False: (
        Sought("bottle-detection.mp4", 0, 300, (44, 96, 136, 322), "", "bottle"),
        Sought("bottle-detection.mp4", 0, 600, (276, 96, 362, 322), "", "bottle"),
        Sought("bottle-detection.mp4", 0, 1000, (498, 96, 588, 324), "", "bottle"),
    ),
    True: (
        Sought("car-detection.mp4", 78, 0, (196, 50, 400, 356), "white", "car"),
        Sought("car-detection.mp4", 210, 0, (250, 60, 410, 330), "red", "car"),
        Sought("car-detection.mp4", 330, 0, (90, 4, 260, 330), "white", "car"),
    ),
}


@dataclass(frozen=True, slots=True)
class Stock:
    """What one side of the split may use."""

    photographs: tuple[np.ndarray, ...]  # (360, 640, 3) uint8 each
    cut_outs: tuple[CutOut, ...]


@lru_cache(maxsize=2)
def stock(folder: Path, held_out: bool) -> Stock:
    """The pictures and cut-outs of one side; decodes whole clips, once a process."""
    wanted = HELD_OUT if held_out else TRAINED
    cuts = CUTS[held_out]
    photographs: list[np.ndarray] = []
    cut_outs: list[CutOut] = []
    for clip, pictures in wanted.items():
        needed = {at for cut in cuts if cut.clip == clip for at in (cut.picture, cut.empty)}
        found = _pictures(folder / clip, needed | set(pictures))
        photographs += [found[at] for at in pictures if at in found]
        cut_outs += [_cut_out(cut, found) for cut in cuts if cut.clip == clip]
    return Stock(tuple(photographs), tuple(cut_outs))


def _pictures(path: Path, wanted: set[int]) -> dict[int, np.ndarray]:
    with av.open(str(path)) as container:
        return {
            index: frame.to_ndarray(width=SIZE[0], height=SIZE[1], format="rgb24")
            for index, frame in enumerate(container.decode(video=0))
            if index in wanted
        }


def _cut_out(cut: Sought, pictures: dict[int, np.ndarray]) -> CutOut:
    left, top, right, bottom = cut.box
    shown, behind = pictures[cut.picture].astype(np.float32), pictures[cut.empty].astype(np.float32)
    behind *= np.median(
        shown / (behind + 1), axis=(0, 1)
    )  # the camera adapts its exposure to what is in view
    shown, behind = shown[top:bottom, left:right], behind[top:bottom, left:right]
    differs = np.abs(shown - behind).max(-1) > 26
    body = _filled(_smooth(differs.astype(np.float32), 2) > 0.5)
    body = _smooth(body.astype(np.float32), 9) > 0.5  # without what is thin: a line on the table, say
    cover = _smooth(body.astype(np.float32), 2)
    rows, columns = np.flatnonzero(cover.max(1) > 0.5), np.flatnonzero(cover.max(0) > 0.5)
    kept = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    soft = cover[kept][..., None]
    return CutOut(cut.colour, cut.noun, planar(np.concatenate([shown[kept] * soft, soft], axis=-1)))


def _filled(mask: np.ndarray) -> np.ndarray:
    """Everything between the first and the last marked pixel, of each row and of each column."""
    across = np.maximum.accumulate(mask, 1) & np.maximum.accumulate(mask[:, ::-1], 1)[:, ::-1]
    down = np.maximum.accumulate(mask, 0) & np.maximum.accumulate(mask[::-1], 0)[::-1]
    return np.asarray(across & down)


def _smooth(mask: np.ndarray, passes: int) -> np.ndarray:
    for _ in range(passes):
        for axis in (0, 1):
            mask = (np.roll(mask, 1, axis) + 2 * mask + np.roll(mask, -1, axis)) / 4
    return mask
