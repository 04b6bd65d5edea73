"""`magno inspect` as its user meets it: real processes, real clips."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


def inspect(*words: str | Path, **kwargs: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "magno.cli", "inspect", *map(str, words)]
    return subprocess.run(command, capture_output=True, timeout=120, **kwargs)  # type: ignore[call-overload,no-any-return]


def test_real_clip_in_json(clips: Path) -> None:
    done = inspect(clips / "car-detection.mp4", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and done.stderr == b""
    assert (found["codec"], found["size"], found["rate_hz"]) == ("h264", [768, 432], 12.5)
    assert found["container"].startswith("mov,mp4")
    assert (found["pictures"], found["pict_types"]) == (377, {"I": 7, "P": 370, "B": 0})
    assert found["gop_pictures"] == [60, 60, 60] and found["duration_s"] == pytest.approx(376 / 12.5)
    assert (found["link_breaks"], found["broken_pictures"], found["error"]) == (0, 0, "")
    assert 0.5 < found["coverage"][0] <= 1 and len(found["motion_px"]) == 60 and found["cost_ms"] > 0


def test_real_clip_for_people_with_b_pictures(clips: Path) -> None:
    done = inspect(clips / "bottle-detection.mp4", "--seconds", "2")
    lines = dict(line.split(maxsplit=1) for line in done.stdout.decode().splitlines() if "link" not in line)
    assert done.returncode == 0 and done.stderr == b""
    assert lines["pattern"].startswith("IBBBPBBBP") and lines["pictures"].startswith("60 in 1.98 s: 1 I")
    assert "mpeg4" in inspect(clips / "bunny_mpeg4.mp4", "--seconds", "0").stdout.decode()


def test_dump_and_overlay(clips: Path, tmp_path: Path) -> None:
    dump, overlay = tmp_path / "out.npz", tmp_path / "out.png"
    done = inspect(clips / "bunny_h264.mp4", "--seconds", "1", "--dump", dump, "--overlay", overlay)
    assert done.returncode == 0 and b"arrows" in done.stdout
    with np.load(dump, allow_pickle=False) as file:
        assert file["mv_qpel"].shape == (26, 90, 160, 2) and file["mode"].shape == (26, 90, 160)
        assert (np.diff(file["pts_ns"]) > 0).all()
    assert overlay.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.npz", "out.png"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere.mp4"], "no such file"),
        (["PROVENANCE.md"], "Wanted a video file"),
        (["."], "a folder"),
        (["car-detection.mp4", "--seconds", "-1"], "0 s or more"),
        (["car-detection.mp4", "--seconds", "nan"], "0 s or more"),
        (["car-detection.mp4", "--seconds", "0", "--dump", "/nowhere/out.npz"], "No such file"),
        (["car-detection.mp4", "--seconds", "0", "--overlay", "out.png"], "something that moves"),
        (["car-detection.mp4", "--seconds", "1", "--overlay", "/nowhere/out.png"], "No such file"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(clips: Path, words: list[str], says: str) -> None:
    done = inspect(*words, "--json", cwd=clips)
    assert done.returncode == 2
    assert says in done.stderr.decode() and len(done.stderr.strip().splitlines()) == 1
    assert says in json.loads(done.stdout)["error"]
