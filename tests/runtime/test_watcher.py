"""A camera's thread and process: whatever comes between, none is left running and nobody waits for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from magno.calibration.rtsp.server import RtspServer, clip_from_file
from magno.runtime.bundle import Bundle, open_bundle
from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.process.unit_queue import UnitQueue
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.clock import WallClock
from magno.runtime.encoder import Encoder, open_encoder
from magno.runtime.inbox import INBOX_ITEMS
from magno.runtime.units import Encoded, SpanKind
from magno.runtime.watcher import Watcher
from tests.waiting import happens

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return open_bundle(tiny_bundle)


@pytest.fixture(scope="module")
def encoder(bundle: Bundle) -> Iterator[Encoder]:
    with open_encoder(bundle) as encoder:
        yield encoder


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[CameraReader]:
    """Every reader that a watcher starts, as it is."""
    started: list[CameraReader] = []
    begin = CameraReader.__init__

    def remember(reader: CameraReader, request: CameraRequest, units: UnitQueue | None = None) -> None:
        begin(reader, request, units)
        started.append(reader)

    monkeypatch.setattr(CameraReader, "__init__", remember)
    return started


Park = Callable[..., Watcher]


@pytest.fixture
def park(bundle: Bundle, encoder: Encoder, clips: Path) -> Park:
    """Makes watchers of the car park."""

    def watcher(wake: Callable[[], None] = lambda: None, **more: object) -> Watcher:
        codec = bundle.spec.codec
        request = CameraRequest(str(clips / "car-detection.mp4"), codec.image_px, **more)  # type: ignore[arg-type]
        return Watcher("park", request, encoder, bundle.spec, WallClock(), wake)

    return watcher


def _all_ended(readers: list[CameraReader]) -> bool:
    return all(reader._process.returncode is not None and reader._pipe._descriptor < 0 for reader in readers)


def test_closed_before_it_was_opened(park: Park, readers: list[CameraReader]) -> None:
    watcher = park(loop=True)
    watcher.close()
    with pytest.raises(CameraError, match="closed"):
        watcher.open()
    assert len(readers) == 1 and _all_ended(readers)


def test_closed_just_before_its_thread_begins(
    park: Park, readers: list[CameraReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = park(loop=True)
    start = watcher._thread.start

    def close_first() -> None:
        watcher.close()
        start()

    monkeypatch.setattr(watcher._thread, "start", close_first)
    with pytest.raises(CameraError, match="closed"):
        watcher.open()
    assert len(readers) == 1 and _all_ended(readers)


def test_closed_while_a_new_reader_starts(
    park: Park, readers: list[CameraReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = park(loop=True)
    watcher.open()
    begin, starting, closing = CameraReader.__init__, threading.Event(), threading.Event()

    def start_late(reader: CameraReader, request: CameraRequest, units: UnitQueue | None = None) -> None:
        starting.set()
        assert closing.wait(PATIENCE_S)
        begin(reader, request, units)

    monkeypatch.setattr(CameraReader, "__init__", start_late)
    readers[0].kill()
    assert starting.wait(PATIENCE_S)
    closer = threading.Thread(target=watcher.close)
    closer.start()
    assert watcher._stopping.wait(PATIENCE_S)
    threading.Event().wait(0.05)  # close has killed the reader that it knows of
    closing.set()
    closer.join(PATIENCE_S)
    assert not closer.is_alive()
    assert len(readers) == 2 and _all_ended(readers)


def test_a_machine_without_room_for_a_process_is_tried_again(
    park: Park, readers: list[CameraReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = park(loop=True)
    watcher.open()
    popen, refused = subprocess.Popen, threading.Event()

    def refuse_once(*args: object, **more: object) -> object:
        if not refused.is_set():
            refused.set()
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return popen(*args, **more)  # type: ignore[call-overload]

    monkeypatch.setattr("magno.runtime.camera.process.reader.subprocess.Popen", refuse_once)
    readers[0].kill()
    assert happens(lambda: len(readers) == 2 and watcher.status(None).state == "streaming")
    assert refused.is_set()
    watcher.close()
    assert _all_ended(readers)


def test_no_room_for_a_process_is_told_in_one_sentence(park: Park, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("magno.runtime.camera.process.reader.subprocess.Popen", refuse)
    with pytest.raises(CameraError, match="reader process"):
        park().open()


def test_the_last_wake_finds_it_finished(park: Park) -> None:
    found: list[bool] = []
    watcher = park(lambda: found.append(watcher.finished), until_s=0.0)
    watcher.open()
    watcher._thread.join(PATIENCE_S)
    assert not watcher.finished  # nobody took the keyframe
    assert watcher.inbox.first() is not None
    watcher.inbox.take()
    assert watcher.finished
    found.clear()
    empty = park(lambda: found.append(empty.finished), until_s=0.0)
    empty.inbox.close()
    empty.open()
    empty._thread.join(PATIENCE_S)
    assert found and found[-1]


def test_a_full_inbox_costs_no_encoding(park: Park, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = park(until_s=2.0)
    encoded: list[object] = []
    encode = watcher._encode
    monkeypatch.setattr(watcher, "_encode", lambda item: (encoded.append(item), encode(item))[1])
    watcher.open()
    watcher._thread.join(PATIENCE_S)
    assert (len(watcher.inbox), len(encoded)) == (INBOX_ITEMS, INBOX_ITEMS)
    assert watcher.pictures_dropped > 0


def test_an_absent_camera_is_a_state_and_comes_back(
    bundle: Bundle,
    encoder: Encoder,
    clips: Path,
    readers: list[CameraReader],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("magno.runtime.watcher.PRESENT_S", 20.0)
    server = RtspServer(clip_from_file(str(clips / "car-detection.mp4"), 25))
    with server:
        pass  # it has a port by now, and is gone
    request = CameraRequest(server.url, bundle.spec.codec.image_px)
    watcher = Watcher("front", request, encoder, bundle.spec, WallClock(), lambda: None)
    watcher.open()
    try:
        absent = watcher.status(None)
        assert absent.state == "lost" and absent.error.startswith("Wanted a camera at rtsp://127.0.0.1")
        for times in (0, 1):
            with server:
                assert happens(lambda: _is_streaming(watcher))
                assert watcher.status(None).reconnects == times
            assert happens(lambda: watcher.status(None).state == "lost")
        assert len(readers) == 1 and watcher.status(None).restarts == 0
    finally:
        watcher.close()
    assert _all_ended(readers)


@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGSTOP])
def test_a_reader_that_dies_or_falls_silent_is_replaced(
    park: Park, readers: list[CameraReader], ended_by: signal.Signals
) -> None:
    watcher = park(loop=True)
    watcher.open()
    try:
        assert happens(lambda: _is_streaming(watcher))
        os.kill(readers[0].pid, ended_by)
        assert happens(lambda: watcher.status(None).restarts == 1 and _is_streaming(watcher))
        assert len(readers) == 2 and _all_ended(readers[:1])
        keyframes = [item for item in _taken(watcher) if item.kind is SpanKind.KEYFRAME]
        assert len(keyframes) == 2  # the chain was broken
        assert keyframes[0].pts_ns == 0 < keyframes[1].pts_ns  # and time goes on
    finally:
        watcher.close()


def _is_streaming(watcher: Watcher) -> bool:
    status = watcher.status(None)
    return status.state == "streaming" and status.pictures_per_second > 0


def _taken(watcher: Watcher) -> Iterator[Encoded]:
    while (item := watcher.inbox.first()) is not None:
        watcher.inbox.take()
        yield item
