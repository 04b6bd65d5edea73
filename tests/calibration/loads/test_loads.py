"""The benches of loads, deadlines and slow machines, with small numbers; and how what they found is judged."""

from __future__ import annotations

import json
import random
import time
from itertools import islice
from pathlib import Path

import pytest

from magno.calibration.loads import deadline, overload, slow, tiers
from magno.calibration.loads.mix import LONGEST_MS, SHORTEST_MS, mixed
from magno.calibration.loads.outcomes import GRACE_MS, Asked, Bar, Kind, Outcomes
from magno.calibration.loads.slowness import JUMPS_S, Slowness, jumping_wall_clock, since_s
from magno.cli import main
from magno.runtime.deadline import check_query
from magno.runtime.questions.ticket import Ticket
from magno.runtime.units import Answer, Outcome, Query

KINDS = {kind.value for kind in Kind}


def asked(
    outcome: Outcome | None = Outcome.COMPLETE,
    *,
    kind: Kind = Kind.SOUND,
    at_once: bool = False,
    took_ms: float = 1.0,
    late_ms: float | None = -1.0,
    settled_ns: int = 0,
) -> Asked:
    return Asked(kind, outcome, at_once, 0.0, took_ms, late_ms, settled_ns)


def outcomes(*these: Asked) -> Outcomes:
    found = Outcomes()
    for one in these:
        found.take(one)
    return found


def missed(bars: list[Bar]) -> list[str]:
    return [bar.name for bar in bars if not bar.met]


REFUSED_AT_ONCE = asked(Outcome.REFUSED, at_once=True)
LATE = f"later than deadline + {GRACE_MS:.0f} ms"


@pytest.mark.parametrize(
    ("found", "misses"),
    [
        ([], []),
        ([asked(), asked(Outcome.PARTIAL), REFUSED_AT_ONCE], []),
        ([asked(late_ms=GRACE_MS)], []),
        ([asked(late_ms=GRACE_MS + 1)], [LATE]),
        ([asked(Outcome.REFUSED, late_ms=GRACE_MS + 1)], [LATE]),
        ([asked(None, late_ms=None)], ["without an outcome"]),
        ([asked(Outcome.FAILED)], ["sound ones FAILED"]),
        ([asked(Outcome.FAILED, kind=Kind.CANCELLED), asked(kind=Kind.CANCELLED)], []),
        ([asked(Outcome.FAILED, kind=Kind.MALFORMED, late_ms=None)], []),
        ([asked(Outcome.COMPLETE, kind=Kind.MALFORMED, late_ms=None)], ["malformed ones not FAILED"]),
    ],
)
def test_a_mixed_load_is_judged(found: list[Asked], misses: list[str]) -> None:
    assert missed(deadline.bars(outcomes(*found))) == misses


@pytest.mark.parametrize(
    ("found", "misses"),
    [
        ([], []),
        ([REFUSED_AT_ONCE] * 50 + [asked()], []),
        ([asked(Outcome.REFUSED, at_once=True, took_ms=11.0)] * 50, ["refusals at once, p99"]),
        ([asked()] * 99 + [asked(Outcome.REFUSED)], []),
        ([asked()] * 98 + [asked(Outcome.REFUSED)] * 2, ["admitted ones in time"]),
        ([asked(late_ms=GRACE_MS + 1)], ["admitted ones in time"]),
        ([asked(Outcome.PARTIAL, late_ms=1.0)], []),
        ([asked(None, late_ms=None)], ["without an outcome", "admitted ones in time"]),
    ],
)
def test_an_overload_is_judged(found: list[Asked], misses: list[str]) -> None:
    assert missed(overload.bars(outcomes(*found))) == misses


@pytest.mark.parametrize(("last_late_s", "met"), [(None, True), (1.9, True), (2.1, False)])
def test_recovery_is_judged_by_the_last_late_answer(last_late_s: float | None, met: bool) -> None:
    assert all(bar.met for bar in slow.slower_bars(outcomes(), outcomes(), last_late_s)) is met


def test_an_outcome_that_never_came_before_the_step_counts() -> None:
    assert missed(slow.slower_bars(outcomes(asked(None, late_ms=None)), outcomes(), None))


def test_the_last_late_one_is_the_one_settled_last() -> None:
    found = outcomes(
        asked(late_ms=60.0, settled_ns=3_000_000_000),
        asked(late_ms=70.0, settled_ns=2_000_000_000),
        asked(late_ms=-5.0, settled_ns=9_000_000_000),
    )
    assert since_s(1_000_000_000, found.last_late_ns) == 2.0
    assert since_s(0, outcomes(asked()).last_late_ns) is None
    assert (found.late, found.past_deadline) == (2, 2)


def test_a_mix_has_all_kinds_and_is_the_same_from_the_same_seed() -> None:
    asks = list(islice(mixed(random.Random(1)), 1000))
    assert [repr(ask) for ask in asks] == [repr(ask) for ask in islice(mixed(random.Random(1)), 1000)]
    assert {ask.kind.value for ask in asks} == KINDS
    for ask in asks:
        if ask.kind is Kind.MALFORMED:
            assert check_query(ask.query) is not None or ask.query.camera == "no such camera"
        else:
            assert check_query(ask.query) is None
            assert SHORTEST_MS <= ask.query.deadline_ms <= LONGEST_MS
        assert (ask.cancel_after_ms is not None) == (ask.kind is Kind.CANCELLED)


