"""Cameras behind a url: a real RTSP server's, ours that loses packets, and servers that mean ill."""

from __future__ import annotations

import socket
import threading
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from magno.calibration.rtsp.rtp import packets
from magno.calibration.rtsp.server import Clip, RtspServer, clip_from_file
from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.network.families import FAMILIES, options_for, without_password
from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.camera.sources import SOURCES, is_live, open_source
from magno.runtime.clock import WallClock
from magno.runtime.units import AccessUnit, CodecFrame, Link
from tests.gstreamer import need_rtsp_server, rtsp_server

PICTURE_PX = 32


def _pictures(url: str, until_s: float) -> list[CodecFrame]:
    with CameraReader(CameraRequest(url, PICTURE_PX, "fast", until_s=until_s)) as reader:
        assert reader.opened().size == (768, 432)
        return list(reader.frames())


def assert_same_pictures(found: list[CodecFrame], wanted: list[CodecFrame]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert (one.sequence, one.pict_type, one.size) == (other.sequence, other.pict_type, other.size)
        assert abs(one.pts_ns - other.pts_ns) < 1_000_000  # 90 kHz
        assert one.motion is not None and other.motion is not None and one.motion.link is other.motion.link
        assert np.array_equal(one.motion.mv_qpel, other.motion.mv_qpel)
        assert np.array_equal(one.motion.mode, other.motion.mode)
        assert np.array_equal(one.picture, other.picture)


def test_vectors_over_rtsp_are_those_of_the_file(clips: Path) -> None:
    need_rtsp_server()
    clip = clips / "car-detection.mp4"
    with rtsp_server(clip) as url:
        assert_same_pictures(_pictures(url, 1.6), _pictures(str(clip), 1.6))


@pytest.mark.parametrize("login", ["basic", "digest"])
def test_a_camera_with_a_password(clips: Path, login: str) -> None:
    need_rtsp_server()
    with rtsp_server(clips / "car-detection.mp4", login) as url:
        known = url.replace("rtsp://", "rtsp://magno:magno@")
        assert len(_pictures(known, 0.2)) == 3
        assert "wants a user and a password" in _refused(url)
        refused = _refused(url.replace("rtsp://", "rtsp://magno:wrong@"))
        assert "401" in refused and "wrong" not in refused


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_clip_of_ours_comes_whole(clips: Path, transport: str) -> None:
    clip = clip_from_file(str(clips / "car-detection.mp4"), 20)
    with RtspServer(Clip(clip.units, 50.0)) as server:
        source = open_source(CameraRequest(server.url, PICTURE_PX, "fast", transport=transport), WallClock())
        assert source.codec == "h264" and source.time_from is TimeFrom.RTP
        units = list(islice(source.units(), len(clip.units)))
        source.close()
    assert all(units[at].data.endswith(clip.units[at][-20:]) for at in range(len(units)))
    assert [round(unit.pts_ns / 2e7) for unit in units] == list(range(len(units)))
    assert all(unit.capture_ns <= after.capture_ns for unit, after in pairwise(units))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_packets_lost_are_told(clips: Path, transport: str) -> None:
    clip = clip_from_file(str(clips / "car-detection.mp4"), 80)
    lost_packets = {60, 157, 254}
    with RtspServer(Clip(clip.units, 100.0), lost_packets.__contains__) as server:
        source = open_source(CameraRequest(server.url, PICTURE_PX, transport=transport), WallClock())
        units = list(islice(source.units(), 70))
        source.close()
    come = sorted({round(unit.pts_ns / 1e7) for unit in units if unit.data})
    next_come = {come[bisect_left(come, number)] for number in _damaged(clip, lost_packets)}
    assert next_come <= _told_as_lost(units)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_nothing_is_sound_after_a_loss(clips: Path, transport: str) -> None:
    clip = clip_from_file(str(clips / "car-detection.mp4"), 80)
    with RtspServer(Clip(clip.units, 100.0), {157}.__contains__) as server:
        request = CameraRequest(server.url, PICTURE_PX, "fast", until_s=0.5, transport=transport)
        with CameraReader(request) as reader:
            reader.opened()
            links = [(round(frame.pts_ns / 1e7), frame.motion) for frame in reader.frames()]
    (first_damaged,) = _damaged(clip, {157})  # the next intra picture is the sixtieth
    assert max(number for number, _ in links) > first_damaged
    for number, motion in links:
        assert motion is not None and (motion.link is Link.BROKEN or number < first_damaged)


def _damaged(clip: Clip, lost_packets: set[int]) -> set[int]:
    """Numbers of the access units that packets are missing of."""
    counts = [sum(1 for _ in packets(unit, 0, 0)) for unit in clip.units]
    ends = np.cumsum(counts)
    return {int(np.searchsorted(ends, number, side="right")) for number in lost_packets}


def _told_as_lost(units: list[AccessUnit]) -> set[int]:
    """Numbers (by time) of the access units just before which something was said to be lost."""
    told: set[int] = set()
    gap = False
    for unit in units:
        if unit.data and gap:
            told.add(round(unit.pts_ns / 1e7))
        gap = not unit.data
    return told


@contextmanager
def _server(reply: bytes, wait: bool = False) -> Iterator[int]:
    """A port where everybody gets this reply, and, perhaps, no end of it."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(reply)
                    over.wait(30 if wait else 0.05)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(30)


def _refused(url: str) -> str:
    with CameraReader(CameraRequest(url, PICTURE_PX, "fast")) as reader, pytest.raises(CameraError) as caught:
        reader.opened()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magno.runtime.camera.network.rtsp_connection.SOCKET_S", 0.3)
    with _server(b"", wait=True) as port, pytest.raises(CameraError, match=r"found none \(silence for 0.3 s"):
        open_source(CameraRequest(f"rtsp://127.0.0.1:{port}/clip", PICTURE_PX), WallClock())


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n",
        b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n" + b"a: b\r\n" * 500,
        b"RTSP/1.0 200 OK\r\na: " + b"b" * 20_000,
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n" + b"$\0\0\0" * 3000,
        b"RTSP/1.0 \xff\xfe 200\r\n\r\n",
        b"$",
    ],
)
def test_an_rtsp_server_that_means_ill_is_told_in_one_sentence(reply: bytes) -> None:
    with _server(reply) as port:
        clock = WallClock()
        with pytest.raises(CameraError, match="found none") as caught:
            open_source(CameraRequest(f"rtsp://me:secret@127.0.0.1:{port}/clip", PICTURE_PX), clock)
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["rtsp://", "rtsp://[", "rtsp://camera:99999/", "rtsp://camera:x/", "http://[", "udp://"]
)
def test_a_url_that_is_none_is_told_in_one_sentence(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magno.runtime.camera.network.url.OPEN_S", 0.5)  # of datagrams from nowhere
    with pytest.raises(CameraError, match="found none"):
        open_source(CameraRequest(url, PICTURE_PX), WallClock())


def test_a_stream_of_another_codec_is_left_to_libavformat() -> None:
    with _server(b"RTSP/1.0 200 OK\r\n\r\n") as port, pytest.raises(CameraError, match="found none"):
        open_source(CameraRequest(f"rtsp://127.0.0.1:{port}/clip", PICTURE_PX), WallClock())


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile {}\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\nm=video 9 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "tcp"])
def test_a_server_cannot_make_us_read_a_file(clips: Path, scheme: str, text: str) -> None:
    body = text.format(f"file://{(clips / 'car-detection.mp4').resolve()}").encode() + bytes(5000)
    head = b"HTTP/1.0 200 OK\r\nContent-Type: application/x-mpegURL\r\n\r\n" if scheme == "http" else b""
    with _server(head + body) as port:
        assert "found none" in _refused(f"{scheme}://127.0.0.1:{port}/list.m3u8")


def test_a_server_cannot_send_us_to_a_file(clips: Path) -> None:
    place = f"file://{(clips / 'car-detection.mp4').resolve()}"
    with _server(f"HTTP/1.0 302 Found\r\nLocation: {place}\r\n\r\n".encode()) as port:
        assert "found none" in _refused(f"http://127.0.0.1:{port}/clip.mp4")


def test_noise_and_a_closed_port_are_told_in_one_sentence() -> None:
    with _server(bytes(range(256)) * 400) as port:
        assert "found none" in _refused(f"tcp://127.0.0.1:{port}")
        assert "found none" in _refused(f"rtsp://127.0.0.1:{port}/clip")
    assert "refused" in _refused(f"rtsp://user:secret@127.0.0.1:{port}/clip").lower()


@pytest.mark.parametrize("scheme", FAMILIES)
def test_every_family_is_a_source_that_touches_no_file(scheme: str) -> None:
    assert SOURCES[scheme].is_live
    options = options_for(scheme, "tcp")
    allowed = options["protocol_whitelist"].split(",") + options["format_whitelist"].split(",")
    assert not {"file", "concat", "data", "pipe", "subfile", "crypto", "hls", "dash", "concatf"} & set(
        allowed
    )
    assert scheme in options["protocol_whitelist"].split(",")


def test_what_is_live() -> None:
    assert is_live(CameraRequest("RTSP://camera/1", 32))
    assert not is_live(CameraRequest("rtsp://camera/1", 32, "fast"))
    assert not is_live(CameraRequest("clip.mp4", 32)) and not is_live(CameraRequest("gopher://camera", 32))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://me:secret@cam:554/a?b=c", "rtsp://...@cam:554/a?b=c"),
        ("rtsp://cam/a", "rtsp://cam/a"),
        ("rtsp://me:se@cret@cam/a", "rtsp://...@cam/a"),
        ("rtsp://[", "rtsp://..."),
        ("clip.mp4", "clip.mp4"),
    ],
)
def test_a_password_is_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_a_transport_that_is_none_is_refused() -> None:
    with pytest.raises(CameraError, match="transport"):
        CameraRequest("rtsp://cam/a", 32, transport="pigeon")
