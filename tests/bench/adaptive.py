"""Fixed windows against adaptive ones on real clips: how many a second, and what they lose.

    python tests/bench/adaptive.py [CLIP ...] [--bundle bundles/pocket]

`clipped` is the share of traced blocks that came farther than the model can be told, `lost` the share that could
not be traced back, both at the windows' ends; `keyframes` are those of a cut, beside the cadence's own.
"""

from __future__ import annotations

import argparse
import statistics
from itertools import pairwise
from operator import mul
from pathlib import Path

from rich.console import Console
from rich.table import Table

from magno.runtime import cadence
from magno.runtime.bundle import open_bundle
from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.request import CameraRequest
from magno.runtime.clock import NS_PER_S
from magno.runtime.spec import CodecSpec
from magno.runtime.units import CodecFrame
from magno.runtime.window import FusedWindow, Windower

CLIPS = sorted(Path("tests/clips").glob("*.mp4"))


def pictures(clip: Path, codec: CodecSpec) -> list[CodecFrame]:
    with CameraReader(CameraRequest(str(clip), codec.image_px, "fast")) as reader:
        reader.opened()
        return list(reader.frames())


def measure(frames: list[CodecFrame], codec: CodecSpec, windows: str) -> list[str]:
    windower = Windower(
        codec.window_pictures, codec.windows_per_gop, adaptive=codec if windows == "adaptive" else None
    )
    items = [item for frame in frames for item in windower.step(frame)] + windower.flush()
    fused = [item for item in items if isinstance(item, FusedWindow)]
    seconds = (frames[-1].pts_ns - frames[0].pts_ns) / NS_PER_S
    lengths = [window.displacement.pictures for window in fused]
    limit = codec.motion_scale_px * codec.motion_clip
    clipped = [cadence.beyond(w.displacement, w.frame.size, codec, limit) for w in fused]
    lost = [cadence.lost(w.displacement) for w in fused]
    return [
        windows,
        f"{len(fused) / seconds:.2f}",
        f"{(len(items) - len(fused)) / seconds:.2f}",
        f"{statistics.mean(lengths):.1f} ({min(lengths)} to {max(lengths)})",
        f"{statistics.mean(clipped):.2%} (worst {max(clipped):.1%})",
        f"{sum(map(mul, lost, lengths)) / sum(lengths):.1%} (worst {max(lost):.0%})",
    ]


def cuts(frames: list[CodecFrame]) -> int:
    """Predicted pictures that the rule takes for another scene."""
    chained = [frame for frame in frames if frame.motion is not None and frame.pict_type != "B"]
    return sum(
        cadence.is_cut(cadence.unknown(after.motion), cadence.unlike(before.picture, after.picture))
        for before, after in pairwise(chained)
        if after.motion is not None and after.pict_type == "P"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="*", type=Path, default=CLIPS)
    parser.add_argument("--bundle", type=Path, default=Path("bundles/pocket"), help="whose model pixels")
    args = parser.parse_args()
    codec = open_bundle(args.bundle).spec.codec
    table = Table("clip", "windows", "a second", "keyframes a second", "pictures", "clipped", "lost")
    for clip in args.clips:
        frames = pictures(clip, codec)
        for windows in cadence.WINDOWS:
            table.add_row(f"{clip.name}, {cuts(frames)} cuts", *measure(frames, codec, windows))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
