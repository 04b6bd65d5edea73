"""The decoder nvdec against a stand-in of NVIDIA's library (nvdec_stand_in), since neither it nor a GPU can be here.

What is true of these tests: how packets, pictures, statistics and losses are put together, and what is refused. What
a GPU's vectors mean is for `magno inspect --conformance nvdec` to measure.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magno.runtime.camera.h264.start_codes import StartCodes, hvcc
from magno.runtime.camera.hardware import nvdec
from magno.runtime.camera.hardware.calibrated import (
    NEEDED,
    ConformanceRecord,
    Device,
    Finding,
    VectorConvention,
    write_record,
)
from magno.runtime.camera.hardware.nvdec_identity import read_gpu
from magno.runtime.camera.request import CameraError
from magno.runtime.conformance import suite
from magno.runtime.conformance.encoding import Encoding, encode
from magno.runtime.conformance.known_motion import pan, picture
from magno.runtime.units import AccessUnit, BlockMode, CodecFrame, Link
from tests import synthetic

SIZE = (192, 112)
GPU = Device("NVIDIA GeForce RTX 4090", "590.44.01", "PyNvVideoCodec 2.2.4")
RAW = VectorConvention()
DRIVER = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  590.44.01  Tue Oct 28 01:59:21 UTC 2026\n"


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "nvdec_stand_in"))
    monkeypatch.setenv("MAGNO_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(nvdec, "read_gpu", lambda version: read_gpu(version, machine(tmp_path)))
    forget()
    import PyNvVideoCodec

    yield PyNvVideoCodec
    forget()


def forget() -> None:
    for name in ("PyNvVideoCodec", nvdec.LIBRARY):
        sys.modules.pop(name, None)


def machine(root: Path, version: str = DRIVER, models: tuple[str, ...] = (GPU.name,)) -> Path:
    """A root folder whose /proc tells of a driver and GPUs."""
    for number, model in enumerate(models):
        gpu = root / f"proc/driver/nvidia/gpus/0000:0{number}:00.0"
        gpu.mkdir(parents=True, exist_ok=True)
        (gpu / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 77\n")
    (root / "proc/driver/nvidia").mkdir(parents=True, exist_ok=True)
    (root / "proc/driver/nvidia/version").write_text(version)
    return root


def decode(units: list[AccessUnit], codec: str = "h264", extradata: bytes | None = None) -> list[CodecFrame]:
    decoder = nvdec.Decoder(codec, extradata, 32, convention=RAW)
    return [frame for unit in units for frame in decoder.decode(unit)] + decoder.flush()


def panned(codec: str = "libx264", pictures: int = 8, **options: int) -> list[AccessUnit]:
    return synthetic.encode(synthetic.panned(SIZE, (4, -2), pictures), codec, **options)


def modal(frame: CodecFrame) -> tuple[int, ...]:
    assert frame.motion is not None
    vectors, counts = np.unique(frame.motion.mv_qpel.reshape(-1, 2), axis=0, return_counts=True)
    return tuple(int(number) for number in vectors[counts.argmax()])


@pytest.mark.parametrize("way", ["pointer", "bytes", "lists"])
def test_pictures_come_at_once_with_their_own_vectors(library: ModuleType, way: str) -> None:
    library.SETTINGS.way = way
    decoder = nvdec.Decoder("h264", None, 32, convention=RAW)
    units = panned()
    for number, unit in enumerate(units):
        (frame,) = decoder.decode(unit)
        assert (frame.sequence, frame.pts_ns, frame.size) == (number, unit.pts_ns, SIZE)
        assert frame.motion is not None and frame.motion.mode.shape == (7, 12) and frame.motion.block_px == 16
        assert frame.picture.shape == (32, 32, 3) and frame.picture.std() > 5
        if number:
            assert frame.pict_type == "P" and frame.motion.link is Link.OK and modal(frame) == (16, -8)
    assert decoder.flush() == [] and decoder.errors == 0


def test_the_first_picture_is_intra_and_a_reset(library: ModuleType) -> None:
    first = decode(panned())[0]
    assert first.pict_type == "I" and first.motion is not None and first.motion.link is Link.RESET
    assert (first.motion.mode == BlockMode.INTRA).all()


def test_pictures_are_those_of_the_software_decoder(library: ModuleType) -> None:
    units = panned()
    for ours, theirs in zip(decode(units), synthetic.decode(units), strict=True):
        small = theirs.picture.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
        assert np.abs(ours.picture - small).mean() < 3
        assert ours.pts_ns == theirs.pts_ns and ours.pict_type == theirs.pict_type


def test_b_pictures_come_in_display_order_and_say_so(library: ModuleType) -> None:
    units = panned(pictures=7, b_pictures=2)
    frames = decode(units)
    assert "".join(frame.pict_type for frame in frames) == "IBBPBBP"
    assert [frame.pts_ns for frame in frames] == sorted(unit.pts_ns for unit in units)
    assert [frame.is_reference for frame in frames] == [True, False, False, True, False, False, True]
    assert all(frame.motion is not None and frame.motion.link is not Link.BROKEN for frame in frames)
    decoder = nvdec.Decoder("h264", None, 32, b_frames="refuse", convention=RAW)
    with pytest.raises(CameraError, match="without B-pictures"):
        for unit in units:
            decoder.decode(unit)


def test_of_several_references_each_vector_says_into_which(library: ModuleType) -> None:
    """Content that comes back every second picture: its vectors point two pictures back."""
    shown = [picture(SIZE, pan(6 * (number // 2), 0), seed=1 + number % 2) for number in range(8)]
    frames = decode(encode(shown, Encoding(references=2, preset="slow")))
    for frame in frames[3:]:
        assert frame.motion is not None and frame.motion.reference is not None
        inter = np.isin(frame.motion.mode, (BlockMode.INTER, BlockMode.SKIP))
        inter &= frame.motion.reference > 0  # the others cannot be told
        assert inter.mean() > 0.5 and (frame.motion.reference[inter] == 2).mean() > 0.9
        assert modal(frame) == (24, 0)


def test_a_lost_unit_breaks_the_chain_until_the_next_intra_picture(library: ModuleType) -> None:
    units = panned(pictures=12, gop=6)
    del units[3]
    links = [frame.motion.link for frame in decode(units) if frame.motion]
    assert links == [Link.RESET, Link.OK, Link.OK, Link.BROKEN, Link.BROKEN, Link.RESET, *[Link.OK] * 5]


def test_cells_that_could_not_be_decoded_break_the_chain(library: ModuleType) -> None:
    library.SETTINGS.invalid_at = 3  # access units are numbered from 1
    decoder = nvdec.Decoder("h264", None, 32, convention=RAW)
    frames = [frame for unit in panned(pictures=9, gop=5) for frame in decoder.decode(unit)]
    links = [frame.motion.link for frame in frames if frame.motion]
    assert links[:6] == [Link.RESET, Link.OK, Link.BROKEN, Link.BROKEN, Link.BROKEN, Link.RESET]
    assert frames[2].motion is not None and frames[2].motion.mode[0, 0] == BlockMode.MISSING
    assert decoder.errors == 1


def test_a_packet_that_the_gpu_refuses_is_damage(library: ModuleType) -> None:
    library.SETTINGS.fail_at = 2
    decoder = nvdec.Decoder("h264", None, 32, convention=RAW)
    frames = [frame for unit in panned(pictures=8, gop=5) for frame in decoder.decode(unit)]
    links = [frame.motion.link for frame in frames if frame.motion]
    assert links == [Link.RESET, Link.OK, Link.BROKEN, Link.BROKEN, Link.RESET, Link.OK, Link.OK]
    assert decoder.errors == 1


def test_the_convention_that_was_measured_is_undone(library: ModuleType) -> None:
    library.SETTINGS.sign = -1
    findings = tuple(Finding(name, True) for name in NEEDED)
    write_record(ConformanceRecord("nvdec", GPU, "2026-11-21", VectorConvention(-1, 4), findings))
    decoder = nvdec.Decoder("h264", None, 32)
    assert decoder.caps.calibrated and decoder.caps.subpel == 4 and decoder.caps.block_px == 16
    frames = [frame for unit in panned() for frame in decoder.decode(unit)]
    assert modal(frames[-1]) == (16, -8)


def test_the_suite_measures_the_convention_and_lifts_the_flag(library: ModuleType) -> None:
    """On H.264 alone: the stand-in has no vectors of HEVC."""
    library.SETTINGS.sign = -1
    source, convention = suite.open_measured("nvdec")
    assert (
        convention == VectorConvention(-1, 4)
        and source.device == GPU
        and set(source.caps) == {"h264", "hevc"}
    )
    source = replace(source, caps={"h264": source.caps["h264"]})
    tests = ("translation", "unit", "order", "identity", "references", "cross_source")
    verdicts = [suite.tests_of(source, full=False)[name](source) for name in tests]
    assert all(verdict.passed for verdict in verdicts), verdicts
    write_record(suite.record_of(source, convention, verdicts))
    assert nvdec.Decoder("h264", None, 32).caps.calibrated


def test_without_calibration_it_names_the_command(library: ModuleType) -> None:
    with pytest.raises(CameraError, match=r"RTX 4090.*590\.44\.01.*magno inspect --conformance nvdec"):
        nvdec.Decoder("h264", None, 32)
    assert not nvdec.Decoder("h264", None, 32, convention=RAW).caps.calibrated


def test_hevc_has_its_pictures_and_their_types(library: ModuleType) -> None:
    frames = decode(panned("libx265", 4), "hevc")
    assert frames[0].pict_type == "I" and len(frames) == 4


def test_other_codecs_are_refused(library: ModuleType) -> None:
    with pytest.raises(CameraError, match="h264 or hevc, found mpeg4"):
        nvdec.Decoder("mpeg4", None, 32, convention=RAW)


@pytest.mark.parametrize(
    ("setting", "value", "why"),
    [
        ("size_of_statistics", 0, "driver of version 590"),
        ("size_of_statistics", 20, "32 bytes of header, found 20"),
        ("size_of_statistics", 100, "84 records"),
        ("deep", True, "NV12 pictures of 8 bits"),
        ("fail_at", 0, "decodes nothing of this stream .CUDA_ERROR_UNKNOWN at line 7"),
        ("refuse", "no NVDEC on this chip", "found that it does not .no NVDEC on this chip"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(
    library: ModuleType, setting: str, value: object, why: str
) -> None:
    setattr(library.SETTINGS, setting, value)
    with pytest.raises(CameraError, match=why) as caught:
        decode(panned(pictures=3))
    assert "\n" not in str(caught.value)


def test_without_the_library_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    monkeypatch.setitem(sys.modules, "PyNvVideoCodec", None)
    with pytest.raises(CameraError, match="pip install PyNvVideoCodec"):
        nvdec.Decoder("h264", None, 32)


def test_the_identity_is_read_from_the_driver(tmp_path: Path) -> None:
    assert read_gpu(GPU.library, machine(tmp_path / "one")) == GPU
    two = read_gpu("x", machine(tmp_path / "two", models=("NVIDIA RTX A2000", "NVIDIA L4")))
    assert two.name == "NVIDIA L4 + NVIDIA RTX A2000"
    opened = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  595.12  Release Build\n"
    assert read_gpu("x", machine(tmp_path / "open", opened)).driver == "595.12"
    with pytest.raises(CameraError, match="wants an NVIDIA driver"):
        read_gpu("x", tmp_path / "none")


def boxed(nal: bytes) -> bytes:
    return len(nal).to_bytes(4, "big") + nal


def test_units_of_an_mp4_get_start_codes_and_parameter_sets(library: ModuleType) -> None:
    units = panned(pictures=4, gop=2)
    from magno.runtime.camera.h264.nal import NalType, nal_type, split_nal_units

    sets = [nal for nal in split_nal_units(units[0].data) if nal_type(nal) in (NalType.SPS, NalType.PPS)]
    avcc = (
        bytes([1, 100, 0, 30, 0xFF, 0xE1])
        + b"".join(len(n).to_bytes(2, "big") + n + b"\1" for n in sets)[:-1]
    )
    others = [[nal for nal in split_nal_units(unit.data) if nal not in sets] for unit in units]
    packed = [
        replace(unit, data=b"".join(map(boxed, nals))) for unit, nals in zip(units, others, strict=True)
    ]
    convert = StartCodes("h264", avcc).convert
    out = [split_nal_units(convert(unit.data, is_key=unit.is_key)) for unit in packed]
    assert [nals[:2] == sets for nals in out] == [True, False, True, False]
    assert len(decode(packed, extradata=avcc)) == 4


def test_an_hvcc_box_is_read() -> None:
    sets = [b"\x40\1vps", b"\x42\1sps", b"\x44\1pps"]
    arrays = b"".join(bytes([nal[0] >> 1, 0, 1]) + len(nal).to_bytes(2, "big") + nal for nal in sets)
    box = bytes([1]) + bytes(20) + bytes([3, 3]) + arrays
    assert hvcc(box) == (4, sets)
    unit = StartCodes("hevc", box).convert(boxed(b"\x26\1idr"), is_key=True)
    assert unit == b"".join(b"\0\0\0\1" + nal for nal in [*sets, b"\x26\1idr"])


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["h264", "hevc"]),
    st.none() | st.binary(max_size=60),
    st.binary(max_size=60),
    st.booleans(),
)
def test_hostile_boxes_raise_nothing(codec: str, extradata: bytes | None, data: bytes, is_key: bool) -> None:
    box = extradata if extradata is None else b"\1" + extradata
    for kept in (extradata, box):
        assert len(StartCodes(codec, kept).convert(data, is_key=is_key)) < 1000
