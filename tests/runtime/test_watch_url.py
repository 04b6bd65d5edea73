"""Cameras behind urls as the engine watches them: absent ones are a state, impossible ones an error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from magno.calibration.rtsp.server import RtspServer, clip_from_file
from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import Outcome, Query
from tests.waiting import happens


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> Iterator[Engine]:
    with Engine.open(EngineConfig(bundle=str(tiny_bundle))) as engine:
        yield engine


def test_an_absent_camera_is_watched_until_it_is_there(engine: Engine, clips: Path) -> None:
    server = RtspServer(clip_from_file(str(clips / "car-detection.mp4"), 25))
    with server:
        pass  # it has a port by now, and is gone
    engine.watch("front", server.url)
    assert engine.status()["front"].state in ("opening", "lost")
    assert engine.ask(Query("What moves?", "front")).outcome is Outcome.REFUSED
    with server:
        assert happens(lambda: engine.status()["front"].cached_tokens > 0)
        assert engine.status()["front"].state == "streaming"
        assert engine.ask(Query("What moves?", "front", 10_000)).visual_tokens > 0
    assert happens(lambda: engine.status()["front"].state == "lost")
    assert "Wanted rtsp://127.0.0.1" in engine.status()["front"].error
    assert (
        engine.ask(Query("What moved?", "front", 10_000)).visual_tokens > 0
    )  # what was seen can be asked about
    engine.unwatch("front")


@pytest.mark.parametrize("url", ["gopher://camera", "none.mp4", "file://none.mp4", "rtspx://camera/1"])
def test_what_can_never_be_there_is_an_error(engine: Engine, url: str) -> None:
    with pytest.raises(CameraError):
        engine.watch("front", url)
    assert "front" not in engine.status()


def test_a_picture_does_not_wait_for_the_next(clips: Path) -> None:
    """The second would come when the reader has long given up a silent camera."""
    clip = clip_from_file(str(clips / "car-detection.mp4"), 2)
    with (
        RtspServer(type(clip)(clip.units, 0.01)) as server,
        CameraReader(CameraRequest(server.url, 16)) as reader,
    ):
        reader.opened()
        frame = next(reader.frames())
        assert (frame.sequence, frame.pts_ns, frame.pict_type) == (0, 0, "I")
