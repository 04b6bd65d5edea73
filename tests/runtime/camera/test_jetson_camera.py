"""From a camera's url to CodecFrames through the Jetson shim, built against the device of jetson_device."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from magno.runtime.camera.decoders import open_decoder
from magno.runtime.camera.hardware import jetson_camera, jetson_library
from magno.runtime.camera.hardware.calibrated import (
    NEEDED,
    ConformanceRecord,
    Finding,
    VectorConvention,
    write_record,
)
from magno.runtime.camera.hardware.jetson_camera import open_raw
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.camera.sources import is_live, open_source
from magno.runtime.clock import ReplayClock, WallClock
from magno.runtime.conformance import jetson as conformance
from magno.runtime.conformance import vector_tests
from magno.runtime.units import CodecFrame
from tests.runtime.camera.jetson_device import NODE, RELEASE, FakeDevice, build_fake
from tests.runtime.camera.test_gstreamer import why_not

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="wants a C compiler")
GRAPH = "jetson:lavfi:testsrc2=size=98x50:rate=25"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FakeDevice]:
    """The folder that it was built into, and the shim with its device."""
    state = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAGNO_STATE", str(state))
        return state, FakeDevice(build_fake(20))


@pytest.fixture
def device(compiled: tuple[Path, FakeDevice], monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDevice]:
    """This machine as a Jetson whose vectors have the other sign, and are not calibrated."""
    state, built = compiled
    monkeypatch.setenv("MAGNO_STATE", str(state))
    monkeypatch.setattr(jetson_camera, "read_release", lambda: RELEASE)
    monkeypatch.setattr(conformance, "read_release", lambda: RELEASE)
    monkeypatch.setattr(jetson_library, "NODES", (NODE,))
    built.turn(sign=-1)
    yield built
    shutil.rmtree(state / "conformance", ignore_errors=True)
    assert built.open_devices == 0


@pytest.fixture
def gstreamer() -> None:
    if why_not():
        pytest.skip(why_not())


def calibrate(device: FakeDevice) -> None:
    findings = tuple(Finding(name, True) for name in NEEDED)
    write_record(
        ConformanceRecord("jetson", device.built.device, "2026-11-21", VectorConvention(-1, 4), findings)
    )


def read(url: str, until_s: float = 0.3) -> list[CodecFrame]:
    request = CameraRequest(url, 32, "fast", until_s=until_s)
    source = open_source(request, ReplayClock())
    try:
        decoder = open_decoder(source, request)
        return [frame for unit in source.units() for frame in decoder.decode(unit)]
    finally:
        source.close()


def test_a_cameras_pictures_come_with_the_encoders_vectors(device: FakeDevice) -> None:
    calibrate(device)
    frames = read(GRAPH)
    assert "".join(frame.pict_type for frame in frames) == "IPPPPPPP"
    assert frames[-1].size == (98, 50) and frames[-1].motion is not None and frames[-1].motion.block_px == 16
    assert any(frame.motion is not None and frame.motion.mv_qpel.any() for frame in frames)


def test_a_pipelines_pictures_come_with_the_encoders_vectors(device: FakeDevice, gstreamer: None) -> None:
    calibrate(device)
    frames = read(
        "jetson:gst:videotestsrc num-buffers=5 pattern=ball ! video/x-raw,width=96,height=64,framerate=25/1",
        9,
    )
    assert [frame.pict_type for frame in frames] == ["I", *"PPPP"] and frames[0].size == (96, 64)


def test_a_pipeline_whose_pictures_have_padding_is_refused(device: FakeDevice, gstreamer: None) -> None:
    calibrate(device)
    with pytest.raises(CameraError, match="multiple of 4"):
        read("jetson:gst:videotestsrc num-buffers=5 ! video/x-raw,width=98,height=64", 9)


def test_without_calibration_it_names_the_command(device: FakeDevice) -> None:
    with pytest.raises(CameraError, match=r"L4T 36\.4\.3.*magno inspect --conformance jetson"):
        read(GRAPH)


def test_on_another_machine_it_says_so() -> None:
    with pytest.raises(CameraError, match="wants a Jetson"):
        read(GRAPH)
    assert is_live(CameraRequest("jetson:v4l2:///dev/video0", 32))


def test_a_url_that_names_no_camera_is_refused() -> None:
    with pytest.raises(CameraError, match="jetson:v4l2"):
        open_raw(CameraRequest("jetson:///dev/video0", 32), WallClock())


def test_the_suite_measures_sign_order_and_identity_of_the_device(device: FakeDevice) -> None:
    source = conformance.open_vector_source(VectorConvention(-1, 4))
    for test in (vector_tests.translation, vector_tests.order, vector_tests.identity, vector_tests.sizes):
        verdict = test(source)
        assert verdict.passed, verdict
    assert not vector_tests.translation(conformance.open_vector_source(VectorConvention())).passed
