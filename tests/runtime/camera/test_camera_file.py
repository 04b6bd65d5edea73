"""A file as a camera: what is refused, and when each picture is due."""

from __future__ import annotations

import dataclasses
import itertools
import wave
from pathlib import Path

import pytest

from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.camera.sources import open_source
from magno.runtime.clock import NS_PER_S, ReplayClock
from magno.runtime.units import AccessUnit
from magno.training.clips import write_clip
from magno.training.codec_settings import FPS, CodecSettings
from tests import synthetic


def units_of(request: CameraRequest, clock: ReplayClock | None = None) -> list[AccessUnit]:
    source = open_source(request, clock or ReplayClock())
    try:
        return list(source.units())
    finally:
        source.close()


def refusal(url: str | Path) -> str:
    with pytest.raises(CameraError) as caught:
        units_of(CameraRequest(str(url), 16, pace="fast"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "short: 1.mp4"
    write_clip(path, synthetic.panned((64, 64), (2, 0), 6), CodecSettings())
    return path


def test_no_such_file(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.mp4")


def test_folder(tmp_path: Path) -> None:
    assert "a folder" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "/dev/null", ""])
def test_name_that_is_no_files(name: str) -> None:
    assert "Wanted a video file" in refusal(name)


@pytest.mark.parametrize("content", [b"", b"hello, I am a text\n" * 50, bytes(4096)])
def test_file_that_is_no_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    assert "found something else" in refusal(path)


def test_sound_without_pictures(tmp_path: Path, clips: Path) -> None:
    path = tmp_path / "tone.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    assert "Name a file" in refusal(path)


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.98])
def test_truncated_mp4(tmp_path: Path, clips: Path, kept: float) -> None:
    whole = (clips / "bunny_h264.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert str(path) in refusal(path)


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{clip}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{clip}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5000 RTP/AVP 96\n",
    ],
)
def test_playlist_may_not_name_another_file(tmp_path: Path, clips: Path, text: str) -> None:
    for suffix in (".m3u8", ".ffconcat", ".sdp", ".mp4"):
        path = tmp_path / f"list{suffix}"
        path.write_text(text.format(clip=clips / "bunny_h264.mp4"))
        assert "found something else" in refusal(path)


def test_url_of_another_kind_is_refused() -> None:
    assert "found gopher://" in refusal("gopher://camera/stream")


def test_file_url_and_a_name_with_a_colon(short_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(units_of(CameraRequest(f"file://{short_clip}", 16, pace="fast"))) == 6
    monkeypatch.chdir(short_clip.parent)
    assert len(units_of(CameraRequest(short_clip.name, 16, pace="fast"))) == 6


def test_says_what_it_is(clips: Path) -> None:
    source = open_source(CameraRequest(str(clips / "car-detection.mp4"), 16), ReplayClock())
    assert (source.codec, source.size, source.rate) == ("h264", (768, 432), 12.5)
    source.close()


def test_until_gives_the_pictures_up_to_a_time(short_clip: Path) -> None:
    for until_s, pictures in ((0.0, 1), (2 / FPS, 3), (0.19, 3), (99.0, 6)):
        request = CameraRequest(str(short_clip), 16, pace="fast", until_s=until_s)
        assert len(units_of(request)) == pictures


def test_until_cuts_no_reference_of_a_b_picture(clips: Path) -> None:
    request = CameraRequest(str(clips / "bottle-detection.mp4"), 16, pace="fast", until_s=2.0)
    units, decoder = units_of(request), Decoder("h264", _extradata(request), 16)
    frames = [frame for unit in units for frame in decoder.decode(unit)] + decoder.flush()
    assert decoder.errors == 0
    shown = [frame.pts_ns for frame in frames if frame.pts_ns <= 2 * NS_PER_S]
    assert len(shown) == 60  # 179/6 a second


def _extradata(request: CameraRequest) -> bytes | None:
    source = open_source(request, ReplayClock())
    source.close()
    return source.extradata


def test_live_pace_gives_each_unit_at_its_time(short_clip: Path) -> None:
    clock = ReplayClock(10 * NS_PER_S)
    units = units_of(CameraRequest(str(short_clip), 16), clock)
    assert [unit.capture_ns - 10 * NS_PER_S for unit in units] == [unit.pts_ns for unit in units]
    assert units[1].pts_ns == pytest.approx(NS_PER_S / FPS, abs=100_000)


def test_fast_pace_does_not_wait(short_clip: Path) -> None:
    clock = ReplayClock(7)
    assert {unit.capture_ns for unit in units_of(CameraRequest(str(short_clip), 16, pace="fast"), clock)} == {
        7
    }


def test_b_pictures_come_in_decode_order_and_on_time(clips: Path) -> None:
    request = CameraRequest(str(clips / "bottle-detection.mp4"), 16, until_s=1.0)
    units = units_of(request, ReplayClock())
    captured = [unit.capture_ns for unit in units]
    assert captured == sorted(captured)
    assert [unit.pts_ns for unit in units] != sorted(unit.pts_ns for unit in units)


def test_loop_goes_on_in_time_and_in_pts(short_clip: Path) -> None:
    clock = ReplayClock()
    source = open_source(CameraRequest(str(short_clip), 16, loop=True), clock)
    units = list(itertools.islice(source.units(), 20))
    source.close()
    steps = {b.pts_ns - a.pts_ns for a, b in itertools.pairwise(units)}
    assert all(abs(step - NS_PER_S / FPS) < 1_000_000 for step in steps)
    assert all(abs(unit.capture_ns - unit.pts_ns) < 1_000_000 for unit in units)
    assert [unit.is_key for unit in units[:13]] == [True, *[False] * 5] * 2 + [True]


def test_a_loop_may_be_fast_where_it_has_an_end(short_clip: Path) -> None:
    pictures = 15  # the clip has six
    request = CameraRequest(str(short_clip), 16, "fast", loop=True, until_s=(pictures - 0.5) / FPS)
    assert len(units_of(request, ReplayClock())) == pictures


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"pace": "slow"}, "pace"),
        ({"until_s": -1.0}, "0 s or more"),
        ({"loop": True, "pace": "fast"}, "never"),
    ],
)
def test_request_that_makes_no_sense_is_refused(change: dict[str, object], word: str) -> None:
    with pytest.raises(CameraError, match=word):
        dataclasses.replace(CameraRequest("clip.mp4", 16), **change)  # type: ignore[arg-type]
