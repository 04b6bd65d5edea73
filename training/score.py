"""Right or wrong, and how sure that is: normalised text, Wilson intervals, what text alone would score. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from magno.training.questions.words import COLOURS, NOUNS, SHAPES

Z95 = 1.96
ARTICLES = frozenset({"the", "a", "an", "it", "is"})
SPELLINGS = {"center": "centre", "color": "colour", "gray": "grey"}
EITHER = re.compile(r", (.+) or (.+)\?$")
PLACED = ("(the first)", "(the second)")
ENOUGH = 5  # times that a text must have been met to trust what was answered to it
FIELD = re.compile(rf"\b({'|'.join((*COLOURS, *SHAPES, *NOUNS))})\b")


@dataclass(frozen=True, slots=True)
class Share:
    right: int
    asked: int

    @property
    def value(self) -> float:
        return self.right / self.asked if self.asked else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.right, self.asked)


def wilson(right: int, asked: int) -> tuple[float, float]:
    """95 % interval of a share."""
    if not asked:
        return 0.0, 1.0
    share, spread = right / asked, Z95**2 / asked
    middle = (share + spread / 2) / (1 + spread)
    half = Z95 * math.sqrt(share * (1 - share) / asked + spread / (4 * asked)) / (1 + spread)
    return middle - half, middle + half


def normalised(text: str) -> str:
    """Lower case, no punctuation, no articles, one spelling: "The Red Square." is "red square"."""
    words = re.sub(r"[^a-z0-9 ]", " ", text.lower().replace("'", "")).split()
    kept = [SPELLINGS.get(word, word) for word in words if word not in ARTICLES]
    return " ".join(kept)


def is_right(told: str, answers: Sequence[str]) -> bool:
    return normalised(told) in {normalised(answer) for answer in answers}


def shares(families: Sequence[str], right: Sequence[bool]) -> dict[str, Share]:
    """By family, in the order in which they come."""
    asked, hits = Counter(families), Counter(f for f, hit in zip(families, right, strict=True) if hit)
    return {family: Share(hits[family], asked[family]) for family in asked}


def mean(by_family: dict[str, Share]) -> float:
    return sum(share.value for share in by_family.values()) / max(len(by_family), 1)


def masked(question: str) -> str:
    """A question without what it is about."""
    return FIELD.sub("*", question.lower())


def text_only(questions: Sequence[str], answers: Sequence[str], groups: Sequence[int]) -> list[str]:
    """What someone would answer who reads questions and sees nothing: of each, the answer that its text got most
    often in the other group (0 or 1). A text met too seldom goes by its form, and that by the whole."""
    told = []
    known = {group: _Known() for group in (0, 1)}
    for question, answer, group in zip(questions, answers, groups, strict=True):
        known[1 - group].learn(question, normalised(answer))
    for question, group in zip(questions, groups, strict=True):
        told.append(known[group].best(question))
    return told


def _by_place(question: str, answer: str) -> str:
    """An answer that is one of two named in the question, as which of the two."""
    pair = EITHER.search(question)
    named = [normalised(each) for each in pair.groups()] if pair else []
    return PLACED[named.index(answer)] if answer in named else answer


def _named(question: str, answer: str) -> str:
    pair = EITHER.search(question)
    return normalised(pair.groups()[PLACED.index(answer)]) if pair and answer in PLACED else answer


class _Known:
    def __init__(self) -> None:
        self._whole: dict[str, Counter[str]] = defaultdict(Counter)
        self._form: dict[str, Counter[str]] = defaultdict(Counter)
        self._all: Counter[str] = Counter()

    def learn(self, question: str, answer: str) -> None:
        answer = _by_place(question, answer)
        for counter in (self._whole[question], self._form[masked(question)], self._all):
            counter[answer] += 1

    def best(self, question: str) -> str:
        for counter in (self._whole.get(question), self._form.get(masked(question)), self._all):
            if counter and (counter.total() >= ENOUGH or counter is self._all):
                return _named(question, counter.most_common(1)[0][0])
        return ""
