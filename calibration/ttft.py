"""Time to first token: prefilled while watching (ours) against everything prefilled when the question comes (the
paper's way: see at_query).

Both see the same pictures of the same clip through the same encoders and the same llama.cpp; so does a third, which
knows no codec data and prefills 64 pictures of the past, each whole (the paper's baseline). The time that decoding
takes is left out of the other ways, and all are warm when they are asked. They are asked in turn, as often as told;
of a long video less often, since to prefill all of it takes its time: 512 s are 21,000 tokens of pocket. Where even
once would take too long, ours can be asked alone (--alone-at).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from magno.calibration.at_query import BATCH, decode, dense, encode, language_config, past_of, prefill, shown
from magno.runtime.bundle import Bundle, open_bundle
from magno.runtime.clock import NS_PER_MS, NS_PER_S, WallClock
from magno.runtime.config import EngineConfig
from magno.runtime.encoder import Encoder, open_encoder
from magno.runtime.engine import Engine
from magno.runtime.language import LanguageModel
from magno.runtime.units import Answer, MagnoError, Query
from magno.runtime.window import FusedWindow, Keyframe

QUESTION = "Which way is the car moving?"
MAX_ANSWER_TOKENS = 16
WARM_ITEMS = 2 * BATCH  # keyframes and windows, before any are timed
LOOK_S = 0.2
CAMERA = "clip"
PATIENCE_S, MAX_PATIENCE_S = 60.0, 86_400.0
DEADLINE_MS = 60_000.0  # far off: what is measured is not the deadline


class BenchError(MagnoError):
    """What cannot be measured."""


@dataclass(frozen=True, slots=True)
class AtQuery:
    """A question answered the paper's way."""

    text: str
    ttft_ms: float
    encode_ms: float
    prefill_ms: float
    tokens: int  # prefilled


@dataclass(frozen=True, slots=True)
class Row:
    """One moment of a clip, asked each way; the fastest of the repeats."""

    at_s: float
    repeats: int
    streaming_ms: float
    streaming_text: str
    streaming_tokens: int  # in the cache that the question forked
    # Of the other ways; None where ours was asked alone.
    at_query_ms: float | None = None
    ratio: float | None = None
    at_query_text: str | None = None
    at_query_tokens: int | None = None
    dense_ms: float | None = None  # 64 whole pictures prefilled when asked
    dense_ratio: float | None = None
    dense_tokens: int | None = None


def prefill_at_query(bundle: Path, clip: str, at_s: float | None, question: str, repeats: int = 1) -> AtQuery:
    """Watch without prefilling, then pay for everything once the question is there; the fastest of the repeats.

    Raises MagnoError.
    """
    with paper_way(bundle, clip, at_s) as ask:
        return min((ask(question, False) for _ in range(repeats)), key=lambda run: run.ttft_ms)


@contextmanager
def paper_way(
    bundle: Path, clip: str, at_s: float | None, say: Callable[[str], None] = lambda words: None
) -> Iterator[Callable[[str, bool], AtQuery]]:
    """What asks about a clip with nothing prefilled, of all that was seen or, told so, of `dense` pictures; they are
    decoded before, the models loaded and warm."""
    opened = open_bundle(bundle)
    found = shown(
        opened, clip, at_s, lambda pictures: say(f"decoding for the other way: {pictures} pictures")
    )
    items = [one.item for one in found]
    whole = dense(items)
    configs = [language_config(opened.spec, each) for each in (items, whole)]
    config = max(configs, key=lambda one: one.context_tokens)
    with open_encoder(opened, threads=2) as encoder, LanguageModel.open(opened.llm, config) as language:
        _answer(opened, encoder, language, items[:WARM_ITEMS], QUESTION)
        yield lambda question, is_dense: _answer(
            opened, encoder, language, whole if is_dense else items, question
        )


def compare(
    bundle: Path,
    clip: str,
    at_s: float,
    question: str,
    repeats: int,
    patience_s: float = PATIENCE_S,
    say: Callable[[str], None] = lambda words: None,
) -> Row:
    """Ask at one moment each way, in turn, in one run; not again once `patience_s` have passed. Raises MagnoError.

    The fastest of each is taken: work beside it on the machine slows the other ways more, with its many steps
    that wait for every thread, and a median would make ours look better than it is.
    """
    _check(repeats, patience_s)
    tell = _after(at_s, say)
    with (
        _watched(bundle, clip, at_s, question, tell) as engine,
        paper_way(bundle, clip, at_s, tell) as ask_at_query,
    ):
        clock, rounds = WallClock(), list[tuple[Answer, AtQuery, AtQuery]]()
        until_ns = clock.now_ns() + int(patience_s * NS_PER_S)
        while not rounds or (len(rounds) < repeats and clock.now_ns() < until_ns):
            tell(f"asking each way, {len(rounds) + 1} of {repeats} times at most")
            others = ask_at_query(question, False), ask_at_query(question, True)
            rounds.append((_ask(engine, question), *others))
    row = _row(at_s, [answer for answer, _, _ in rounds])
    at_query_ms = min(other.ttft_ms for _, other, _ in rounds)
    dense_ms = min(other.ttft_ms for _, _, other in rounds)
    _, theirs, whole = rounds[-1]
    return replace(
        row,
        at_query_ms=at_query_ms,
        ratio=at_query_ms / row.streaming_ms,
        at_query_text=theirs.text,
        at_query_tokens=theirs.tokens,
        dense_ms=dense_ms,
        dense_ratio=dense_ms / row.streaming_ms,
        dense_tokens=whole.tokens,
    )