def test_a_jumping_wall_clock_jumps_and_is_itself_again() -> None:
    truly, monotonic_ns = time.time, time.monotonic_ns
    with jumping_wall_clock() as reads:
        jump_s = time.time() - truly()
        assert reads[0] == 1 and any(abs(jump_s - wanted) < 10.0 for wanted in JUMPS_S)
        assert time.monotonic_ns is monotonic_ns
    assert time.time is truly


def test_a_second_outcome_is_counted_and_changes_nothing() -> None:
    with deadline.Settlements() as settlements:
        ticket = Ticket(Query("Why?"), 0)
        assert settlements.take(ticket) is None
        assert ticket.settle(Answer("a", Outcome.COMPLETE)) and not ticket.settle(Answer("b", Outcome.FAILED))
        assert settlements.take(ticket) is not None and settlements.again == 1
    assert ticket.result(0.0).text == "a"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    """The JSON line of a bench. On a busy machine it may miss what is wanted: that is no matter here."""
    assert main(["bench", *words, "--rate-seconds", "0.2", "--threads", "1"]) in (0, 1)
    printed = capsys.readouterr().out.splitlines()
    assert "wanted" in "".join(printed[:-1])
    found: dict[str, object] = json.loads(printed[-1])
    return found


@pytest.fixture
def subject(tiny_bundle: Path, clips: Path) -> list[str]:
    return ["--bundle", str(tiny_bundle), "--clip", str(clips / "car-detection.mp4")]


def test_every_question_of_a_mixed_load_gets_one_outcome(
    subject: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(capsys, "deadline", *subject, "--questions", "60")
    assert found["asked"] == 60 and found["unanswered"] == found["settled_again"] == 0
    assert 0.0 < found["core_share"] <= 1.1  # type: ignore[operator]
    outcomes = found["outcomes"]
    assert isinstance(outcomes, dict) and {name.split()[0] for name in outcomes} == KINDS
    assert "malformed complete" not in outcomes and "sound failed" not in outcomes


def test_an_overload_is_refused_or_answered(subject: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "overload", *subject, "--questions", "60", "--load", "8")
    assert found["asked"] == 60 and found["unanswered"] == 0
    assert found["admitted"] + found["refused_at_once"] == 60  # type: ignore[operator]


def test_a_slow_machine_leaves_nobody_without_an_outcome(
    subject: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, short in (("LEARN_S", 0.7), ("LEARN_TIMES", 1), ("DOWN_S", 0.3), ("PATIENCE_S", 0.3)):
        monkeypatch.setattr(tiers, name, short)
    found = run(capsys, "slow", *subject, "--seconds", "0.4")
    phases = found["phases"]
    assert isinstance(phases, list)
    assert [phase["name"] for phase in phases] == ["2 times slower", "3 times slower", "wall clock jumps"]
    assert all(phase["after"]["unanswered"] == 0 for phase in phases)
    camera = found["tiers"]
    assert isinstance(camera, dict) and camera["made_slower"] >= 1.0
    assert [step["factor"] for step in camera["steps"]] == list(slow.FACTORS) and len(camera["bars"]) == 6


CALM = {"tier": "full", "changes": 0, "dropped": 0, "oldest_s": 0.7}
DOWN = {"tier": "longer windows", "changes": 1, "dropped": 2, "oldest_s": 1.4}
STEP = {**DOWN, "factor": 3.0, "down_s": 1.2, "back_s": 8.0}
HELD = {**CALM, "dropped": 80, "oldest_s": 6.0}


@pytest.mark.parametrize(
    ("before", "step", "held", "misses"),
    [
        (CALM, STEP, HELD, []),
        (DOWN, STEP, HELD, ["bearable: tier"]),
        (CALM, {**STEP, "down_s": 2.1}, HELD, ["3 times slower: a cheaper tier"]),
        (
            CALM,
            {**STEP, "down_s": None, "back_s": None},
            HELD,
            ["3 times slower: a cheaper tier", "3 times slower: full again"],
        ),
        (CALM, STEP, {**HELD, "dropped": 1}, ["pictures dropped"]),
    ],
)
def test_what_is_wanted_of_tiers(
    before: dict[str, object], step: dict[str, object], held: dict[str, object], misses: list[str]
) -> None:
    assert missed(tiers.bars(before, [step], held)) == misses


@pytest.mark.parametrize(
    "words",
    [
        ("deadline", "--questions", "0"),
        ("overload", "--load", "0"),
        ("slow", "--seconds", "nan"),
        ("overload", "--rate-seconds", "nan"),
    ],
)
def test_a_load_of_nothing_says_so(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert main(["bench", *words, "--bundle", str(tiny_bundle)]) == 2
    assert "A load wants" in capsys.readouterr().err


class Idle:
    """Stands for an engine whose parts do nothing."""

    def __init__(self) -> None:
        self._language = self._encoder = self

    def _decode(self, parts: list[int]) -> list[int]:
        return parts

    def keyframe(self) -> str:
        return "rows"

    window = keyframe


def test_what_is_slowed_does_the_same_and_is_itself_again() -> None:
    engine = Idle()
    with Slowness(engine) as slowness:  # type: ignore[arg-type]
        slowness.factor = 3.0
        assert engine._decode([1]) == [1] and engine.keyframe() == "rows"
        assert "_decode" in vars(engine)
    assert not {"_decode", "keyframe", "window"} & set(vars(engine))
