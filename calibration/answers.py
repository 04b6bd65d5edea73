"""The same words: questions to the live sequence, which is prefilled while watching and forked, against all of the past
prefilled when they come (see at_query). Temperature 0, the same llama.cpp, and nothing evicted.

Clips are played in lockstep, so that both ways have seen the same when a question comes; where they have not, nothing
is compared. The logits of an answer's first token are overheard as the engine gets them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from magno.calibration.at_query import Shown, decode, encode, language_config, past_of, prefill, shown
from magno.calibration.loads.mix import WORDS
from magno.calibration.made_clips import resized
from magno.calibration.moments import spread
from magno.calibration.sameness import Asked, Compared, Said, compared, spaced, that_fit
from magno.runtime.bundle import Bundle, open_bundle
from magno.runtime.clock import NS_PER_S
from magno.runtime.commands.ask import DEFAULT_BUNDLE
from magno.runtime.config import EngineConfig
from magno.runtime.encoder import open_encoder
from magno.runtime.engine import Engine
from magno.runtime.language import LanguageModel
from magno.runtime.memory import QUESTION_ROOM_TOKENS
from magno.runtime.units import CodecFrame, MagnoError, Outcome, Query

CLIPS = Path("tests/clips")
CAMERA = "clip"
MADE_SIZE, MADE_PICTURES = (320, 192), 300  # of each clip, coded anew
MAX_ANSWER_TOKENS = 16
DEADLINE_MS = 600_000.0  # far off: answers are to be whole
SAME_TEXTS = 0.99  # of all, at least
MOST_LOGITS = 0.25  # that a logit may differ by: flash attention alone makes up to 0.1
MOST_KL = 0.001  # nats
DIFFERENCES = 10  # that are told in full


class AnswersError(MagnoError):
    """What cannot be compared."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    parser.add_argument("--bundle", default=DEFAULT_BUNDLE, metavar="DIR", help="default: %(default)s")
    parser.add_argument(
        "--clips",
        type=Path,
        nargs="+",
        metavar="FILE",
        help=f"default: those in {CLIPS}, and each coded anew",
    )
    parser.add_argument("--questions", type=int, default=500, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--flash-attention", action="store_true", help="in what is prefilled when asked, as ttft has it"
    )


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, object]:
    """Ask both ways, clip by clip. Raises MagnoError."""
    if args.questions < 1:
        raise AnswersError(f"A bench wants 1 question or more, found {args.questions}.")
    bundle = open_bundle(Path(args.bundle))
    budget = bundle.spec.trained_context - QUESTION_ROOM_TOKENS
    config = EngineConfig(args.bundle, max_cameras=1, budget_tokens=budget)
    found: list[Compared] = []
    with tempfile.TemporaryDirectory() as folder, Engine.open(config) as engine:
        clips = args.clips or list(_all_clips(Path(folder), say))
        for number, clip in enumerate(clips):
            told = f"clip {number + 1} of {len(clips)}, {clip.stem}"
            wanted = round((args.questions - len(found)) / (len(clips) - number))
            fit = that_fit(shown(bundle, str(clip), None), bundle.spec, budget)
            asked = spaced(fit, WORDS, wanted) if fit else []
            say(f"{told}: watching, with {len(asked)} questions")
            ours = _while_watching(engine, clip, asked)
            for one, mine, other in zip(
                asked, ours, _when_asked(bundle, fit, asked, args.flash_attention), strict=True
            ):
                _check_same_past(clip, one, mine, other)
                found.append(compared(clip.stem, one, mine, other))
                say(f"{told}: {len(found)} of {args.questions} questions compared")
    if not found:
        raise AnswersError("A bench wants clips of two windows or more, found none: name others.")
    return {"flash_attention_when_asked": args.flash_attention, **_figures(found, args.questions)}


def _all_clips(folder: Path, say: Callable[[str], None]) -> Iterator[Path]:
    real = sorted(CLIPS.glob("*.mp4"))
    yield from real
    for clip in real:
        say(f"coding {clip.stem} anew")
        made = folder / f"{clip.stem}-anew.mp4"
        resized(clip, made, MADE_SIZE, MADE_PICTURES)
        yield made


def _while_watching(engine: Engine, clip: Path, asked: Sequence[Asked]) -> list[Said]:
    """Each question as its moment comes. Raises MagnoError."""
    if not asked:
        return []
    with _overheard(engine._language) as logits:
        pauses = _Pauses(engine, asked, logits)
        until_s = asked[-1].at_ns / NS_PER_S + 1.0  # for a picture after the last moment
        engine.watch(CAMERA, str(clip), pace="fast", until_s=until_s, gate=pauses)
        engine.wait_ended(CAMERA)
        engine.unwatch(CAMERA)
    return pauses.said


