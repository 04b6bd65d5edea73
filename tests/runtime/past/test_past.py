"""Questions about what left the cache: as if they had been asked then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from magno.runtime.bundle import open_bundle
from magno.runtime.capture_time import columns, with_time
from magno.runtime.clock import WallClock
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.gguf.header import GgufHeader
from magno.runtime.gguf.word_rows import WordRows
from magno.runtime.language import LanguageConfig, LanguageModel
from magno.runtime.past import disk as past_disk
from magno.runtime.past.archive import Archive
from magno.runtime.past.disk import PastOnDisk
from magno.runtime.past.file import Origin
from magno.runtime.past.meaning import digest, directions
from magno.runtime.stream import LiveStream, PastError
from magno.runtime.units import Encoded, Outcome, Query, SpanKind
from tests.waiting import happens

BUDGET = 120
ASK = Query("Which way is the car moving?", "park", deadline_ms=30_000.0, max_tokens=8)
PATIENCE_S = 60.0


@pytest.fixture
def language(tiny_bundle: Path) -> Iterator[LanguageModel]:
    with LanguageModel.open(open_bundle(tiny_bundle).llm, LanguageConfig(1024, threads=1)) as language:
        yield language


def shown(spec, gops: int) -> list[Encoded]:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    kinds = [SpanKind.KEYFRAME, SpanKind.WINDOW, SpanKind.WINDOW] * gops
    rows = {SpanKind.KEYFRAME: spec.layout.keyframe_tokens, SpanKind.WINDOW: spec.layout.window_tokens}
    return [
        Encoded(
            kind, rng.normal(size=(rows[kind], spec.embed_dim)).astype(np.float32), at // 3, at * 10**9, at, 8
        )
        for at, kind in enumerate(kinds)
    ]


@pytest.mark.parametrize("kept", ["in memory", "on disk"])
def test_the_past_is_as_it_was(
    tiny_bundle: Path, language: LanguageModel, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The logits of a question asked about a moment are those of the same question asked then."""
    monkeypatch.setattr(past_disk, "FILE_BYTES", 1)  # a GOP a file
    spec = open_bundle(tiny_bundle).spec
    items = shown(spec, 8)
    archive = Archive(10**7)
    if kept == "on disk":
        archive = Archive(0, PastOnDisk(tmp_path, 10**9, Origin("tiny", "park", "boot", "life"), items[0]))
    stream = LiveStream(language, spec, BUDGET, archive)
    question = language.tokenize("Is it?")
    then: dict[int, np.ndarray] = {}
    for item in items:
        stream.append(item)
        assert happens(lambda: archive.disk is None or len(archive.disk._queue) < past_disk.QUEUE_FILES)
        if stream.holds(0):  # nothing has left yet
            with stream.sequence.fork() as fork:
                fork.append(question, want_logits=True)
                then[item.pts_ns] = fork.logits()
    assert len(then) > 3 and not stream.holds(max(then))
    assert archive.disk is None or happens(
        lambda: len(list(tmp_path.glob("*.past"))) == 7 and not archive.lost
    )
    for pts_ns, wanted in then.items():
        past = stream.until(pts_ns)
        assert (
            bool(past.pieces) == (pts_ns > 0) and past.seen.pts_ns == pts_ns
        )  # its first keyframe never leaves
        with past.sequence as fork:
            for piece in past.pieces:
                fork.append(piece.text)
                fork.append(piece.rows.astype(np.float32))
            assert fork.tokens == past.seen.cached_tokens
            fork.append(question, want_logits=True)
            assert np.abs(fork.logits() - wanted).max() < 0.02 * np.abs(wanted).max()
    stream.release()


def test_what_an_earlier_life_saw_is_told_with_this_one_s_time(
    tiny_bundle: Path, language: LanguageModel, tmp_path: Path
) -> None:
    plain = open_bundle(tiny_bundle).spec
    lags = tuple(number / 4 for number in range(plain.layout.window_tokens))
    spec = replace(plain, layout=replace(plain.layout, time_periods_s=(4.0, 64.0), time_lags=lags))
    items = [
        replace(item, rows=with_time(item.rows, item.pts_ns, (4.0, 64.0)), capture_ns=item.pts_ns)
        for item in shown(spec, 4)
    ]
    before = PastOnDisk(tmp_path, 10**9, Origin("tiny", "park", "boot", "earlier"), items[0])
    for item in items:
        before.add(item)
    before.close()
    before.wait()
    first = replace(items[0], capture_ns=100 * 10**9)
    disk = PastOnDisk(tmp_path, 10**9, Origin("tiny", "park", "boot", "later"), first)
    stream = LiveStream(language, spec, BUDGET, Archive(0, disk))
    stream.append(first)
    assert happens(lambda: disk.since_ns() < 0)
    moment_ns = items[5].pts_ns - 100 * 10**9  # of this life's time
    past = stream.until(moment_ns)
    assert past.seen.pts_ns == moment_ns
    told = past.pieces[-1].rows
    np.testing.assert_array_equal(told[:, :-4], items[5].rows[:, :-4].astype(np.float16))
    length_ns = items[5].pts_ns - items[4].pts_ns
    moments_ns = [moment_ns - lag_ns for lag_ns in spec.layout.lags_ns(length_ns)]
    assert items[5].kind is SpanKind.WINDOW and len(moments_ns) == len(told)
    np.testing.assert_allclose(told[:, -4:], columns(moments_ns, (4.0, 64.0)), atol=2e-3)
    past.sequence.release()
    stream.release()


