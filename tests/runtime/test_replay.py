"""Replay: the same clip, the same decisions; and `magno replay` as its user meets it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from magno.cli import main
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.replay import Asked, ReplayError, parse_asked, replay
from magno.runtime.trace_file import decision, first_difference, read_decisions, write_lines
from magno.runtime.units import Outcome, Query
from tests.golden import BUDGET_TOKENS, CLIP, TRACE, UNTIL_S, played

QUESTION = "Which way is the car moving?"


def test_the_golden_trace_holds_twice_over(tiny_bundle: Path, tmp_path: Path) -> None:
    """Where it does not, and what was changed was meant: python -m tests.golden"""
    golden = read_decisions(TRACE)
    for name in ("one", "two"):
        replayed = played(tiny_bundle)
        assert first_difference(golden, [decision(span) for span in replayed.spans]) is None
        write_lines(tmp_path / name, replayed.spans, 0, wall=False)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert [answer.earlier_turns for answer in replayed.answers] == [0, 0, 1]
    assert {answer.outcome for answer in replayed.answers} == {Outcome.COMPLETE}


def test_every_stage_is_in_it_and_in_order() -> None:
    golden = read_decisions(TRACE)
    camera = [span["stage"] for span in golden if span["track"] == "camera clip"]
    assert camera.count("read") == camera.count("window") == 76  # 12.5 a second, from 0 to 6 s
    assert set(camera) == {"read", "window", "encode"}
    ingested = [span["pts_ns"] for span in golden if span["stage"] == "ingest"]
    assert ingested == [span["pts_ns"] for span in golden if span["stage"] == "encode"]
    kept = [span for span in golden if span["stage"] == "ingest"]
    assert sum(span["evicted_gops"] for span in kept) > 1
    assert max(span["cached_tokens"] for span in kept) <= BUDGET_TOKENS
    question = [span["stage"] for span in golden if span["track"] == "question 1"]
    assert question[:2] == ["queue", "prefill"] and question[-1] == "outcome"
    assert set(question[2:-1]) == {"decode"} and len(question) == 11


def test_an_answer_saw_what_came_before_its_moment_and_nothing_after(tiny_bundle: Path) -> None:
    """As `magno ask --at` does, which watches no further."""
    config = EngineConfig(str(tiny_bundle), threads=1, max_cameras=1, budget_tokens=BUDGET_TOKENS)
    replayed = played(tiny_bundle)
    first = replayed.answers[0]
    with Engine.open(config) as engine:
        engine.watch("clip", str(CLIP), pace="fast", until_s=2.0)
        assert engine.wait_ended("clip", 60.0)
        alone = engine.ask(Query(QUESTION, deadline_ms=30_000.0, max_tokens=8))
    assert first.frame_pts_ns is not None and alone.frame_pts_ns is not None
    assert first.frame_pts_ns <= 2_000_000_000 and alone.frame_pts_ns == 2_000_000_000
    assert first.age_ms == pytest.approx((2_000_000_000 - first.frame_pts_ns) / 1e6)


def test_what_differs_is_named_and_is_exit_code_3(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace, perfetto = tmp_path / "trace.jsonl", tmp_path / "trace.json"
    words = ["replay", str(CLIP), "--bundle", str(tiny_bundle), "--until", "1.5", "--json"]
    asked = ["--ask", f"{QUESTION}@1", "--ask", "What is at a@b?@1.2"]
    assert main([*words, *asked, "--trace", str(trace), "--perfetto", str(perfetto)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["answers"]) == 2 and told["difference"] is None
    assert len(json.loads(perfetto.read_text())["traceEvents"]) > told["spans"]
    assert main([*words, *asked, "--compare", str(trace)]) == 0
    assert json.loads(capsys.readouterr().out)["difference"] is None

    lines = trace.read_text().splitlines()
    changed = next(number for number, line in enumerate(lines) if '"motion_crc": ' in line and '"P"' in line)
    span = json.loads(lines[changed])
    lines[changed] = json.dumps({**span, "motion_crc": 1})
    trace.write_text("\n".join(lines))
    assert main([*words, *asked, "--compare", str(trace)]) == 3
    said = json.loads(capsys.readouterr().out)["difference"]
    assert (
        said
        == f"Span {changed} (read of camera clip at 0.000 s) wants motion_crc 1, found {span['motion_crc']}."
    )
    assert main([*words, "--ask", f"{QUESTION}@1", "--compare", str(trace)]) == 3


@pytest.mark.parametrize("asked", ["no moment", "when@soon", "late@nan", "early@-1", "far@1e30", "@"])
def test_a_question_wants_a_moment(asked: str, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ReplayError, match="TEXT@SECONDS"):
        parse_asked(asked, 1000.0)
    assert main(["replay", str(CLIP), "--bundle", str(tiny_bundle), "--ask", asked]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_bad_input_is_exit_code_2(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "none")
    for words in (
        [missing, "--bundle", str(tiny_bundle)],
        [str(CLIP), "--bundle", missing],
        [str(CLIP), "--bundle", str(tiny_bundle), "--compare", missing],
        [str(CLIP), "--bundle", str(tiny_bundle), "--until", "0.5", "--trace", f"{missing}/trace.jsonl"],
    ):
        assert main(["replay", *words]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_bad_question_has_its_outcome_all_the_same(tiny_bundle: Path) -> None:
    config = EngineConfig(str(tiny_bundle), threads=1, max_cameras=1)
    late = Asked(int(2 * UNTIL_S * 1e9), Query("asked after the end", "clip", max_tokens=2))
    empty = dataclasses.replace(late, at_ns=0, query=Query(" ", "clip"))
    replayed = replay(config, str(CLIP), [late, empty], until_s=0.5)
    assert [answer.outcome for answer in replayed.answers] == [Outcome.FAILED, Outcome.COMPLETE]
