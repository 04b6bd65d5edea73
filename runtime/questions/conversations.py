"""What was said before: the earlier turns of conversations, for the prompts of their next questions.

Bounded in conversations, turns and tokens; what is forgotten, oldest first, is counted. One thread at a time uses it.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from magno.runtime.spec import TokenLayout
from magno.runtime.units import MagnoError, Query

log = logging.getLogger("magno.engine")


class Tokenize(Protocol):
    def __call__(self, text: str, *, special: bool = ...) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class Limits:
    conversations: int
    turns: int  # of one conversation
    tokens: int  # of one conversation's turns


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is prefilled on a question's fork."""

    tokens: list[int]
    turns: int  # earlier ones that are in it


@dataclass(frozen=True, slots=True)
class ConversationsStatus:
    conversations: int
    turns: int  # of all
    forgotten_conversations: int  # whole ones, for newer ones
    forgotten_turns: int  # of conversations that go on


@dataclass(frozen=True, slots=True)
class _Turn:
    """A question, the suffix, its answer and the stop text: all but what is before a question."""

    tokens: list[int]


class Conversations:
    """Makes the prompt of every question; remembers the answers to those that belong to a conversation."""

    def __init__(self, layout: TokenLayout, tokenize: Tokenize, limits: Limits) -> None:
        self._tokenize, self._limits = tokenize, limits
        self._first = tokenize(layout.question_prefix, special=True)
        self._next = tokenize(layout.turn_prefix, special=True) if layout.turn_prefix else self._first
        self._suffix = tokenize(layout.question_suffix, special=True)
        self._stop = tokenize(layout.stop_text, special=True)
        self._turns: OrderedDict[str, deque[_Turn]] = OrderedDict()  # the one spoken in last is the last
        self._forgotten_conversations = self._forgotten_turns = 0

    def prompt(self, query: Query, room_tokens: int) -> Prompt:
        """Earlier turns and the question, as the layout has them; the oldest turns are left out where question,
        answer and turns do not fit the room."""
        asked = [*self._tokenize(query.question), *self._suffix]
        earlier = list(self._turns.get(query.conversation, ())) if query.conversation else []
        room = room_tokens - query.max_tokens - len(self._first) - len(asked)
        kept = newest_that_fit([self._cost(turn) for turn in earlier], room)
        turns = earlier[len(earlier) - kept :]
        tokens = list(self._first)
        for turn in turns:
            tokens += [*turn.tokens, *self._next]
        return Prompt(tokens + asked, kept)

    def remember(self, query: Query, answer: str) -> None:
        """Keep a whole answer, where its question belongs to a conversation."""
        if not query.conversation:
            return
        try:
            said = [*self._tokenize(query.question), *self._suffix, *self._tokenize(answer), *self._stop]
        except MagnoError as error:  # its answer is given all the same
            log.warning("conversation %r: a turn was left out: %s", query.conversation[:80], error)
            return
        turns = self._turns.setdefault(query.conversation, deque())
        self._turns.move_to_end(query.conversation)
        turns.append(_Turn(said))
        kept = newest_that_fit([self._cost(turn) for turn in turns], self._limits.tokens)
        while len(turns) > min(kept, self._limits.turns):
            turns.popleft()
            self._forgotten_turns += 1
        while len(self._turns) > self._limits.conversations:
            self._turns.popitem(last=False)
            self._forgotten_conversations += 1

    def forget(self, conversation: str) -> bool:
        """Whether there was such a conversation."""
        return self._turns.pop(conversation, None) is not None

    def status(self) -> ConversationsStatus:
        turns = sum(map(len, self._turns.values()))
        return ConversationsStatus(
            len(self._turns), turns, self._forgotten_conversations, self._forgotten_turns
        )

    def _cost(self, turn: _Turn) -> int:
        return len(turn.tokens) + len(self._next)


def newest_that_fit(costs: Sequence[int], room: int) -> int:
    """How many of the last of them fit together: none is left out between two that stay."""
    kept = 0
    for cost in reversed(costs):
        room -= cost
        if room < 0:
            break
        kept += 1
    return kept