def test_a_window_of_another_length_is_no_window_of_this_model(
    tiny_bundle: Path, language: LanguageModel
) -> None:
    spec = open_bundle(tiny_bundle).spec
    stream = LiveStream(language, spec, BUDGET, Archive(10**7))
    items = shown(spec, 8)
    for item in items:
        stream.append(replace(item, rows=item.rows[:-1]) if item is items[5] else item)
    with pytest.raises(PastError, match=f"wants {spec.layout.window_tokens} rows"):
        stream.until(items[5].pts_ns)
    with stream.until(items[8].pts_ns, gop_alone=True).sequence:
        pass  # what else is remembered can be asked about
    stream.release()


def test_a_moment_that_was_found_brings_its_gop_alone(tiny_bundle: Path, language: LanguageModel) -> None:
    spec = open_bundle(tiny_bundle).spec
    stream = LiveStream(language, spec, BUDGET, Archive(10**7))
    items = shown(spec, 8)
    for item in items:
        stream.append(item)
    ends = [item.pts_ns for item in items[2::3]]
    kept = [item for item in items if item.kind is SpanKind.KEYFRAME]
    for gop, keyframe in enumerate(kept):
        found = stream.moment_ns([directions(digest(keyframe.rows).steps[:1])])
        assert found == (None if stream.holds(ends[gop]) else ends[gop])
    past = stream.until(ends[2], gop_alone=True)
    assert [len(piece.rows) for piece in past.pieces] == [len(item.rows) for item in items[6:9]]
    assert past.seen.pts_ns == ends[2]
    past.sequence.release()
    stream.release()


def test_what_the_cache_still_holds_is_not_prefilled_again(
    tiny_bundle: Path, language: LanguageModel
) -> None:
    spec = open_bundle(tiny_bundle).spec
    stream = LiveStream(language, spec, BUDGET, Archive(10**7))
    for item in shown(spec, 8):
        stream.append(item)
    newest = stream.seen()
    assert newest is not None
    past = stream.until(newest.pts_ns - 10**9)
    assert not past.pieces and past.seen.pts_ns == newest.pts_ns - 10**9
    assert past.sequence.tokens == past.seen.cached_tokens == newest.cached_tokens - spec.layout.window_tokens
    past.sequence.release()
    stream.release()


def test_what_nobody_remembers_is_told(tiny_bundle: Path, language: LanguageModel) -> None:
    spec = open_bundle(tiny_bundle).spec
    stream = LiveStream(language, spec, BUDGET)
    for item in shown(spec, 8):
        stream.append(item)
    with pytest.raises(PastError, match=r"which are remembered, found 20 s ago"):
        stream.until(3 * 10**9)
    stream.release()


def test_the_engine_answers_as_of_then(tiny_bundle: Path, clips: Path) -> None:
    config = EngineConfig(
        str(tiny_bundle), threads=1, context_tokens=1024, budget_tokens=BUDGET, max_cameras=2
    )
    with Engine.open(config) as engine:
        engine.watch("park", str(clips / "car-detection.mp4"), pace="fast", until_s=8.0)
        assert engine.wait_ended("park", PATIENCE_S)
        now = engine.ask(ASK)
        ago = engine.ask(replace(ASK, ago_s=5.0))
        worded = engine.ask(replace(ASK, question="Which way is the car moving five seconds ago?"))
        recent = engine.ask(replace(ASK, question="Which way is the car moving 0.2 seconds ago?"))
        older = engine.ask(replace(ASK, ago_s=600.0))
        bad = engine.ask(replace(ASK, ago_s=float("nan")))
    assert now.frame_pts_ns is not None and ago.frame_pts_ns is not None
    assert now.outcome is ago.outcome is Outcome.COMPLETE and now.recalled_tokens == 0 < ago.recalled_tokens
    assert 4.5 <= (now.frame_pts_ns - ago.frame_pts_ns) / 1e9 <= 6.0
    # "Five seconds ago" is said later: on a slow machine it is another picture.
    assert worded.frame_pts_ns is not None and 0 <= worded.frame_pts_ns - ago.frame_pts_ns <= 2e9
    assert worded.outcome is Outcome.COMPLETE and worded.recalled_tokens > 0
    assert recent.frame_pts_ns == now.frame_pts_ns and recent.recalled_tokens == 0
    assert older.outcome is Outcome.REFUSED and "remembered" in older.error and older.retry_after_ms is None
    assert bad.outcome is Outcome.FAILED and "ago_s" in bad.error


