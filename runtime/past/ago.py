"""What moment a question names in words: "ten seconds ago". Pure."""

from __future__ import annotations

import re

UNITS_S = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
NUMBERS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
WORDS = {word: float(number) for number, word in enumerate(NUMBERS)}
WORDS |= {"a": 1.0, "an": 1.0, "half a": 0.5, "half an": 0.5, "a few": 3.0, "a couple of": 2.0}
WORDS |= {"fifteen": 15.0, "twenty": 20.0, "thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0}
_NUMBER = "|".join(sorted(WORDS, key=len, reverse=True))
_AGO = re.compile(
    rf"(?:\babout )?\b(\d{{1,6}}(?:\.\d{{1,3}})?|{_NUMBER}) (second|minute|hour)s? ago\b", re.IGNORECASE
)


def ago_s(question: str) -> float:
    """How long before now; 0 where it names no moment, or several."""
    found = _AGO.findall(question)
    if len(found) != 1:
        return 0.0
    number, unit = found[0]
    words = number.lower()
    return (WORDS[words] if words in WORDS else float(words)) * UNITS_S[unit.lower()]


def without_ago(question: str) -> str:
    """The question as it would have been asked at that moment: in the words that name it no more."""
    bare = re.sub(r"\s{2,}", " ", _AGO.sub("", question)).strip(" ,")
    return re.sub(r"\s*,?\s+([?.!])", r"\1", bare)
