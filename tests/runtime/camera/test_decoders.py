"""Which decoder a request gets, as a reader process would."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from magno.runtime.camera.decoders import DECODERS, open_decoder
from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.request import DECODERS as NAMES
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.camera.sources import open_source
from magno.runtime.clock import ReplayClock
from magno.runtime.config import EngineConfig
from magno.runtime.spec import SpecError


def test_every_name_is_in_the_table() -> None:
    assert tuple(DECODERS) == NAMES


def test_the_software_decoder_is_the_default(clips: Path) -> None:
    request = CameraRequest(str(clips / "bunny_h264.mp4"), 32, "fast")
    source = open_source(request, ReplayClock())
    try:
        assert isinstance(open_decoder(source, request), Decoder)
    finally:
        source.close()


def test_other_names_are_refused() -> None:
    with pytest.raises(CameraError, match="decoder wants one of ffmpeg, nvdec, found 'cuda'"):
        CameraRequest("clip.mp4", 32, decoder="cuda")
    with pytest.raises(SpecError, match="decoder wants one of"):
        EngineConfig("bundle", decoder="cuda")


def test_nvdec_without_its_library_ends_the_reader_with_one_sentence(clips: Path) -> None:
    request = CameraRequest(str(clips / "bunny_h264.mp4"), 32, "fast", decoder="nvdec")
    with CameraReader(request) as reader, pytest.raises(CameraError, match="use --decoder ffmpeg"):
        reader.opened()


def test_nvdec_that_is_not_calibrated_names_the_command(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own, with the stand-in of its library and of the driver's files."""
    stand_in = Path(__file__).parent / "nvdec_stand_in"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(stand_in), *sys.path]))
    monkeypatch.setenv("MAGNO_STATE", str(tmp_path))
    request = CameraRequest(str(clips / "bunny_h264.mp4"), 32, "fast", decoder="nvdec")
    with CameraReader(request) as reader, pytest.raises(CameraError) as caught:
        reader.opened()
    assert "NVIDIA driver" in str(caught.value) or "magno inspect --conformance nvdec" in str(caught.value)
