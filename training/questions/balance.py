"""Which of the possible questions are asked: all families alike, and in each all answers alike. Pure.

So the text of a question says nothing of its answer: whoever answers by it scores no more than chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from magno.training.questions.families import FAMILIES, Asked

SLACK = 3  # by so much an answer may run ahead of its fair share


class Balance:
    """Counts what was chosen, and chooses what is behind."""

    def __init__(self, quota: int | None = None) -> None:
        self._quota = quota  # of each family; None: no end
        self.families: Counter[str] = Counter()
        self.buckets: Counter[tuple[str, str]] = Counter()
        self._details: Counter[tuple[str, str, str]] = Counter()

    def choose(self, candidates: Iterable[Asked], number: int, rng: np.random.Generator) -> list[Asked]:
        """At most `number` of them, those most wanted first; equals by chance."""
        left, chosen = list(candidates), list[Asked]()
        rng.shuffle(left)  # type: ignore[arg-type]
        while left and len(chosen) < number:
            best = min(left, key=self._rank)
            left.remove(best)
            if not self._wanted(best):
                left = [each for each in left if self._wanted(each)]
                continue
            chosen.append(best)
            left = [each for each in left if not _same(each, best)]
            self.families[best.family] += 1
            self.buckets[best.family, best.bucket] += 1
            self._details[best.family, best.bucket, best.detail] += 1
        return chosen

    def lacking(self) -> list[str]:
        """Families whose quota is not full."""
        return [family for family in FAMILIES if self._quota and self.families[family] < self._quota]

    def _mean(self) -> float:
        """Of all families, how often one was asked."""
        return self.families.total() / len(FAMILIES)

    def _rank(self, asked: Asked) -> tuple[float, int, int]:
        return (
            self.families[asked.family] / FAMILIES[asked.family].weight,
            self.buckets[asked.family, asked.bucket],
            self._details[asked.family, asked.bucket, asked.detail],
        )

    def _wanted(self, asked: Asked) -> bool:
        total, weight = self.families[asked.family], FAMILIES[asked.family].weight
        if self._quota is None and weight < 1 and total >= SLACK + weight * self._mean():
            return False
        buckets = FAMILIES[asked.family].buckets or FAMILIES[asked.family].choices
        if self._quota is not None:
            fair = -(-self._quota // buckets)
            return total < self._quota and self.buckets[asked.family, asked.bucket] < fair
        return self.buckets[asked.family, asked.bucket] < total / buckets + SLACK


def _same(one: Asked, other: Asked) -> bool:
    """The same question at the same moment, though another family may have it too."""
    return (one.picture, one.phrase, one.thing, one.slots[1:]) == (
        other.picture,
        other.phrase,
        other.thing,
        other.slots[1:],
    ) and (one.thing >= 0 or one.slots == other.slots)
