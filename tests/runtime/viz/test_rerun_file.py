"""`magno watch --rerun`: what is in the file, read back with Rerun's own library."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from magno.runtime.clock import WallClock
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import CodecFrame, Outcome, Query
from magno.runtime.viz.arrows import LENGTH_PICTURES, MOST, arrows_of
from magno.runtime.viz.recorder import Recorder, RecordingError
from magno.runtime.viz.tap import Tap

rr = pytest.importorskip(
    "rerun", reason="rerun-sdk is not installed (120 MB with pyarrow): pip install 'magno[viz]'"
)
from magno.runtime.viz.rerun_file import RerunFile  # noqa: E402

PATIENCE_S = 60.0
QUESTION = "Which way is the car moving?"
UNTIL_S = 8.0
Columns = dict[str, dict[int, list]]  # of a component: by time in nanoseconds
ROOM = 10**9


def columns(path: Path) -> Columns:
    """Every component of the file's recording, where it was logged."""
    (recording,) = rr.dataframe.load_archive(path).all_recordings()
    table = recording.view(index="stream", contents="/**").select().read_all()
    times = table["stream"].cast("int64").to_pylist()
    names = [name for name in table.column_names if name.startswith("/")]
    return {
        name: {at: told for at, told in zip(times, table[name].to_pylist(), strict=True) if told is not None}
        for name in names
    }


@pytest.fixture(scope="module")
def seen() -> list[CodecFrame]:
    """The pictures that were recorded."""
    return []


@pytest.fixture(scope="module")
def recorded(
    tiny_bundle: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory, seen: list[CodecFrame]
) -> Columns:
    """Eight seconds of a real clip, and a question."""
    path = tmp_path_factory.mktemp("recorded") / "car.rrd"
    config = EngineConfig(str(tiny_bundle), threads=1, max_cameras=1, budget_tokens=120)
    with Recorder(RerunFile(path, ROOM), pictures=1000, others=100_000) as recorder:
        tap = Keeping(recorder, WallClock())
        tap.frames = seen
        with Engine.open(config, tracer=tap) as engine:
            tap.budget_tokens = engine.config.budget_tokens
            clip = str(clips / "car-detection.mp4")
            engine.watch("camera", clip, pace="fast", until_s=UNTIL_S, gate=tap)
            assert engine.wait_ended("camera", PATIENCE_S)
            asked_ns = tap.asked(QUESTION)
            answer = engine.ask(Query(QUESTION, "camera", 30_000.0))
            tap.answered(QUESTION, answer, asked_ns)
    assert (recorder.error, recorder.dropped) == ("", 0)
    assert answer.outcome is Outcome.COMPLETE
    return columns(path)


class Keeping(Tap):
    """Remembers what passed it."""

    frames: list[CodecFrame]

    def before(self, frame: CodecFrame) -> CodecFrame:
        self.frames.append(frame)
        return super().before(frame)


def picture(recorded: Columns, at_ns: int) -> np.ndarray:
    from PIL import Image

    (blob,) = recorded["/camera/picture:Blob"][at_ns]
    return np.asarray(Image.open(io.BytesIO(bytes(blob))).convert("L"), np.float32)


def test_every_picture_is_in_it_at_its_own_time(recorded: Columns) -> None:
    assert sorted(recorded["/camera/picture:Blob"]) == [number * 80_000_000 for number in range(101)]
    assert picture(recorded, 0).shape == (180, 320)


def test_the_arrows_are_the_vectors_that_the_camera_gave(recorded: Columns, seen: list[CodecFrame]) -> None:
    begins, points = recorded["/camera/motion:Position2D"], recorded["/camera/motion:Vector2D"]
    for frame in seen:
        assert frame.motion is not None and len(points[frame.pts_ns]) <= MOST
        wanted = arrows_of(frame.motion, frame.size, (320, 180))
        for found, each in zip((begins, points), wanted, strict=True):
            np.testing.assert_allclose(np.reshape(found[frame.pts_ns], (-1, 2)), each)
    assert max(map(len, points.values())) > 20


def test_the_arrows_point_as_things_move_in_the_pictures(recorded: Columns) -> None:
    """A piece of a picture is found in the picture before where its arrow comes from, not where it points."""
    right = wrong = 0
    for before_ns, at_ns in pairwise(sorted(recorded["/camera/picture:Blob"])):
        before, now = picture(recorded, before_ns), picture(recorded, at_ns)
        begins, points = (recorded[f"/camera/motion:{name}2D"][at_ns] for name in ("Position", "Vector"))
        for begin, point in zip(begins, points, strict=True):
            x, y = np.rint(begin).astype(int)
            dx, dy = np.rint(np.array(point) / LENGTH_PICTURES).astype(int)
            piece = piece_of(now, x, y)
            back, on = piece_of(before, x - dx, y - dy), piece_of(before, x + dx, y + dy)
            if (dx or dy) and piece.std() > 10 and piece.shape == back.shape == on.shape == (17, 17):
                came, went = (float(np.abs(piece - other).mean()) for other in (back, on))
                right, wrong = right + (came < went), wrong + (came >= went)
    assert right > 100 and right > 5 * wrong, (right, wrong)


