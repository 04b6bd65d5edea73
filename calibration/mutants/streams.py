"""The intact streams that mutants are made of: small, of every make that a camera sends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.request import CameraRequest
from magno.runtime.conformance.encoding import PICTURE_NS, Encoding, encode
from magno.runtime.conformance.known_motion import turning
from magno.runtime.units import AccessUnit

GOP = 9  # pictures that may be damaged; then an anchor comes
SOUND_AGAIN = 4  # intact pictures from there on
SIZE = (96, 64)
REAL_PX = 96
STREAMS = {
    "x264, one reference": Encoding(gop=GOP),
    "x264, B-pictures": Encoding(gop=GOP, b_pictures=2),
    "x264, B-pyramid, 2 references": Encoding(gop=GOP, b_pictures=3, b_pyramid=True, references=2),
    "x264, 3 references": Encoding(gop=GOP, references=3),
    "x264, 4 slices, real pictures": Encoding(gop=GOP, slices=4, preset="veryfast"),
    "x264, CAVLC, B-pictures": Encoding(gop=GOP, preset="ultrafast", b_pictures=2),
    "x264, baseline, real pictures": Encoding(gop=GOP, preset="ultrafast"),
    "MPEG-4, real pictures": Encoding("mpeg4", gop=GOP),
}


@dataclass(frozen=True, slots=True)
class Stream:
    """GOP pictures that may be damaged, then SOUND_AGAIN that stay intact and begin with an intra picture."""

    name: str
    codec: str
    units: tuple[AccessUnit, ...]  # decode order

    @property
    def damageable(self) -> int:
        """Access units before the intact anchor, in decode order."""
        return next(at for at, unit in enumerate(self.units) if unit.pts_ns == GOP * PICTURE_NS)


def make_streams(clip: Path) -> list[Stream]:
    """Encode them; some show a turning texture, some what `clip` shows. Raises MagnoError."""
    count = GOP + SOUND_AGAIN
    known = turning(SIZE, 1.5, count).pictures()
    real = _pictures(clip, count)
    return [
        Stream(name, encoding.codec, tuple(encode(real if "real" in name else known, encoding)))
        for name, encoding in STREAMS.items()
    ]


def _pictures(clip: Path, count: int) -> list[np.ndarray]:
    """The clip's first pictures, small, until there are enough; a shorter clip is shown again."""
    with CameraReader(CameraRequest(str(clip), REAL_PX, "fast", until_s=3)) as reader:
        reader.opened()
        pictures = [frame.picture for frame in reader.frames()]
    return [pictures[index % len(pictures)] for index in range(count)]
