"""The Jetson shim and its source, built against a device of our own that serves known motion in all three layouts.

No Jetson was here: what is true of these tests is the shim's logic, its order of calls and its handling of memory; the
unit, sign and order of a real one's vectors are what `magno inspect --conformance jetson` measures there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.hardware.calibrated import VectorConvention
from magno.runtime.camera.hardware.jetson import JetsonSource
from magno.runtime.camera.hardware.jetson_library import EncoderOptions
from magno.runtime.camera.hardware.jetson_shim import build as build_module
from magno.runtime.camera.hardware.jetson_shim.build import build, find_built
from magno.runtime.camera.hardware.jetson_shim.release import Release, read_release
from magno.runtime.camera.hardware.raw_pictures import RawPicture
from magno.runtime.camera.request import CameraError
from magno.runtime.conformance.known_motion import panning
from magno.runtime.units import BlockMode, CodecFrame, Link
from tests.runtime.camera.jetson_device import HERE, NODE, RELEASE, FakeDevice, build_fake

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="wants a C compiler")
SIZE = (98, 50)  # no multiple of 16 or 32
PICTURE_NS = 40_000_000
NORMAL = {
    "sign": 1, "subpel": 4, "padding": 192, "short": 0, "fail_at": -1, "drop_at": -1, "refuse_vectors": 0,
    "no_vectors_at": -1, "other_buffer": 0,
}  # fmt: skip


@pytest.fixture(scope="module", params=[4, 20, 68])
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FakeDevice:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAGNO_STATE", str(tmp_path_factory.mktemp("state")))
        return FakeDevice(build_fake(request.param))


@pytest.fixture
def device(compiled: FakeDevice) -> Iterator[FakeDevice]:
    compiled.turn(**NORMAL)
    yield compiled
    assert compiled.open_devices == 0


@pytest.fixture(scope="module")
def one_device(tmp_path_factory: pytest.TempPathFactory) -> FakeDevice:
    """For what does not depend on the layout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAGNO_STATE", str(tmp_path_factory.mktemp("state")))
        return FakeDevice(build_fake(20))


@pytest.fixture
def any_device(one_device: FakeDevice) -> Iterator[FakeDevice]:
    one_device.turn(**NORMAL)
    yield one_device
    assert one_device.open_devices == 0