def piece_of(picture: np.ndarray, x: int, y: int) -> np.ndarray:
    return picture[max(0, y - 8) : y + 9, max(0, x - 8) : x + 9]


def test_the_tokens_add_up_to_what_the_cache_holds(recorded: Columns) -> None:
    used = {at: value for at, (value,) in recorded["/cache/used_tokens:Scalar"].items()}
    keyframes, windows = (recorded[f"/tokens/{kind}:Scalar"] for kind in ("keyframe", "window"))
    evicted = {at: value for at, (value,) in recorded["/tokens/evicted:Scalar"].items()}
    assert set(used) == {*keyframes, *windows} and len(evicted) > 3
    for before, at in pairwise(sorted(set(used) - set(keyframes))):
        if not any(before < between <= at for between in keyframes):
            assert used[at] == used[before] + windows[at][0] - evicted.get(at, 0)
    assert max(used.values()) <= 120 == recorded["/cache/budget_tokens:Scalar"][0][0]


def test_words_tell_of_keyframes_windows_and_what_left(recorded: Columns) -> None:
    said = [text for (text,) in recorded["/stream:Text"].values()]
    for beginning in ("keyframe, GOP 0", "window, GOP 0", "evicted: "):
        assert any(text.startswith(beginning) for text in said), beginning


def test_the_question_and_its_answer_are_in_it(recorded: Columns) -> None:
    (asked_ns, (asked,)), (answered_ns, (answered,)) = sorted(recorded["/questions:Text"].items())
    assert asked == f"? {QUESTION}" and answered.startswith(f"{QUESTION} -> ") and "complete in" in answered
    assert UNTIL_S * 1e9 <= asked_ns < answered_ns
    assert answered_ns in recorded["/answers/first_token_ms:Scalar"]


def watch(
    bundle: Path, clip: Path, *more: str, most_file_bytes: int | None = None
) -> list[dict[str, object]]:
    """What `magno watch` of a clip to its end prints."""

    def limit() -> None:
        if most_file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_file_bytes, most_file_bytes))

    words = [sys.executable, "-m", "magno.cli", "watch", str(clip), "--bundle", str(bundle), "--json", *more]
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, preexec_fn=limit
    )
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
        return [{"error": done.stderr}]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def short_clip(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds, since a clip is watched at its own pace."""
    import av

    short = tmp_path_factory.mktemp("short") / "short.mp4"
    with av.open(str(clips / "car-detection.mp4")) as source, av.open(str(short), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None and packet.dts * packet.time_base < 3:
                packet.stream = stream
                out.mux(packet)
    return short


def test_watch_records_and_says_so(tiny_bundle: Path, short_clip: Path, tmp_path: Path) -> None:
    *_, last = watch(tiny_bundle, short_clip, "--rerun", str(tmp_path / "short.rrd"))
    assert (last["dropped"], last["error"]) == (0, "")
    assert len(columns(tmp_path / "short.rrd")["/camera/picture:Blob"]) == last["pictures"] == 38


def test_a_disk_that_takes_no_more_ends_the_recording_and_not_the_watching(
    tiny_bundle: Path, short_clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "short.rrd"
    *_, ended, last = watch(tiny_bundle, short_clip, "--rerun", str(path), most_file_bytes=200_000)
    assert ended["pictures_received"] == 38 and ended["pictures_dropped"] == 0
    assert "Make room" in str(last["error"]) and last["dropped"] and path.stat().st_size <= 200_000
    assert columns(path)["/camera/picture:Blob"]


def test_a_file_that_is_full_ends_the_recording(
    tmp_path: Path, seen: list[CodecFrame], recorded: Columns
) -> None:
    from magno.runtime.viz.items import Shown

    with Recorder(RerunFile(tmp_path / "full.rrd", 100_000), pictures=1000) as recorder:
        for frame in seen:
            recorder.put(Shown(frame))
    assert "--rerun-mb" in recorder.error and recorder.pictures + recorder.dropped >= len(seen) - 16
    assert 100_000 <= (tmp_path / "full.rrd").stat().st_size < 1_000_000
    assert columns(tmp_path / "full.rrd")["/camera/picture:Blob"]


def test_a_place_that_cannot_be_written_is_a_sentence(
    tiny_bundle: Path, short_clip: Path, tmp_path: Path
) -> None:
    (told,) = watch(tiny_bundle, short_clip, "--rerun", str(tmp_path / "none" / "short.rrd"))
    assert "No such file" in str(told["error"])
    with pytest.raises(RecordingError, match="Choose another place"):
        RerunFile(tmp_path, ROOM)


COUNT_SOCKETS = """
import os, sys
from pathlib import Path
from magno.runtime.viz.items import Note
from magno.runtime.viz.rerun_file import RerunFile

file = RerunFile(Path(sys.argv[1]), 10**9)
file.write(Note(0, "stream", "x"))
held = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
print(sum(os.readlink(each).startswith("socket") for each in held if os.path.lexists(each)))
file.close()
"""


def test_nothing_listens(tmp_path: Path) -> None:
    """A recording opens no socket."""
    words = [sys.executable, "-c", COUNT_SOCKETS, str(tmp_path / "x.rrd")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "0", done.stderr
