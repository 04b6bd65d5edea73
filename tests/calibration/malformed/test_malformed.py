"""Malformed files: the damage is exact by number, the judge is not blind, and the loaders stand 300 of them."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.calibration.malformed.damage import PLAIN
from magno.calibration.malformed.judge import FAULTS, Seen, judge
from magno.calibration.malformed.kinds import FAMILIES, WHOLE_BUNDLES, Files, malform, originals
from magno.cli import main

REFUSED = Seen(
    7, "weights", "cut", True, "refused", "x.safetensors wants its end, found none. Copy it again."
)


@cache
def sound(checkpoint: Path, bundle: Path) -> dict[str, Files]:
    return originals(checkpoint, bundle)


def test_three_hundred_malformed_files(
    tiny_folder: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--checkpoint", str(tiny_folder), "--bundle", str(tiny_bundle)]
    code = main(["bench", "malformed", "--count", "300", "--processes", "2", *places, "--json"])
    figures = json.loads(capsys.readouterr().out)
    assert code == 0, figures["wrong"]
    assert figures["files"] == 300 and set(figures["families"]) == set(FAMILIES)


def test_a_file_is_the_same_by_number(tiny_folder: Path, tiny_bundle: Path) -> None:
    files = sound(tiny_folder, tiny_bundle)
    for number in range(30):
        assert malform(files, number, seed=3) == malform(files, number, seed=3)


@pytest.mark.parametrize(
    ("family", "kind"), [(name, kind) for name in FAMILIES for kind in FAMILIES[name].damagers]
)
def test_every_way_changes_something(family: str, kind: str, tiny_folder: Path, tiny_bundle: Path) -> None:
    data = sound(tiny_folder, tiny_bundle)[family][FAMILIES[family].file]
    rng = np.random.default_rng(0)
    assert any(FAMILIES[family].damagers[kind](data, rng)[0] != data for _ in range(3))


@pytest.mark.parametrize("kind", WHOLE_BUNDLES)
def test_every_fault_of_a_whole_bundle_must_be_refused(
    kind: str, tiny_folder: Path, tiny_bundle: Path
) -> None:
    damage = WHOLE_BUNDLES[kind](sound(tiny_folder, tiny_bundle)["manifest"], np.random.default_rng(0))
    assert damage.must_refuse and len(damage.files) == 1


@given(st.binary(min_size=1, max_size=9000), st.sampled_from(list(PLAIN)), st.integers(0, 1 << 32))
def test_plain_damage_takes_any_bytes(data: bytes, kind: str, seed: int) -> None:
    damaged, _ = PLAIN[kind](data, np.random.default_rng(seed))
    assert isinstance(damaged, bytes) and len(damaged) <= len(data) + 4096


@pytest.mark.parametrize(
    ("seen", "wrong"),
    [
        ({}, None),
        ({"outcome": "taken", "told": "", "must_refuse": False}, None),
        ({"outcome": "taken", "told": ""}, "taken for sound"),
        ({"outcome": "died"}, "ended the process, or never came back"),
        (
            {"outcome": "fault", "told": "KeyError at tensors.py:3: 'x'"},
            "an error that is no sentence of ours",
        ),
        ({"told": "Traceback\n  File"}, "refused, but not in one sentence"),
        ({"told": ""}, "refused, but not in one sentence"),
        ({"told": "x" * 5000}, "refused, but not in one sentence"),
        ({"cpu_s": 1.1}, "took over 1 s to refuse"),
        ({"cpu_s": 1.1, "outcome": "taken", "must_refuse": False}, None),
        ({"wall_s": 9.0}, None),  # a busy machine's, not the loader's
        ({"growth_kib": (512 << 10) + 1}, "took over 512 MiB"),
    ],
)
def test_what_fails_a_run(seen: dict[str, object], wrong: str | None) -> None:
    figures = judge([replace(REFUSED, **seen)])  # type: ignore[arg-type]
    found = [name for name, those in figures["wrong"].items() if those["count"]]
    assert found == ([wrong] if wrong else []) and figures["failed"] is bool(wrong)
    assert set(figures["wrong"]) == set(FAULTS)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--count", "0"], "1 or more"),
        (["--seed", "-1"], "no negative"),
        (["--only", "-2"], "no negative"),
        (["--bundle", "nowhere"], "found no nowhere/manifest.json"),
    ],
)
def test_a_run_of_nothing_is_refused(
    flags: list[str], says: str, tiny_folder: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--checkpoint", str(tiny_folder), "--bundle", str(tiny_bundle)]
    assert main(["bench", "malformed", *places, *flags]) == 2
    assert says in capsys.readouterr().err