class Scene:
    """Raw pictures of known motion."""

    time_from = TimeFrom.ARRIVAL
    rate = 25.0

    def __init__(self, pictures: list[np.ndarray]) -> None:
        height, width = pictures[0].shape[:2]
        self.size, self._pictures = (width, height), pictures

    def pictures(self) -> Iterator[RawPicture]:
        for number, picture in enumerate(self._pictures):
            grey = np.full((picture.shape[0] // 2, picture.shape[1]), 128, np.uint8)
            yield RawPicture(np.concatenate([picture[..., 0], grey]), number * PICTURE_NS, 1000 + number)

    def close(self) -> None:
        pass


def pan(velocity: tuple[float, float], pictures: int = 6, size: tuple[int, int] = SIZE) -> Scene:
    return Scene(panning(size, velocity, pictures).pictures())


def play(
    device: FakeDevice,
    scene: Scene,
    codec: str = "h264",
    convention: VectorConvention | None = None,
    idr_interval: int = 30,
) -> list[CodecFrame]:
    options = EncoderOptions(codec, scene.size, 25, 1_000_000, idr_interval)
    encoder = device.library.open(options, NODE)
    source = JetsonSource(scene, encoder, codec, convention or VectorConvention(), calibrated=True)
    decoder = source.decoder(32)
    try:
        return [frame for unit in source.units() for frame in decoder.decode(unit)]
    finally:
        source.close()


def modal(frame: CodecFrame) -> tuple[int, ...]:
    """The most common vector of the blocks inside."""
    assert frame.motion is not None
    vectors, counts = np.unique(frame.motion.mv_qpel[:-1, 1:-1].reshape(-1, 2), axis=0, return_counts=True)
    return tuple(int(number) for number in vectors[counts.argmax()])


@pytest.mark.parametrize("velocity", [(3, 0), (-2, 0), (0, 5), (0, -4), (-3, 2)])
def test_a_pan_comes_out_exactly_in_every_layout(device: FakeDevice, velocity: tuple[int, int]) -> None:
    frames = play(device, pan(velocity))
    assert [frame.pict_type for frame in frames] == ["I", *"PPPPP"]
    for frame in frames[1:]:
        assert modal(frame) == (4 * velocity[0], 4 * velocity[1])


@pytest.mark.parametrize(("codec", "grid"), [("h264", (4, 7)), ("hevc", (2, 4))])
def test_the_grid_covers_the_picture_rounded_up(
    device: FakeDevice, codec: str, grid: tuple[int, int]
) -> None:
    frames = play(device, pan((2, -1)), codec)
    for frame in frames:
        assert frame.motion is not None and frame.motion.mode.shape == grid
        assert frame.motion.coded_size == (112, 64) and frame.size == SIZE
    assert modal(frames[-1]) == (8, -4)


@pytest.mark.parametrize(("sign", "subpel"), [(-1, 4), (1, 1), (-1, 2)])
def test_what_conformance_measured_is_undone(any_device: FakeDevice, sign: int, subpel: int) -> None:
    any_device.turn(sign=sign, subpel=subpel)
    frames = play(any_device, pan((-3, 2)), convention=VectorConvention(sign, subpel))
    assert {modal(frame) for frame in frames[1:]} == {(-12, 8)}


def test_each_picture_has_its_own_vectors(any_device: FakeDevice) -> None:
    """More pictures than there are buffers, each with another motion than the last: nothing is read too late."""
    steps = [(3, 1), (-4, 0), (5, -2), (-2, 3), (6, 2), (-5, -3), (2, -4), (-3, 4)] * 3
    places = np.cumsum([(0, 0), *steps], axis=0)
    canvas = panning((400, 200), (0, 0), 1).pictures()[0]
    pictures = [canvas[60 - y : 60 - y + 50, 100 - x : 100 - x + 98] for x, y in places]
    frames = play(any_device, Scene(pictures))
    assert [modal(frame) for frame in frames[1:]] == [(4 * x, 4 * y) for x, y in steps]


def test_an_idr_is_intra_as_a_whole_and_begins_anew(any_device: FakeDevice) -> None:
    frames = play(any_device, pan((2, 0), 9), idr_interval=4)
    assert "".join(frame.pict_type for frame in frames) == "IPPPIPPPI"
    for frame in frames:
        assert frame.motion is not None
        is_key = frame.pict_type == "I"
        assert frame.motion.link is (Link.RESET if is_key else Link.OK)
        assert (frame.motion.mode == (BlockMode.INTRA if is_key else BlockMode.INTER)).all()
        assert not is_key or not frame.motion.mv_qpel.any()


def test_a_picture_that_the_encoder_leaves_out_is_counted_and_shifts_nothing(any_device: FakeDevice) -> None:
    any_device.turn(drop_at=3)
    frames = play(any_device, pan((2, 0), 8))
    assert [frame.pts_ns // PICTURE_NS for frame in frames] == [0, 1, 2, 4, 5, 6, 7]
    assert [modal(frame)[0] for frame in frames[1:]] == [
        8,
        8,
        16,
        8,
        8,
        8,
    ]  # over the gap: from the picture before it
    assert [frame.sequence for frame in frames] == list(range(7))


def test_times_and_pictures_are_the_cameras(any_device: FakeDevice) -> None:
    scene = pan((2, 0))
    frames = play(any_device, scene)
    assert [frame.capture_ns for frame in frames] == [1000 + number for number in range(6)]
    luma = [picture.nv12[: SIZE[1]].mean() for picture in scene.pictures()]
    for frame, level in zip(frames, luma, strict=True):
        assert frame.picture.shape == (32, 32, 3)
        assert frame.picture.mean() == pytest.approx((level - 16) * 255 / 219, abs=4)


@pytest.mark.parametrize("padding", [0, 252, 4096])
def test_padding_behind_the_vectors_is_allowed(device: FakeDevice, padding: int) -> None:
    device.turn(padding=padding)
    assert modal(play(device, pan((3, 0)))[-1]) == (12, 0)


@pytest.mark.parametrize(
    "numbers", [{"padding": 0, "short": 1}, {"padding": 100_000}, {"short": 192 + 28 * 4}]
)
def test_a_buffer_that_does_not_fit_the_layout_is_refused(
    device: FakeDevice, numbers: dict[str, int]
) -> None:
    device.turn(**numbers)
    with pytest.raises(CameraError, match=r"bytes of motion vectors .* found .* build the shim again"):
        play(device, pan((3, 0)))


def test_vectors_that_the_device_refuses_end_the_stream(any_device: FakeDevice) -> None:
    any_device.turn(no_vectors_at=2)
    with pytest.raises(CameraError, match="the motion vectors of a picture"):
        play(any_device, pan((3, 0)))


@pytest.mark.parametrize("fail_at", [0, 3])
def test_an_encoder_that_fails_is_one_sentence(any_device: FakeDevice, fail_at: int) -> None:
    any_device.turn(fail_at=fail_at)
    with pytest.raises(CameraError, match="wanted a coded picture, found: Input/output error"):
        play(any_device, pan((3, 0), 20))


def test_a_buffer_index_that_is_none_is_refused(any_device: FakeDevice) -> None:
    any_device.turn(other_buffer=1000)
    with pytest.raises(CameraError, match="a coded buffer of its own"):
        play(any_device, pan((3, 0)))


def test_an_encoder_without_vectors_is_not_opened(any_device: FakeDevice) -> None:
    any_device.turn(refuse_vectors=1)
    with pytest.raises(CameraError, match="its motion vectors reported, found: Invalid argument"):
        play(any_device, pan((3, 0)))


def test_two_at_once_and_sizes_that_are_odd_are_refused(any_device: FakeDevice) -> None:
    options = EncoderOptions("h264", SIZE, 25, 1_000_000, 30)
    with any_device.library.open(options, NODE), pytest.raises(CameraError, match="busy"):
        any_device.library.open(options, NODE)
    with pytest.raises(CameraError, match="even size"):
        any_device.library.open(EncoderOptions("h264", (97, 50), 25, 1_000_000, 30), NODE)


def test_an_idr_can_be_asked_for(any_device: FakeDevice) -> None:
    nv12 = np.zeros((SIZE[1] * 3 // 2, SIZE[0]), np.uint8)
    with any_device.library.open(EncoderOptions("h264", SIZE, 25, 1_000_000, 30), NODE) as encoder:
        kinds = []
        for number in range(4):
            if number == 2:
                encoder.force_idr()
            encoder.put(nv12, number)
            coded = encoder.take()
            assert coded is not None and coded.weight is not None
            kinds.append(coded.stream[4] & 31)
        assert kinds == [5, 1, 5, 1]
        with pytest.raises(CameraError, match="NV12"):
            encoder.put(nv12[:-1], 9)


def test_closing_in_the_middle_frees_everything(any_device: FakeDevice) -> None:
    scene = pan((2, 0), 60)
    encoder = any_device.library.open(EncoderOptions("h264", scene.size, 25, 1_000_000, 30), NODE)
    source = JetsonSource(scene, encoder, "h264", VectorConvention(), calibrated=True)
    units = source.units()
    assert [next(units).is_key for _ in range(3)] == [True, False, False]
    source.close()
    assert any_device.open_devices == 0


@pytest.mark.parametrize("vector_bytes", [4, 20, 68])
def test_the_shim_is_clean_under_the_sanitizers(vector_bytes: int, tmp_path: Path) -> None:
    program = tmp_path / "exercise"
    sources = [*build_module.SOURCES, HERE / "device.c", HERE / "exercise.c"]
    calls = [f"-DMAGNO_{name.upper()}=fake_{name}" for name in ("open", "ioctl", "close")]
    strict = ["-std=c11", "-g", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"]
    includes = [f"-I{HERE}", f"-I{build_module.SOURCES[0].parent}", f"-DVECTOR_BYTES={vector_bytes}"]
    command = ["cc", *strict, *calls, *includes, *map(str, sources), "-pthread", "-o", str(program)]
    made = subprocess.run(command, capture_output=True, text=True)
    if "cannot find -lasan" in made.stderr or "libasan" in made.stderr:
        pytest.skip("this compiler has no sanitizers")
    assert made.returncode == 0, made.stderr
    done = subprocess.run([program], capture_output=True, text=True, env={**os.environ, "LD_PRELOAD": ""})
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_was_built_is_found_again_and_refused_on_another_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGNO_STATE", str(tmp_path))
    with pytest.raises(
        CameraError, match=r"found none\. Run `python -m magno.runtime.camera.hardware.jetson_shim`"
    ):
        find_built(RELEASE)
    built = build_fake(20)
    assert find_built(RELEASE) == built
    assert built.device.driver == "L4T 36.4.3" and built.device.name == RELEASE.board
    with pytest.raises(CameraError, match=r"found one for .* L4T 36\.4\.3"):
        find_built(Release(RELEASE.board, "36.5.0"))
    note = tmp_path / "jetson" / "built.json"
    for garbage in ("", "[]", "{" * 3000, note.read_text()[:-5]):
        note.write_text(garbage)
        with pytest.raises(CameraError, match="none that can be read"):
            find_built(RELEASE)


def test_a_header_that_is_missing_or_no_header_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGNO_STATE", str(tmp_path))
    with pytest.raises(CameraError, match="--include"):
        build(tmp_path, RELEASE, ())
    (tmp_path / build_module.HEADER).write_text("typedef int MVInfo;\n")
    with pytest.raises(
        CameraError, match=r"wants a header and libraries that it compiles against, found: .*error"
    ):
        build(tmp_path, RELEASE, ())


@pytest.mark.parametrize(
    ("text", "l4t"),
    [
        (
            "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed Jan",
            "36.4.3",
        ),
        (
            "# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref, EABI: aarch64, DATE: Sat",
            "32.7.1",
        ),
        ("# R38 (release), REVISION: 2.0,", "38.2.0"),
    ],
)
def test_the_release_is_read(text: str, l4t: str, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "etc/nv_tegra_release").write_text(text + "\n")
    (tmp_path / "proc/device-tree/model").write_bytes(b"NVIDIA Jetson Orin NX\0")
    assert read_release(tmp_path) == Release("NVIDIA Jetson Orin NX", l4t)


@pytest.mark.parametrize("text", ["", "# R (release)", "Debian 12", "\0" * 9000])
def test_what_is_no_jetson_is_told_so(text: str, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text(text)
    with pytest.raises(CameraError, match="wants a Jetson"):
        read_release(tmp_path)
