"""A picture's vectors, and that the picture goes when they do."""

from __future__ import annotations

import gc
from pathlib import Path

import av

from magno.runtime.camera.decoding.side_data import exported_vectors

PICTURES = 30


def test_pictures_leave_nothing_to_the_collector(clips: Path) -> None:
    gc.collect()
    gc.disable()
    try:
        with av.open(str(clips / "car-detection.mp4")) as container:
            container.streams.video[0].codec_context.options = {"flags2": "+export_mvs"}
            counts = []
            for _, frame in zip(range(PICTURES), container.decode(video=0), strict=False):
                vectors = exported_vectors(frame)
                counts.append(0 if vectors is None else len(vectors))
            del frame, vectors
        assert counts[0] == 0 and min(counts[1:]) > 0
        assert gc.collect() < PICTURES
    finally:
        gc.enable()
