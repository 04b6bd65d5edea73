"""`magno` as its user meets it: real processes, real clips, exit codes and one sentence for what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from magno.runtime.commands.ask import named_cameras

KEYS = {
    "text",
    "outcome",
    "ttft_ms",
    "latency_ms",
    "frame_pts_ms",
    "visual_tokens",
    "recalled_tokens",
    "foretold_tokens",
    "error",
}
QUESTION = "Which way is the car moving?"


def magno(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "magno.cli", *words], capture_output=True, text=True, timeout=120
    )


def test_help_lists_the_verbs() -> None:
    done = magno("--help")
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in ("ask", "export", "bench"))


def test_version() -> None:
    done = magno("--version")
    assert (done.returncode, done.stdout.strip()) == (0, "magno 0.1.0")


def test_a_reader_that_has_read_enough_ends_it_quietly(clips: Path) -> None:
    words = [sys.executable, "-m", "magno.cli", "inspect", str(clips / "car-detection.mp4"), "--seconds", "1"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    assert process.wait(60) == 141


def test_ask_answers_in_one_json_object(tiny_bundle: Path, clips: Path) -> None:
    clip = str(clips / "car-detection.mp4")
    done = magno("ask", clip, QUESTION, "--at", "3", "--bundle", str(tiny_bundle), "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    assert set(answer) == KEYS
    assert (answer["outcome"], answer["frame_pts_ms"], answer["error"]) == ("complete", 2960.0, "")


def test_ask_of_several_clips_is_a_line_for_each(tiny_bundle: Path, clips: Path) -> None:
    two = [str(clips / name) for name in ("car-detection.mp4", "bottle-detection.mp4")]
    words = ["--at", "1", "--bundle", str(tiny_bundle)]
    done = magno("ask", *two, QUESTION, *words, "--json")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [answer["camera"] for answer in answers] == ["car-detection", "bottle-detection"]
    assert all(set(answer) == {"camera", *KEYS} and answer["outcome"] == "complete" for answer in answers)
    done = magno("ask", *two, QUESTION, *words)
    assert [line.partition(": ")[0] for line in done.stdout.splitlines()] == [
        "car-detection",
        "bottle-detection",
    ]
    assert done.stderr.count("first token after") == 2 and "bottle-detection: complete" in done.stderr


def test_one_bad_clip_of_several_is_one_sentence(tiny_bundle: Path, clips: Path) -> None:
    words = [str(clips / "car-detection.mp4"), "nowhere.mp4", QUESTION, "--bundle", str(tiny_bundle)]
    done = magno("ask", *words, "--json")
    assert done.returncode == 2 and "nowhere.mp4" in json.loads(done.stdout)["error"]
    assert len(done.stderr.strip().splitlines()) == 1


def test_clips_of_one_name_have_names_of_their_own() -> None:
    assert named_cameras(["a/x.mp4", "b/x.mp4", "x-2.mp4", "c/x.avi"], []) == {
        "x": ("a/x.mp4", ""),
        "x-2": ("b/x.mp4", ""),
        "x-2-2": ("x-2.mp4", ""),
        "x-3": ("c/x.avi", ""),
    }
    assert named_cameras(["x.mp4"], []) == {"clip": ("x.mp4", "")}


def test_topics_are_called_as_they_are() -> None:
    assert named_cameras(["x.mcap"], ["/a"]) == {"clip": ("x.mcap", "/a")}
    assert named_cameras(["x.mcap"], ["/a", "/b"]) == {"/a": ("x.mcap", "/a"), "/b": ("x.mcap", "/b")}
    both = {"x/a": ("x.mcap", "/a"), "y/a": ("y.mcap", "/a")}
    assert named_cameras(["x.mcap", "y.mcap"], ["/a"]) == both


def test_ask_tells_a_person(tiny_bundle: Path, clips: Path) -> None:
    done = magno("ask", str(clips / "bunny_mpeg4.mp4"), QUESTION, "--at", "1", "--bundle", str(tiny_bundle))
    assert done.returncode == 0
    assert "first token after" in done.stderr and "Traceback" not in done.stderr


def test_ask_keeps_as_much_of_the_stream_as_it_is_told_to(tiny_bundle: Path, clips: Path) -> None:
    words = ["ask", str(clips / "car-detection.mp4"), QUESTION, "--at", "8", "--bundle", str(tiny_bundle)]
    few, many = (
        json.loads(magno(*words, "--budget-tokens", tokens, "--json").stdout) for tokens in ("160", "900")
    )
    assert 0 < few["visual_tokens"] < 160 < many["visual_tokens"]
    done = magno(*words, "--budget-tokens", "20")
    assert done.returncode == 2 and "budget_tokens wants" in done.stderr


@pytest.mark.parametrize(
    ("clip", "question", "more", "says"),
    [
        ("nowhere.mp4", QUESTION, [], "no such file"),
        ("PROVENANCE.md", QUESTION, [], "Wanted a video file"),
        ("car-detection.mp4", "", [], "wants text"),
        ("car-detection.mp4", QUESTION, ["--deadline-ms", "0"], "deadline"),
        ("car-detection.mp4", QUESTION, ["--deadline-ms", "-3"], "deadline"),
        ("car-detection.mp4", QUESTION, ["--at", "-1"], "0 s or more"),
        ("car-detection.mp4", QUESTION, ["--bundle", "no/bundle"], "magno export"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    tiny_bundle: Path, clips: Path, clip: str, question: str, more: list[str], says: str
) -> None:
    words = ["ask", str(clips / clip), question, "--at", "0.5", "--bundle", str(tiny_bundle), *more]
    for flags in ([], ["--json"]):
        done = magno(*words, *flags)
        assert done.returncode == 2
        assert says in done.stderr and "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        if flags:
            answer = json.loads(done.stdout)
            assert set(answer) == KEYS
            assert answer["outcome"] == "failed" and says in answer["error"]


def test_a_deadline_that_cannot_be_met_is_refused(tiny_bundle: Path, clips: Path) -> None:
    clip = str(clips / "car-detection.mp4")
    words = [
        "ask",
        clip,
        QUESTION,
        "--at",
        "0.5",
        "--bundle",
        str(tiny_bundle),
        "--deadline-ms",
        "1",
        "--json",
    ]
    done = magno(*words)
    assert done.returncode == 3
    assert json.loads(done.stdout)["outcome"] == "refused"


def test_a_damaged_bundle_is_refused(tiny_bundle: Path, clips: Path, tmp_path: Path) -> None:
    broken = tmp_path / "bundle"
    broken.mkdir()
    for file in tiny_bundle.iterdir():
        if file.is_file():
            (broken / file.name).write_bytes(file.read_bytes())
    weights = bytearray((broken / "delta.onnx").read_bytes())
    weights[len(weights) // 2] ^= 1
    (broken / "delta.onnx").write_bytes(weights)
    done = magno("ask", str(clips / "car-detection.mp4"), QUESTION, "--at", "1", "--bundle", str(broken))
    assert done.returncode == 2
    assert "delta.onnx" in done.stderr and "sha256" in done.stderr


def test_a_codec_without_vectors_is_refused_and_keyframes_offered(tiny_bundle: Path, tmp_path: Path) -> None:
    import av
    import numpy as np

    if "libx265" not in av.codecs_available:
        pytest.skip("this PyAV has no HEVC encoder")
    clip = tmp_path / "hevc.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx265", rate=10)
        stream.width = stream.height = 128
        stream.pix_fmt = "yuv420p"
        for index in range(10):
            picture = np.full((128, 128, 3), 20 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    refused = magno("ask", str(clip), QUESTION, "--bundle", str(tiny_bundle))
    assert refused.returncode == 2
    assert "hevc" in refused.stderr and "--keyframes-only" in refused.stderr
    answered = magno("ask", str(clip), QUESTION, "--bundle", str(tiny_bundle), "--keyframes-only", "--json")
    assert answered.returncode == 0
    assert json.loads(answered.stdout)["visual_tokens"] > 0


@pytest.mark.parametrize(
    ("flags", "says"), [(["--question", ""], "wants text"), (["--repeats", "0"], "1 repeat or more")]
)
def test_a_bench_of_nothing_says_so(tiny_bundle: Path, clips: Path, flags: list[str], says: str) -> None:
    clip = str(clips / "car-detection.mp4")
    done = magno("bench", "ttft", "--bundle", str(tiny_bundle), "--clip", clip, "--at", "0.5", *flags)
    assert done.returncode == 2
    assert says in done.stderr and "Traceback" not in done.stderr
