"""Results of conformance: kept whole, read as hostile, good for one device and one driver alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magno.runtime.camera.hardware import calibrated
from magno.runtime.camera.hardware.calibrated import (
    NEEDED,
    ConformanceRecord,
    Device,
    Finding,
    VectorConvention,
    convention_of,
    is_calibrated,
    path_of,
    read_record,
    write_record,
)
from magno.runtime.camera.request import CameraError
from magno.runtime.spec import SpecError, to_dict

GPU = Device("NVIDIA GeForce RTX 4090", "590.44", "2.2.4")
PASSED = tuple(Finding(name, True, {"worst_qpel": 0.5}) for name in NEEDED)
RECORD = ConformanceRecord("nvdec", GPU, "2026-11-21T12:00:00Z", VectorConvention(-1, 4), PASSED)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAGNO_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_what_is_written_is_read_and_lifts_the_flag() -> None:
    assert not is_calibrated("nvdec", GPU)
    path = write_record(RECORD)
    assert read_record("nvdec", GPU) == RECORD and is_calibrated("nvdec", GPU)
    assert convention_of("nvdec", GPU) == VectorConvention(-1, 4)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("change", [{"name": "other"}, {"driver": "590.45"}, {"library": "2.2.5"}])
def test_another_device_driver_or_library_is_not_calibrated(change: dict[str, str]) -> None:
    write_record(RECORD)
    assert not is_calibrated("nvdec", replace(GPU, **change))
    assert not is_calibrated("jetson", GPU)


@pytest.mark.parametrize("name", NEEDED)
def test_every_needed_test_must_be_there_and_have_passed(name: str) -> None:
    without = tuple(finding for finding in PASSED if finding.name != name)
    for findings in (without, (*without, Finding(name, False))):
        write_record(replace(RECORD, findings=findings))
        assert not is_calibrated("nvdec", GPU)
        with pytest.raises(CameraError, match=rf"{name}.*magno inspect --conformance nvdec"):
            convention_of("nvdec", GPU)


def test_figures_that_are_no_numbers_are_left_out() -> None:
    figures = {"pan_px": float("inf"), "share": float("nan"), "slope": 1.0}
    write_record(replace(RECORD, findings=(*PASSED, Finding("fusion", False, figures))))
    record = read_record("nvdec", GPU)
    assert record is not None and record.findings[-1].figures == {"slope": 1.0} and not record.calibrated


def test_a_further_test_that_failed_counts_too() -> None:
    write_record(replace(RECORD, findings=(*PASSED, Finding("loss", False))))
    assert not is_calibrated("nvdec", GPU)


def test_a_record_of_another_device_under_this_ones_name_is_none() -> None:
    path = write_record(RECORD)
    path.write_text(json.dumps(to_dict(replace(RECORD, device=replace(GPU, driver="600")))))
    assert read_record("nvdec", GPU) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b'{"source": "nvdec"}',
        b" " * (calibrated.MAX_RECORD_BYTES + 1),
    ],
)
def test_garbage_is_no_record(text: bytes) -> None:
    path = write_record(RECORD)
    path.write_bytes(text)
    assert read_record("nvdec", GPU) is None


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_change_of_a_record_is_read_as_something_else(data: st.DataObject) -> None:
    values = to_dict(RECORD)
    where = data.draw(
        st.sampled_from([values, values["device"], values["convention"], values["findings"][0]])
    )
    key = data.draw(st.sampled_from(sorted(where)))
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    was, where[key] = where[key], data.draw(scalars | st.lists(scalars) | st.dictionaries(st.text(), scalars))
    path = path_of("nvdec", GPU)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))
    record = read_record("nvdec", GPU)
    if record is None:
        return
    assert record.convention.sign in (1, -1) and record.convention.subpel in (1, 2, 4)
    assert record.device == GPU and record.source == "nvdec"
    if record.calibrated and key == "passed":
        assert where[key] is was


def test_a_convention_that_cannot_be_is_refused() -> None:
    for sign, subpel in ((0, 4), (1, 3), (2, 4), (1, 0)):
        with pytest.raises(SpecError, match="convention"):
            VectorConvention(sign, subpel)


def test_a_folder_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MAGNO_STATE", str(tmp_path / "file"))
    with pytest.raises(CameraError, match="MAGNO_STATE"):
        write_record(RECORD)
    assert not is_calibrated("nvdec", GPU)


def test_the_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert calibrated.folder() == tmp_path / "state" / "conformance"
    monkeypatch.delenv("MAGNO_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert calibrated.folder() == tmp_path / "xdg" / "magno" / "conformance"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")  # to be ignored, says the specification
    monkeypatch.setenv("HOME", str(tmp_path))
    assert calibrated.folder() == tmp_path / ".local" / "state" / "magno" / "conformance"