class _Pauses:
    """Asks while the clip waits: see watcher.Gate."""

    def __init__(self, engine: Engine, asked: Sequence[Asked], logits: list[np.ndarray]) -> None:
        self._engine, self._asked, self._logits = engine, deque(asked), logits
        self.said: list[Said] = []

    def before(self, frame: CodecFrame) -> CodecFrame:
        while self._asked and frame.pts_ns > self._asked[0].at_ns:
            self._logits.clear()
            query = Query(self._asked.popleft().question, CAMERA, DEADLINE_MS, MAX_ANSWER_TOKENS)
            answer = self._engine.ask(query)
            if answer.outcome is not Outcome.COMPLETE:
                raise AnswersError(
                    f"A bench wants whole answers, found one {answer.outcome.value}: {answer.error}"
                )
            self.said.append(Said(answer.text, self._logits[0], answer.cached_tokens))
        return frame

    def after(self) -> None:
        self._engine.wait_taken(CAMERA)


@contextmanager
def _overheard(language: LanguageModel) -> Iterator[list[np.ndarray]]:
    """All logits that native steps give, in their order: an answer tells its text alone."""
    heard: list[np.ndarray] = []
    step = language._decode

    def overhear(parts: list[Any]) -> list[np.ndarray | None]:
        given = step(parts)
        heard.extend(one for one in given if one is not None)
        return given

    language._decode = overhear  # type: ignore[method-assign]
    try:
        yield heard
    finally:
        del language._decode


def _when_asked(
    bundle: Bundle, fit: Sequence[Shown], asked: Sequence[Asked], flash_attention: bool
) -> Iterator[Said]:
    """Each question with all that was known by then prefilled for it alone. Raises MagnoError."""
    items = [one.item for one in fit]
    config = replace(language_config(bundle.spec, items), flash_attention=flash_attention)
    with open_encoder(bundle) as encoder, LanguageModel.open(bundle.llm, config) as language:
        rows = encode(encoder, bundle, items)
        for at_ns, questions in groupby(asked, key=lambda one: one.at_ns):
            known = sum(one.known_ns <= at_ns for one in fit)
            past = past_of(language, bundle.spec.layout, items[:known], rows[:known])
            for one in questions:
                with prefill(language, bundle.spec.layout, past, one.question) as sequence:
                    logits = sequence.logits()
                    text = decode(language, sequence, sequence.step(), MAX_ANSWER_TOKENS)
                yield Said(text, logits, sum(map(len, past)))


def _check_same_past(clip: Path, asked: Asked, ours: Said, theirs: Said) -> None:
    if ours.past_tokens != theirs.past_tokens:
        raise AnswersError(
            f"Both ways want to have seen the same of {clip.name} at {asked.at_ns / NS_PER_S:.2f} s, found "
            f"{ours.past_tokens} tokens while watching and {theirs.past_tokens} when asked: report this."
        )


def _figures(found: Sequence[Compared], wanted: int) -> dict[str, object]:
    logits, kl = (spread([getattr(one, what) for one in found]) for what in ("logits", "kl"))
    same = sum(one.same_text for one in found) / len(found)
    past = [one.past_tokens for one in found]
    return {
        "questions": len(found),
        "clips": len({one.clip for one in found}),
        "past_tokens": [min(past), max(past)],
        "different_answers": len({one.texts[1] for one in found}),
        "same_texts": same,
        "logits": logits,
        "kl_nats": kl,
        "tolerance": {"same_texts": SAME_TEXTS, "logits": MOST_LOGITS, "kl_nats": MOST_KL},
        "differences": [_told(one) for one in found if not one.same_text][:DIFFERENCES],
        "failed": same < SAME_TEXTS
        or logits["worst"] > MOST_LOGITS
        or kl["worst"] > MOST_KL
        or len(found) < wanted,
    }


def _told(one: Compared) -> dict[str, object]:
    return {
        "clip": one.clip,
        "at_s": one.asked.at_ns / NS_PER_S,
        "question": one.asked.question,
        "while_watching": one.texts[0],
        "when_asked": one.texts[1],
        "logits": one.logits,
        "margin": one.margin,
    }


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    low, high = figures["past_tokens"]
    verdict = "MISSED" if figures["failed"] else "All within bounds"
    table = Table(
        title=f"{figures['questions']} questions about {figures['clips']} clips, while watching and when asked",
        caption=f"{low} to {high} tokens of past, {figures['different_answers']} different answers. {verdict}.",
    )
    for column in ("", "p50", "p99", "worst", "allowed"):
        table.add_column(column, justify="left" if not column else "right")
    allowed = figures["tolerance"]
    for name, what in (("largest difference of first logits", "logits"), ("KL, nats", "kl_nats")):
        table.add_row(
            name, *(f"{figures[what][of]:.2g}" for of in ("p50", "p99", "worst")), f"{allowed[what]:g}"
        )
    table.add_row("same text", "", "", f"{figures['same_texts']:.1%}", f"{allowed['same_texts']:.0%}")
    for one in figures["differences"]:
        table.add_row(
            f"{one['clip']} at {one['at_s']:.1f} s, {one['question']} {one['while_watching']} / {one['when_asked']}"
        )
    return table
