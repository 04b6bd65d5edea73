"""Raw H.264 as a camera: the same pictures at the same times as out of a container, and losses told."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from magno.runtime.camera.annexb import AnnexBSource
from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.camera.sources import kind_of, open_source
from magno.runtime.clock import NS_PER_S, ReplayClock
from magno.runtime.units import AccessUnit, CodecFrame, Link
from tests import synthetic


def raw(units: Sequence[AccessUnit]) -> bytes:
    return b"".join(unit.data for unit in units)


def frames_of(source: AnnexBSource) -> list[CodecFrame]:
    decoder = Decoder(source.codec, source.extradata, 16)
    return [frame for unit in source.units() for frame in decoder.decode(unit)] + decoder.flush()


def opened(data: bytes, **wanted: object) -> AnnexBSource:
    request = CameraRequest("-", 16, "fast", **wanted)  # type: ignore[arg-type]
    return AnnexBSource(request, ReplayClock(), io.BytesIO(data))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def plain() -> list[AccessUnit]:
    """30 pictures, an IDR every 10."""
    return synthetic.encode(synthetic.panned((64, 48), (2, 0), 30), gop=10)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("-", "annexb"),
        ("a.h264", "annexb"),
        ("file://a/b.264", "annexb"),
        ("A.H264", "annexb"),
        ("a.mp4", "file"),
        ("units://", "units"),
        ("rtsp://a.h264", "rtsp"),
    ],
)
def test_which_source_reads_what(url: str, kind: str) -> None:
    assert kind_of(url) == kind


def test_real_clip_gives_what_its_container_gives(clips: Path, tmp_path: Path) -> None:
    clip, path = str(clips / "bottle-detection.mp4"), tmp_path / "raw.h264"
    with av.open(clip) as container, path.open("wb") as file:
        stream = container.streams.video[0]
        annexb = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        for packet in itertools.islice(container.demux(stream), 120):
            for out in annexb.filter(packet):
                file.write(bytes(out))
    source = open_source(CameraRequest(str(path), 16, "fast", rate=float(Fraction(179, 6))), ReplayClock())
    assert (source.codec, source.size, source.container) == ("h264", (640, 360), "h264")
    found = frames_of(source)  # type: ignore[arg-type]
    source.close()
    reference = open_source(CameraRequest(clip, 16, "fast"), ReplayClock())
    decoder = Decoder(reference.codec, reference.extradata, 16)
    units = itertools.islice(reference.units(), 120)
    expected = [frame for unit in units for frame in decoder.decode(unit)] + decoder.flush()
    reference.close()
    assert len(found) == len(expected) == 120
    for one, other in zip(found, expected, strict=True):
        assert one.pict_type == other.pict_type and abs(one.pts_ns - other.pts_ns) < 1_000_000
        assert one.motion is not None and other.motion is not None and one.motion.link is other.motion.link
        assert (one.motion.mv_qpel == other.motion.mv_qpel).all() and (one.picture == other.picture).all()


def test_time_is_the_streams_rate_or_the_one_asked_for(plain: list[AccessUnit]) -> None:
    for rate, step_ns in ((None, synthetic.PICTURE_NS), (10.0, NS_PER_S // 10)):
        source = opened(raw(plain), rate=rate)
        assert source.rate == NS_PER_S / step_ns
        assert [unit.pts_ns for unit in source.units()] == [index * step_ns for index in range(30)]


def test_live_pace_and_loop(plain: list[AccessUnit], tmp_path: Path) -> None:
    path = tmp_path / "clip.264"
    path.write_bytes(raw(plain))
    source = open_source(CameraRequest(str(path), 16, loop=True), ReplayClock(5))
    units = list(itertools.islice(source.units(), 70))
    source.close()
    assert [unit.pts_ns for unit in units] == [index * synthetic.PICTURE_NS for index in range(70)]
    assert all(unit.capture_ns == 5 + unit.pts_ns for unit in units)


def test_until(plain: list[AccessUnit]) -> None:
    assert len(list(opened(raw(plain), until_s=0.4).units())) == 11


def test_begins_at_the_first_idr_picture(plain: list[AccessUnit]) -> None:
    units = list(opened(raw(plain[:1])[:40] + raw(plain[3:])).units())
    assert [unit.pts_ns for unit in units] == [index * synthetic.PICTURE_NS for index in range(20)]
    assert [unit.is_key for unit in units] == [index % 10 == 0 for index in range(20)]


def test_begins_at_a_recovery_point(plain: list[AccessUnit]) -> None:
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 64, 48, "yuv420p"
    context.framerate, context.time_base = Fraction(25), Fraction(1, 25)
    context.options = {"tune": "zerolatency", "x264-params": "intra-refresh=1:keyint=8:bframes=0"}
    packets = []
    for index, image in enumerate(synthetic.panned((64, 48), (1, 0), 40)):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts = index
        packets += [bytes(packet) for packet in context.encode(frame)]
    units = list(opened(b"".join(packets)).units())
    refresh = [index for index, unit in enumerate(units) if unit.is_key][1]
    sets = packets[0][: packets[0].index(b"\0\0\1\x65") - 1]
    source = opened(sets + b"".join(packets[refresh - 2 :]))
    assert len(list(source.units())) == 40 - refresh
    assert frames_of(opened(sets + b"".join(packets[refresh - 2 :])))  # decoding goes on from there


def test_missing_pictures_break_the_chain_until_the_next_idr(plain: list[AccessUnit]) -> None:
    frames = frames_of(opened(raw([*plain[:13], *plain[15:]])))
    links = [frame.motion.link for frame in frames if frame.motion]
    assert links[10:13] == [Link.RESET, Link.OK, Link.OK]
    assert links[13:18] == [Link.BROKEN] * 5 and links[18] is Link.RESET and links[19] is Link.OK
    assert [frame.pts_ns // synthetic.PICTURE_NS for frame in frames] == [*range(13), *range(15, 30)]


@pytest.mark.parametrize(
    "data", [b"", b"hello", bytes(5000), b"\0\0\1\x41\x88" * 50, b"\0\0\0\1\x40\x01\x0c"]
)
def test_stream_without_h264_is_refused(data: bytes) -> None:
    with pytest.raises(CameraError, match="found none"):
        opened(data)


def test_interlaced_stream_is_refused_by_name() -> None:
    context = av.CodecContext.create("libx264", "w")
    context.width = context.height = 64
    context.pix_fmt, context.framerate, context.time_base = "yuv420p", Fraction(25), Fraction(1, 25)
    context.options = {"x264-params": "interlaced=1"}
    data = context.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24"))
    with pytest.raises(CameraError, match="interlaced"):
        frames_of(opened(b"".join(bytes(packet) for packet in [*data, *context.encode(None)])))


def test_what_is_no_file_and_what_cannot_loop(tmp_path: Path) -> None:
    for url, says in ((tmp_path / "none.h264", "no such file"), (f"{tmp_path}/x.264", "a folder")):
        if says == "a folder":
            Path(url).mkdir()
        with pytest.raises(CameraError, match=says):
            open_source(CameraRequest(str(url), 16), ReplayClock())
    with pytest.raises(CameraError, match="standard input"):
        open_source(CameraRequest("-", 16, loop=True), ReplayClock())
    for rate in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(CameraError, match="A rate wants"):
            CameraRequest("-", 16, rate=rate)


def test_standard_input_reaches_the_reader_process(plain: list[AccessUnit]) -> None:
    words = [sys.executable, "-m", "magno.cli", "inspect", "-"]
    done = subprocess.run(words, input=raw(plain), capture_output=True, timeout=60)
    said = done.stdout.decode()
    assert done.returncode == 0 and done.stderr == b""
    assert "30 in 1.16 s: 3 I, 27 P" in said and "IPPPPPPPPPI" in said and "64x48" in said
    empty = subprocess.run(words, input=b"", capture_output=True, timeout=60)
    assert empty.returncode == 2 and len(empty.stderr.splitlines()) == 1