def alone(
    bundle: Path,
    clip: str,
    at_s: float,
    question: str,
    repeats: int,
    say: Callable[[str], None] = lambda words: None,
) -> Row:
    """Ask at one moment our way alone. Raises MagnoError."""
    _check(repeats)
    with _watched(bundle, clip, at_s, question, _after(at_s, say)) as engine:
        return _row(at_s, [_ask(engine, question) for _ in range(repeats)])


def _check(repeats: int, patience_s: float = 0.0) -> None:
    if repeats < 1:
        raise BenchError(f"A bench wants 1 repeat or more, found {repeats}.")
    if not 0 <= patience_s <= MAX_PATIENCE_S:  # false for NaN too
        raise BenchError(f"The patience wants 0 to {MAX_PATIENCE_S:.0f} s, found {patience_s}.")


def _after(at_s: float, say: Callable[[str], None]) -> Callable[[str], None]:
    return lambda words: say(f"after {at_s:g} s of video: {words}")


@contextmanager
def _watched(
    bundle: Path, clip: str, at_s: float, question: str, tell: Callable[[str], None]
) -> Iterator[Engine]:
    """An engine that has seen all of the video, and is warm: it was asked once."""
    with Engine.open(EngineConfig(bundle=str(bundle))) as engine:
        engine.watch(CAMERA, clip, pace="fast", until_s=at_s, loop=True)
        while not engine.wait_ended(CAMERA, LOOK_S):
            tell(f"watching, {engine.status()[CAMERA].pictures_received} pictures")
        _ask(engine, question)
        yield engine


def _row(at_s: float, answers: list[Answer]) -> Row:
    fastest = min(answer.ttft_ms for answer in answers if answer.ttft_ms)
    return Row(at_s, len(answers), fastest, answers[-1].text, answers[-1].cached_tokens)


def _ask(engine: Engine, question: str) -> Answer:
    answer = engine.ask(Query(question, deadline_ms=DEADLINE_MS, max_tokens=MAX_ANSWER_TOKENS))
    if answer.ttft_ms is None:
        raise BenchError(f"A bench wants answers, found one {answer.outcome.value}: {answer.error}")
    return answer


def _answer(
    bundle: Bundle,
    encoder: Encoder,
    language: LanguageModel,
    items: list[Keyframe | FusedWindow],
    question: str,
) -> AtQuery:
    clock, layout = WallClock(), bundle.spec.layout
    asked_ns = clock.now_ns()
    rows = encode(encoder, bundle, items)
    encoded_ns = clock.now_ns()
    with prefill(language, layout, past_of(language, layout, items, rows), question) as sequence:
        tokens, token = sequence.tokens, sequence.step()
        first_ns = clock.now_ns()
        text = decode(language, sequence, token, MAX_ANSWER_TOKENS)
    return AtQuery(
        text,
        (first_ns - asked_ns) / NS_PER_MS,
        (encoded_ns - asked_ns) / NS_PER_MS,
        (first_ns - encoded_ns) / NS_PER_MS,
        tokens,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    parser.add_argument("--bundle", type=Path, default=Path("bundles/pocket"), metavar="DIR")
    parser.add_argument("--clip", default="tests/clips/car-detection.mp4")
    parser.add_argument("--question", default=QUESTION)
    at = "of video; a clip that is shorter is begun again"
    parser.add_argument(
        "--at", type=float, nargs="+", default=[4.0, 8.0, 16.0, 30.0], metavar="SECONDS", help=at
    )
    parser.add_argument(
        "--alone-at",
        type=float,
        nargs="+",
        default=[],
        metavar="SECONDS",
        help="and then of these our way alone, where prefilling all of it would take too long",
    )
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="at most; default: %(default)s")
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE_S,
        metavar="SECONDS",
        help="of asking at one moment, after which it is not repeated; default: %(default)s",
    )


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, object]:
    """Each way, after each of the times. Raises MagnoError."""
    rows = []
    for at_s in args.at:
        row = compare(args.bundle, args.clip, at_s, args.question, args.repeats, args.patience, say)
        rows.append(asdict(row))
    for at_s in args.alone_at:
        rows.append(asdict(alone(args.bundle, args.clip, at_s, args.question, args.repeats, say)))
    return {"repeats": args.repeats, "rows": rows}


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    table = Table(
        title="Time to first token, the fastest of so many times",
        caption="64 pictures at most, whole, without codec data; cached, prefilled: tokens",
    )
    for column in (
        "after",
        "times",
        "while watching",
        "when asked",
        "ratio",
        "64 pictures",
        "ratio",
        "cached",
        "prefilled",
        "answers",
    ):
        table.add_column(column, justify="right")
    for row in figures["rows"]:
        table.add_row(
            f"{row['at_s']:g} s",
            str(row["repeats"]),
            f"{row['streaming_ms']:.1f} ms",
            _or_nothing("{:.1f} ms", row["at_query_ms"]),
            _or_nothing("{:.1f}x", row["ratio"]),
            _or_nothing("{:.1f} ms", row["dense_ms"]),
            _or_nothing("{:.1f}x", row["dense_ratio"]),
            str(row["streaming_tokens"]),
            _or_nothing("{}", row["at_query_tokens"]),
            " / ".join(text for text in (row["streaming_text"], row["at_query_text"]) if text is not None),
        )
    return table


def _or_nothing(form: str, value: float | None) -> str:
    return "" if value is None else form.format(value)
