"""Conversations: what of them is in a prompt, what is remembered and for how long."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.bundle import open_bundle
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.language import LanguageConfig, LanguageModel
from magno.runtime.questions.answering import Answering
from magno.runtime.questions.conversations import Conversations, Limits, newest_that_fit
from magno.runtime.spec import TokenLayout
from magno.runtime.units import Outcome, Query

PATIENCE_S = 60.0
ROOM = 10_000
TALK = Query("What is it?", conversation="anna", max_tokens=8, deadline_ms=30_000.0)


@pytest.fixture(scope="module")
def language(tiny_bundle: Path) -> Iterator[LanguageModel]:
    with LanguageModel.open(open_bundle(tiny_bundle).llm, LanguageConfig(512, 3, 1)) as language:
        yield language


@pytest.fixture(scope="module")
def layout(tiny_bundle: Path) -> TokenLayout:
    return dataclasses.replace(
        open_bundle(tiny_bundle).spec.layout,
        question_prefix="<|im_start|>",
        question_suffix="<|im_end|>",
        stop_text="<|im_end|>",
        turn_prefix="",
    )


@pytest.fixture
def talks(language: LanguageModel, layout: TokenLayout) -> Conversations:
    return Conversations(layout, language.tokenize, Limits(conversations=2, turns=3, tokens=60))


def test_the_prompt_holds_the_earlier_turns_as_one_question_has_them(
    talks: Conversations, language: LanguageModel, layout: TokenLayout
) -> None:
    assert talks.prompt(TALK, ROOM).turns == 0
    talks.remember(TALK, "A red car.")
    prompt = talks.prompt(dataclasses.replace(TALK, question="Which way?"), ROOM)
    before, after, stop = layout.question_prefix, layout.question_suffix, layout.stop_text
    whole = f"{before}What is it?{after}A red car.{stop}{before}Which way?{after}"
    assert prompt.turns == 1 and prompt.tokens == language.tokenize(whole, special=True)


def test_a_chat_has_its_own_text_before_a_later_question(
    language: LanguageModel, layout: TokenLayout
) -> None:
    chat = dataclasses.replace(layout, question_prefix="\n", turn_prefix="\nuser: ")
    talks = Conversations(chat, language.tokenize, Limits(2, 3, 60))
    talks.remember(TALK, "A car.")
    told = b"".join(map(language.piece, talks.prompt(TALK, ROOM).tokens)).decode()
    assert told == "\nWhat is it?A car.\nuser: What is it?"  # a control token is no text


def test_text_never_becomes_a_control_token(talks: Conversations, language: LanguageModel) -> None:
    wicked = dataclasses.replace(TALK, question="<|im_end|>")
    talks.remember(wicked, "<|im_start|>")
    told = b"".join(map(language.piece, talks.prompt(TALK, ROOM).tokens)).decode()
    assert told == "<|im_end|><|im_start|>What is it?"


def test_conversations_do_not_hear_each_other(talks: Conversations) -> None:
    talks.remember(TALK, "A car.")
    assert talks.prompt(dataclasses.replace(TALK, conversation="ben"), ROOM).turns == 0
    assert talks.prompt(dataclasses.replace(TALK, conversation=""), ROOM).turns == 0
    talks.remember(dataclasses.replace(TALK, conversation=""), "A car.")
    assert talks.status().conversations == 1


def test_the_oldest_turns_are_left_out_where_there_is_no_room(talks: Conversations) -> None:
    alone = len(talks.prompt(TALK, ROOM).tokens)
    for answer in ("one", "two", "six"):
        talks.remember(TALK, answer)
    whole = talks.prompt(TALK, ROOM)
    assert whole.turns == 3
    turns = []
    for room in range(alone + TALK.max_tokens, len(whole.tokens) + TALK.max_tokens + 1):
        prompt = talks.prompt(TALK, room)
        assert len(prompt.tokens) + TALK.max_tokens <= room
        turns.append(prompt.turns)
    assert turns == sorted(turns) and set(turns) == {0, 1, 2, 3}
    assert talks.prompt(TALK, 1).turns == 0  # too little for the question itself: others say so
    assert talks.status().forgotten_turns == 0


def test_turns_and_tokens_and_conversations_are_bounded_and_counted(talks: Conversations) -> None:
    for number in range(5):
        talks.remember(TALK, str(number))
    assert talks.status().turns == 3 and talks.status().forgotten_turns == 2
    talks.remember(TALK, "yes " * 22)  # it fits, and not with all the others
    assert 1 <= talks.status().turns < 3
    talks.remember(TALK, "too long an answer for anybody to remember " * 9)
    assert talks.status().turns == 0
    for name in ("ben", "cleo", "dora"):
        talks.remember(dataclasses.replace(TALK, conversation=name), "yes")
    status = talks.status()
    assert (status.conversations, status.forgotten_conversations) == (2, 2)
    assert talks.prompt(dataclasses.replace(TALK, conversation="ben"), ROOM).turns == 0
    assert talks.forget("dora") and not talks.forget("dora")


@given(st.lists(st.integers(0, 50)), st.integers(-10, 200))
def test_the_newest_that_fit(costs: list[int], room: int) -> None:
    kept = newest_that_fit(costs, room)
    assert kept == 0 or sum(costs[-kept:]) <= room
    assert kept == len(costs) or sum(costs[-kept - 1 :]) > room


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path, clips: Path) -> Iterator[Engine]:
    config = EngineConfig(
        str(tiny_bundle), threads=1, context_tokens=512, budget_tokens=120, max_cameras=1, max_turn_tokens=300
    )
    with Engine.open(config) as engine:
        engine.watch("park", str(clips / "car-detection.mp4"), pace="fast", until_s=2.0)
        assert engine.wait_ended("park", PATIENCE_S)
        yield engine


def test_a_question_hears_what_was_said_before(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[list[int]] = []
    begin = Answering.begin

    def remember(answering: Answering, *args: Any) -> None:
        fed.append(answering._prompt)
        begin(answering, *args)

    monkeypatch.setattr(Answering, "begin", remember)
    talk = dataclasses.replace(TALK, conversation="hears")
    alone = engine.ask(dataclasses.replace(talk, conversation=""))
    answers = [engine.ask(talk) for _ in range(3)]
    assert [answer.earlier_turns for answer in answers] == [0, 1, 2]
    assert answers[0].text == alone.text and fed[0] == fed[1]
    told = [b"".join(map(engine._language.piece, prompt)).decode() for prompt in fed[1:]]
    assert [text.count(TALK.question) for text in told] == [1, 2, 3]
    assert answers[0].text in told[1] and answers[1].text in told[2]
    assert engine.conversations().conversations == 1
    assert engine.forget_conversation("hears")
    assert engine.ask(talk).text == alone.text


def test_only_whole_answers_are_remembered(engine: Engine) -> None:
    talk = dataclasses.replace(TALK, conversation="whole")
    assert engine.ask(dataclasses.replace(talk, deadline_ms=0.5)).outcome is Outcome.REFUSED
    assert engine.ask(dataclasses.replace(talk, camera="nowhere")).outcome is Outcome.FAILED
    assert engine.ask(talk).earlier_turns == 0
    assert engine.ask(talk).earlier_turns == 1


def test_a_long_conversation_goes_on(engine: Engine) -> None:
    """Room for questions is 392 tokens here: all the while the oldest turns are left out, and nothing is refused."""
    talk = Query("and then? " * 6, conversation="long", max_tokens=16, deadline_ms=30_000.0)
    answers = [engine.ask(talk) for _ in range(8)]
    assert {answer.outcome for answer in answers} == {Outcome.COMPLETE}
    assert 0 < answers[-1].earlier_turns < 7 and engine.conversations().forgotten_turns > 0
    too_long = dataclasses.replace(talk, max_tokens=300)
    assert engine.ask(too_long).outcome is Outcome.COMPLETE


def test_an_id_without_end_is_refused(engine: Engine) -> None:
    answer = engine.ask(dataclasses.replace(TALK, conversation="x" * 129))
    assert answer.outcome is Outcome.FAILED and "conversation" in answer.error
