"""Damaged streams: the damage is exact by number, the judge is not blind, and the reader stands 1,500 of them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.calibration.mutants.bench import judge
from magno.calibration.mutants.damage import KINDS, Mutant, mutate
from magno.calibration.mutants.judge import PICTURES, Seen
from magno.calibration.mutants.runs import ended_at, run_mutants, truth_of
from magno.calibration.mutants.streams import GOP, Stream
from magno.cli import main
from magno.runtime.conformance.encoding import Encoding, encode
from magno.runtime.conformance.known_motion import panning

TAIL = set(range(GOP, PICTURES))


@cache
def stream(b_pictures: int = 0) -> Stream:
    pictures = panning((64, 48), (1.5, 0.5), PICTURES).pictures()
    return Stream("test", "h264", tuple(encode(pictures, Encoding(gop=GOP, b_pictures=b_pictures))))


def test_fifteen_hundred_mutants(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["bench", "mutants", "--count", "1500", "--clip", str(clips / "car-detection.mp4"), "--json"])
    figures = json.loads(capsys.readouterr().out)
    wrong = {
        name: figures[name] for name in ("engine_faults", "not_sound_again", "false_sound", "slowest_ms")
    }
    assert code == 0, wrong
    assert figures["mutants"] == 1500 and set(figures["kinds"]) == set(KINDS)


def test_one_mutant_alone_is_told_of(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "mutants", "--only", "16", "--clip", str(clips / "car-detection.mp4")]) in (0, 1)
    assert "Mutant 16 of x264" in " ".join(capsys.readouterr().out.split())


@given(st.integers(0, 100_000), st.integers(0, 5), st.sampled_from([0, 2]))
def test_a_mutant_is_the_same_by_number_and_its_anchor_intact(
    number: int, seed: int, b_pictures: int
) -> None:
    intact = stream(b_pictures)
    mutant = mutate(intact.units, number, intact.damageable, seed)
    assert mutant == mutate(intact.units, number, intact.damageable, seed)
    behind = intact.units[intact.damageable :]
    assert mutant.units[-len(behind) :] == behind and mutant.units[: mutant.at] == intact.units[: mutant.at]
    assert behind[0].is_key and mutant.at < intact.damageable


def test_every_kind_of_damage_damages() -> None:
    kinds = {mutant.kind for mutant in (mutate(stream().units, n, stream().damageable) for n in range(3000))}
    assert kinds == set(KINDS)


def test_the_judge_sees_what_is_not_the_undamaged_picture() -> None:
    truth = truth_of(stream())
    whole = Mutant(0, "packet repeated", 0, stream().units)
    assert run_mutants(stream(), [whole], truth)[0].sound == set(range(PICTURES))
    pixels = truth[3]["pixels"]
    other = {**truth, 3: {**truth[3], "pixels": pixels[:-1] + bytes([pixels[-1] ^ 1])}, 11: truth[10]}
    seen = run_mutants(stream(), [whole, Mutant(1, whole.kind, 0, whole.units)], other)
    assert [one.unequal for one in seen] == [[3, 11]] * 2
    figures = judge(seen)
    assert figures["failed"] and figures["false_sound"] == figures["not_sound_again"] == [0, 1]


@pytest.mark.parametrize(
    ("shown", "newest", "at"), [((), 0, 0), ((0,), 0, 1), ((0,), 1, 1), ((0, 1, 2), 2, 2)]
)
def test_a_reader_that_ended_did_so_at_what_was_not_yet_shown(
    shown: tuple[int, ...], newest: int, at: int
) -> None:
    seen = [Seen(Mutant(n, "", 0, ()), sound=TAIL if n in shown else set()) for n in range(3)]
    assert ended_at(seen, newest) == at


@pytest.mark.parametrize(
    ("kind", "seen", "failed"),
    [
        ("bits flipped", {"sound": TAIL}, False),
        ("bits flipped", {"sound": TAIL, "unequal": [4]}, False),  # silent: it decoded validly
        ("packets lost", {"sound": TAIL, "unequal": [4]}, True),
        ("packets lost", {"sound": TAIL - {GOP}}, True),
        ("packets lost", {"sound": TAIL - {PICTURES - 1}}, True),
        ("truncated", {"sound": TAIL, "slowest_ms": 2001.0}, True),
        ("truncated", {"error": "its reader process was gone"}, False),  # and the next went on
    ],
)
def test_what_fails_a_run(kind: str, seen: dict[str, object], failed: bool) -> None:
    one = Seen(Mutant(7, kind, 0, ()), **seen)  # type: ignore[arg-type]
    figures = judge([one])
    assert figures["failed"] is failed and figures["mutants"] == 1
    assert sum(figures["silent"].values()) == int(kind == "bits flipped" and bool(one.unequal))


@pytest.mark.parametrize(
    "flags", [["--count", "0"], ["--processes", "0"], ["--seed", "-1"], ["--only", "-2"]]
)
def test_a_run_of_nothing_is_refused(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "mutants", *flags]) == 2
    assert "Mutants want" in capsys.readouterr().err
