"""`magno inspect` as its user meets it: real processes, real clips."""

from __future__ import annotations

import json
import os
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
    lines = dict(line.split(maxsplit=1) for line in done.stdout.decode().splitlines() if " " in line)
    assert done.returncode == 0 and done.stderr == b""
    assert lines["pattern"].startswith("IBBBPBBBP") and lines["pictures"].startswith("60 in 1.98 s: 1 I")
    assert lines["vectors"].startswith("blocks of 8 px, steps of 1/4 px") and lines["time"].startswith("from")
    assert lines["B-pictures"] == "45, 15 of them references"
    assert "steps of 1/2 px" in inspect(clips / "bunny_mpeg4.mp4", "--seconds", "0").stdout.decode()


def test_dump_and_overlay(clips: Path, tmp_path: Path) -> None:
    dump, overlay = tmp_path / "out.npz", tmp_path / "out.png"
    done = inspect(clips / "bunny_h264.mp4", "--seconds", "1", "--dump", dump, "--overlay", overlay)
    assert done.returncode == 0 and b"arrows" in done.stdout
    with np.load(dump, allow_pickle=False) as file:
        assert file["mv_qpel"].shape == (26, 90, 160, 2) and file["mode"].shape == (26, 90, 160)
        assert (np.diff(file["pts_ns"]) > 0).all()
    assert overlay.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.npz", "out.png"]


def test_overlay_of_every_picture(clips: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "out.mp4"
    done = inspect(clips / "car-detection.mp4", "--seconds", "1", "--overlay", overlay, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["overlay_stretch"] == 2.0
    drawn = json.loads(inspect(overlay, "--json").stdout)
    assert (drawn["pictures"], drawn["size"], drawn["rate_hz"]) == (13, [1536, 864], 12.5)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_pictures_that_are_made_end_by_themselves() -> None:
    done = inspect("lavfi:testsrc2=size=64x48:rate=5", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and 45 <= found["pictures"] <= 51  # ten seconds
    assert found["vectors"]["block_px"] == 8 and found["time_from"]


def test_camera_is_calibrated_on_what_it_shows(clips: Path) -> None:
    done = inspect("--conformance", clips / "car-detection.mp4", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["passed"] is True and done.stderr == b""
    assert {told["name"] for told in found["tests"]} >= {"unit", "sign", "axes", "order", "picture"}
    short = inspect("--conformance", clips / "car-detection.mp4", "--seconds", "0.5")
    assert short.returncode == 3 and b"not enough motion" in short.stdout


def test_conformance_of_a_decoder_goes_on_record(tmp_path: Path) -> None:
    done = inspect("--conformance", "ffmpeg", "--json", env={**os.environ, "MAGNO_STATE": str(tmp_path)})
    found = json.loads(done.stdout)
    assert done.returncode == 0, [told for told in found["tests"] if not told["passed"]]
    assert found["calibrated"] and found["convention"] == {"sign": 1, "subpel": 4}
    record = json.loads(Path(found["record"]).read_text())
    assert record["source"] == "ffmpeg" and Path(found["record"]).parent == tmp_path / "conformance"


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
        (["car-detection.mp4", "--seconds", "1", "--overlay", "/nowhere/out.mp4"], "No such file"),
        (["nowhere.mp4", "--conformance"], "no such file"),
        (["bottle-detection.mp4", "--b-frames", "refuse"], "B-pictures"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(clips: Path, words: list[str], says: str) -> None:
    done = inspect(*words, "--json", cwd=clips)
    assert done.returncode == 2
    assert says in done.stderr.decode() and len(done.stderr.strip().splitlines()) == 1
    assert says in json.loads(done.stdout)["error"]
