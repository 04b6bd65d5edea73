"""Every vector of every picture of the clips, against an independent extractor. Not a test: it needs a package that
magno does not depend on, PyPI's motion-vector-extractor, best in a virtual environment of its own.

    python tests/bench/exactness.py [--extractor-python OTHER/bin/python] [CLIP ...]

The extractor's vectors are put on the grid by the plainest loop there is, one vector after another, and compared
with what `magno inspect --dump` writes: picture types in display order, every block's mode, every block's vector.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

CLIPS = Path(__file__).parents[1] / "clips"
# On one core: with several, the extractor's threads race, and on a busy machine it gave other vectors each time.
EXTRACT = """
import os
import sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import numpy as np
from mvextractor.videocap import VideoCap
capture, lists, types = VideoCap(), [], []
assert capture.open(sys.argv[1])
while True:
    ok, picture, vectors, kind, *_ = capture.read()
    if not ok:
        break
    lists.append(np.asarray(vectors).reshape(-1, 10).astype(np.int32))
    types.append(kind)
lengths = [len(vectors) for vectors in lists]
np.savez(sys.argv[2], vectors=np.concatenate(lists), lengths=lengths, types=types)
"""
FIELDS = ("source", "w", "h", "src_x", "src_y", "dst_x", "dst_y", "motion_x", "motion_y", "motion_scale")
MISSING, INTRA, INTER, BI = 0, 1, 2, 4
SKIPPED = 77


def plain_grid(vectors: np.ndarray, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """(Hb, Wb, 2) quarter pixels of content displacement and (Hb, Wb) modes, a vector at a time."""
    mv, mode = np.zeros((rows, columns, 2), np.int64), np.full((rows, columns), INTRA)
    for row in vectors.tolist():
        field = dict(zip(FIELDS, row, strict=True))
        top, left = (field["dst_y"] - field["h"] // 2) // 8, (field["dst_x"] - field["w"] // 2) // 8
        for down in range(field["h"] // 8):
            for right in range(field["w"] // 8):
                place = top + down, left + right
                if field["source"] < 0:
                    assert (field["motion_x"] * 4) % field["motion_scale"] == 0
                    mv[place] = [
                        -field[name] * 4 // field["motion_scale"] for name in ("motion_x", "motion_y")
                    ]
                    mode[place] = BI if mode[place] == MISSING else INTER
                else:
                    mode[place] = BI if mode[place] == INTER else MISSING
    return mv, mode


def compare(clip: Path, extractor_python: str) -> bool:
    """Print one line; whether all is equal."""
    with tempfile.TemporaryDirectory() as folder:
        theirs_path, ours_path = Path(folder) / "theirs.npz", Path(folder) / "ours.npz"
        subprocess.run([extractor_python, "-c", EXTRACT, str(clip), str(theirs_path)], check=True)
        words = [sys.executable, "-m", "magno.cli", "inspect", str(clip), "--dump", str(ours_path)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        theirs, ours = dict(np.load(theirs_path)), dict(np.load(ours_path))
    starts = np.concatenate([[0], np.cumsum(theirs["lengths"])])
    wrong_types = wrong_modes = wrong_vectors = blocks = 0
    for index in range(min(len(theirs["types"]), len(ours["pts_ns"]))):
        mv, mode = plain_grid(theirs["vectors"][starts[index] : starts[index + 1]], *ours["mode"].shape[1:])
        wrong_types += theirs["types"][index] != ours["pict_type"][index]
        wrong_modes += int((mode != ours["mode"][index]).sum())
        wrong_vectors += int((mv != ours["mv_qpel"][index]).any(-1).sum())
        blocks += mode.size
    counts = len(theirs["types"]), len(ours["pts_ns"])
    print(
        f"{clip.name}: {counts[0]} and {counts[1]} pictures, {starts[-1]} vectors, {blocks} blocks; "
        f"differ: {wrong_types} types, {wrong_modes} modes, {wrong_vectors} vectors",
        flush=True,
    )
    return counts[0] == counts[1] and not (wrong_types or wrong_modes or wrong_vectors)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("clips", nargs="*", type=Path, default=sorted(CLIPS.glob("*.mp4")))
    parser.add_argument("--extractor-python", default=sys.executable)
    args = parser.parse_args()
    probe = subprocess.run([args.extractor_python, "-c", "import mvextractor"], capture_output=True)
    if probe.returncode:
        print(f"skipped: {args.extractor_python} has no motion-vector-extractor; pip install it there")
        return SKIPPED
    results = [compare(clip, args.extractor_python) for clip in args.clips]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