def test_the_engine_finds_the_moment_that_a_question_names(tiny_bundle: Path, clips: Path) -> None:
    config = EngineConfig(
        str(tiny_bundle), threads=1, context_tokens=1024, budget_tokens=BUDGET, max_cameras=2
    )
    with Engine.open(config) as engine:
        early = engine.submit(replace(ASK, recall=True)).result()
        engine.watch("park", str(clips / "car-detection.mp4"), pace="fast", until_s=8.0)
        assert engine.wait_ended("park", PATIENCE_S)
        named = [engine.ask(replace(ASK, recall=True, question=word)) for word in ("car", "left", "the", "?")]
        timed = engine.ask(replace(ASK, recall=True, ago_s=5.0))
        standing = engine.ask(ASK)
    assert early.outcome is Outcome.FAILED  # no such camera yet
    assert all(answer.outcome is Outcome.COMPLETE for answer in named)
    past = [answer for answer in named if answer.recalled_tokens]
    assert past and all(answer.frame_pts_ns != standing.frame_pts_ns for answer in past)
    assert all(answer.recalled_tokens < timed.recalled_tokens for answer in past)
    assert named[-1].recalled_tokens == 0 and named[-1].frame_pts_ns == standing.frame_pts_ns


def test_where_words_cannot_be_read_recall_by_meaning_says_so(tiny_bundle: Path, clips: Path) -> None:
    config = EngineConfig(str(tiny_bundle), threads=1, max_cameras=1)
    with Engine.open(config) as engine:
        engine.watch("park", str(clips / "car-detection.mp4"), pace="fast", until_s=2.0)
        assert engine.wait_ended("park", PATIENCE_S)
        engine._language.words = WordRows(tiny_bundle, GgufHeader(3, 1, 1))
        failed = engine.ask(replace(ASK, recall=True))
        timed = engine.ask(replace(ASK, recall=True, ago_s=1.0))
    assert failed.outcome is Outcome.FAILED and "with a time" in failed.error
    assert timed.outcome is Outcome.COMPLETE


def test_a_new_engine_remembers_what_an_older_one_saw(tiny_bundle: Path, clips: Path, tmp_path: Path) -> None:
    config = EngineConfig(
        str(tiny_bundle),
        threads=1,
        context_tokens=1024,
        budget_tokens=BUDGET,
        max_cameras=2,
        past_dir=str(tmp_path),
    )
    clip = str(clips / "car-detection.mp4")
    with Engine.open(config) as engine:
        engine.watch("park", clip, pace="fast", until_s=8.0)
        assert engine.wait_ended("park", PATIENCE_S)
        captured_ns = engine.status()["park"].newest_capture_ns
        assert captured_ns is not None
    with Engine.open(config) as engine:
        engine.watch("park", clip, pace="fast", until_s=2.0)
        engine.watch("gate", clip, pace="fast", until_s=2.0)  # another camera, with no past
        assert engine.wait_ended("park", PATIENCE_S) and engine.wait_ended("gate", PATIENCE_S)
        assert happens(lambda: engine.status()["park"].remembered_s > 9.0)
        ago_s = (WallClock().now_ns() - captured_ns) / 1e9 + 3.0
        answer = engine.ask(replace(ASK, ago_s=ago_s))
        other = engine.ask(replace(ASK, camera="gate", ago_s=ago_s))
        status = engine.status()
    assert answer.outcome is Outcome.COMPLETE and answer.recalled_tokens > 0
    assert answer.frame_pts_ns is not None and answer.frame_pts_ns < 0
    assert answer.cached_tokens <= BUDGET and status["park"].past_lost == 0
    assert other.outcome is Outcome.REFUSED and "remembered" in other.error


def test_no_room_for_the_past_is_a_sentence(tiny_bundle: Path, clips: Path) -> None:
    config = EngineConfig(
        str(tiny_bundle), threads=1, context_tokens=230, budget_tokens=BUDGET, max_cameras=1
    )
    with Engine.open(config) as engine:
        engine.watch("park", str(clips / "car-detection.mp4"), pace="fast", until_s=6.0)
        assert engine.wait_ended("park", PATIENCE_S)
        past = engine.ask(replace(ASK, ago_s=4.0))
        assert past.outcome is Outcome.REFUSED and "Raise context_tokens" in past.error
        assert engine.ask(ASK).outcome is Outcome.COMPLETE
