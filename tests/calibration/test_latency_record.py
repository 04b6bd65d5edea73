"""What a device's steps cost, measured once and kept with the bundle."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.calibration.latency import PROMPTS, TOGETHER, fitted
from magno.runtime.bundle import open_bundle
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.latency import LatencyProfile
from magno.runtime.latency_record import (
    FILE,
    Cell,
    LatencyRecord,
    engine_version,
    known_profile,
    processor,
    read_record,
    write_record,
)

PROFILE = LatencyProfile(1.5, 0.25, 2.0, 0.5)
costs = st.floats(0.01, 50.0)


def cells_of(profile: LatencyProfile, cached: int = 100) -> list[Cell]:
    prompts = [Cell(cached, count, 0, profile.native_ms(count, 0)) for count in PROMPTS]
    return prompts + [Cell(cached, 0, count, profile.native_ms(0, count)) for count in TOGETHER]


@given(costs, costs, costs, costs)
def test_lines_are_found_again(fixed: float, token: float, step: float, rider: float) -> None:
    profile = LatencyProfile(fixed, token, step + rider, rider)
    found = fitted([*cells_of(profile), Cell(0, 8, 0, 1e6)])  # an emptier cache says nothing
    for name in ("prefill_fixed_ms", "prefill_token_ms", "step_ms", "rider_ms"):
        assert getattr(found, name) == pytest.approx(getattr(profile, name), rel=1e-3, abs=1e-3)


@given(st.lists(costs, min_size=len(PROMPTS) + len(TOGETHER), max_size=len(PROMPTS) + len(TOGETHER)))
def test_any_times_make_a_profile(times: list[float]) -> None:
    fitted([replace(cell, ms=ms) for cell, ms in zip(cells_of(PROFILE), times, strict=True)])


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


@pytest.fixture
def record(bundle: Path) -> LatencyRecord:
    sha256 = open_bundle(bundle).manifest_sha256
    return LatencyRecord(
        processor(), 1, engine_version(), sha256, "2026-01-01", PROFILE, tuple(cells_of(PROFILE))
    )


def test_a_record_is_what_the_engine_begins_with(bundle: Path, record: LatencyRecord) -> None:
    assert write_record(bundle, record) == bundle / FILE
    assert read_record(bundle) == record
    with Engine.open(EngineConfig(str(bundle), threads=1, max_cameras=1)) as engine:
        assert engine._scheduler._calibrated == PROFILE
    with Engine.open(EngineConfig(str(bundle), threads=2, max_cameras=1)) as engine:
        assert engine._scheduler._calibrated != PROFILE


@pytest.mark.parametrize(
    "change",
    [{"processor": "another"}, {"threads": 3}, {"engine": "0"}, {"manifest_sha256": "0"}, {"format": 2}],
)
def test_a_record_of_something_else_is_left_alone(
    bundle: Path, record: LatencyRecord, change: dict[str, object]
) -> None:
    write_record(bundle, replace(record, **change))  # type: ignore[arg-type]
    assert known_profile(bundle, record.manifest_sha256, 1) is None


@pytest.mark.parametrize("text", ["", "{}", "[" * 10_000, '{"format": 1}', "null", "\0"])
def test_a_damaged_record_is_none(bundle: Path, text: str) -> None:
    (bundle / FILE).parent.mkdir()
    (bundle / FILE).write_text(text)
    assert read_record(bundle) is None


@pytest.mark.parametrize("value", ["NaN", "-1.0", "1e400", '"2"'])
def test_a_cost_that_is_none_is_refused(bundle: Path, record: LatencyRecord, value: str) -> None:
    path = write_record(bundle, record)
    told = json.loads(path.read_text())
    told["profile"]["step_ms"] = "HERE"
    path.write_text(json.dumps(told).replace('"HERE"', value))
    assert read_record(bundle) is None


def test_a_link_is_not_followed(bundle: Path, record: LatencyRecord, tmp_path: Path) -> None:
    path = write_record(bundle, record)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert read_record(bundle) is None


def test_the_verb_measures_and_writes(bundle: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "magno.cli",
        "calibrate",
        "latency",
        "--bundle",
        str(bundle),
        "--threads",
        "1",
    ]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=120, check=True)
    found = read_record(bundle)
    assert found is not None and found.threads == 1 and json.loads(done.stdout)["threads"] == 1
    assert known_profile(bundle, open_bundle(bundle).manifest_sha256, 1) == found.profile
    assert {cell.cached_tokens for cell in found.cells} >= {0} and found.profile.step_ms > 0


def test_no_bundle_is_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "magno.cli", "calibrate", "latency", "--bundle", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
