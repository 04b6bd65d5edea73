"""One clip of a shard -> one row: what the runtime would hold of it, and the questions that fork it. Pure.

A row is system text, keyframes and windows in order, then questions. Each sees the stream up to the moment it is
asked and itself, never another question, and its positions go on from that moment: exactly a fork of the KV
cache. So one encoded stream teaches several answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from magno.runtime.spec import TokenLayout
from magno.training.questions.words import worded, written
from magno.training.shards import Lesson, Shard
from magno.training.symmetry import Symmetry

IGNORE = -100
MAX_GAP = 3000  # positions between the first keyframe and what follows, once something in between was evicted
GAP_SHARE = 0.35  # of rows that have gaps
MAX_AWAY_S = 200.0  # for so long, at most, what was evicted lasted
CANONICAL_SHARE = 0.5  # of the questions
# Families that are harder than others, or can seldom be asked, are asked more often where they can.
WEIGHTS = {
    "since_appeared": 5.0,
    "since_stopped": 5.0,
    "first": 4.0,
    "stop": 4.0,
    "start": 3.0,
    "direction_three": 2.5,
    "changed": 3.0,
    "direction_two": 2.0,
    "faster": 2.0,
    "count": 3.0,
    "what": 1.5,
    "direction": 1.5,
    "direction_background": 1.5,
    "direction_8": 3.0,
    "direction_moving_camera": 1.5,
    "camera": 2.0,
    "closer": 1.5,
    "away": 1.5,
    "colour": 0.7,
    "presence": 0.7,
}
LONG_AGO = {"2": 1.25, "3": 2.0}  # by what is answered: of times since, the longer fit into fewer rows
CHOSEN_SHARE = 0.7  # of rows that end where some question is asked

Encode = Callable[[str], list[int]]


@dataclass(frozen=True, slots=True)
class Span:
    """How much of a stream a row may show."""

    tokens: int  # of keyframes and windows
    gaps: bool  # some rows begin with the clip's first keyframe, and lack what followed


SHORT = Span(110, gaps=False)  # a keyframe and what moved after it: most questions need no more
MIDDLE = Span(180, gaps=False)
LONG = Span(420, gaps=True)  # as much as the runtime holds (memory.usual_budget)


@dataclass(slots=True)
class Row:
    """Tokens, and where encoders' outputs go among them."""

    clip: int
    items: list[int] = field(default_factory=list)  # of the clip, in order
    kinds: list[int] = field(default_factory=list)  # of these: 0 keyframe, 1 window
    places: list[int] = field(default_factory=list)  # column of each item's first token
    lengths: list[int] = field(default_factory=list)  # of each item, in tokens
    times_s: list[float] = field(default_factory=list)  # when each item's newest picture was shown
    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)  # 0 stream, else the question's number
    fork_at: list[int] = field(default_factory=list)  # how much of the stream a token sees
    labels: list[int] = field(default_factory=list)
    lessons: list[Lesson] = field(default_factory=list)  # of the questions, in order
    answers: list[int] = field(default_factory=list)  # column of each one's first answer token

    def columns(self, number: int) -> range:
        """Of one item's tokens."""
        return range(self.places[number], self.places[number] + self.lengths[number])

    def extend(self, ids: list[int], position: int, owner: int = 0, fork_at: int = 0, told: int = 0) -> None:
        """Append tokens from this position on; the last `told` of them are to be learned."""
        self.ids += ids
        self.owner += [owner] * len(ids)
        self.fork_at += [fork_at] * len(ids)
        self.positions += range(position, position + len(ids))
        self.labels += [IGNORE] * (len(ids) - told) + ids[len(ids) - told :]


class Rows:
    """Makes rows of one layout. `train=False`: the newest span of a clip, no gaps, canonical phrasings."""

    def __init__(self, encode: Encode, layout: TokenLayout, questions: int, *, train: bool) -> None:
        self._encode, self._layout, self._questions, self._train = encode, layout, questions, train
        self._system = encode(layout.system_text)
        self._openers = [encode(layout.text_before_keyframe(0.0, is_cut=cut)) for cut in (False, True)]

    def row(
        self,
        shard: Shard,
        clip: int,
        lessons: list[Lesson],
        symmetry: Symmetry,
        rng: np.random.Generator,
        span: Span = LONG,
    ) -> Row:
        kinds = shard.kinds(clip)
        items, begin = self._shown(kinds, lessons, span, rng)
        row = Row(clip)
        row.extend(self._system, 0)
        ends: dict[
            int, tuple[int, int]
        ] = {}  # item: tokens of the stream up to its end, and the next position
        gap_after = int(rng.integers(0, MAX_GAP)) if self._gap(span, rng) else 0
        times_s = self._times(shard, clip, items, rng, gap=gap_after > 0)
        for order, item in enumerate(items):
            position = row.positions[-1] + 1 + (gap_after if order == 1 else 0)
            if kinds[item] == 0:
                opener = self._openers[int(shard.arrays.cuts[shard.keyframe(clip, item)])]
                row.extend(opener, position)
                position += len(opener)
            row.items.append(item)
            row.kinds.append(int(kinds[item]))
            row.places.append(len(row.ids))
            row.lengths.append(self._tokens(int(kinds[item])))
            row.times_s.append(times_s[order])
            row.extend([0] * row.lengths[-1], position)
            ends[item] = len(row.ids), row.positions[-1] + 1
        asked = [each for each in lessons if each.item in ends and each.needs >= begin]
        for owner, lesson in enumerate(self._chosen(asked, rng), start=1):
            fork_at, position = ends[lesson.item]
            self._ask(row, lesson, symmetry, rng, owner, (fork_at, position))
        return row

    def _gap(self, span: Span, rng: np.random.Generator) -> bool:
        return self._train and span.gaps and bool(rng.random() < GAP_SHARE)

    def _times(
        self, shard: Shard, clip: int, items: list[int], rng: np.random.Generator, *, gap: bool
    ) -> list[float]:
        """Of the pictures that end these items. A stream may have begun at any time."""
        begun = rng.uniform(0, max(self._layout.time_periods_s, default=0.0)) if self._train else 0.0
        times = [begun + shard.shown_s(clip, item) for item in items]
        if gap:
            times[0] -= rng.uniform(0, MAX_AWAY_S)
        return times

    def _tokens(self, kind: int) -> int:
        return self._layout.window_tokens if kind else self._layout.keyframe_tokens

    def _shown(
        self, kinds: np.ndarray, lessons: list[Lesson], span: Span, rng: np.random.Generator
    ) -> tuple[list[int], int]:
        """The items that a row shows, and the first of those without a gap."""
        costs = [self._tokens(int(kind)) for kind in kinds]
        stop = len(kinds)
        if self._train and sum(costs) > span.tokens:
            stop = self._stop(kinds, costs, lessons, span, rng)
        begin, spent = stop, 0
        while begin > 0 and spent + costs[begin - 1] <= span.tokens:
            begin -= 1
            spent += costs[begin]
        heads = np.flatnonzero(kinds[:stop] == 0)
        begin = int(next((head for head in heads if head >= begin), heads[-1]))
        sink = [0] if span.gaps and begin > 0 and spent < span.tokens and rng.random() < 0.5 else []
        return [*sink, *range(begin, stop)], begin

    def _stop(
        self,
        kinds: np.ndarray,
        costs: list[int],
        lessons: list[Lesson],
        span: Span,
        rng: np.random.Generator,
    ) -> int:
        """After which item a row ends: anywhere, or where a question is asked for which the span is long enough.
        Without the latter hardly a row could ask what happened seconds ago."""
        keyframes = np.flatnonzero(kinds == 0)
        before = np.concatenate([[0], np.cumsum(costs)])
        starts = [keyframes[keyframes <= lesson.needs][-1] for lesson in lessons]
        fitting = [
            lesson
            for lesson, start in zip(lessons, starts, strict=True)
            if before[lesson.item + 1] - before[start] <= span.tokens
        ]
        if fitting and rng.random() < CHOSEN_SHARE:
            return fitting[rng.choice(len(fitting), p=_shares(fitting))].item + 1
        return int(rng.integers(min(4, len(kinds)), len(kinds) + 1))

    def _chosen(self, lessons: list[Lesson], rng: np.random.Generator) -> list[Lesson]:
        if len(lessons) <= self._questions:
            return lessons
        chosen = rng.choice(len(lessons), self._questions, replace=False, p=_shares(lessons))
        return [lessons[i] for i in chosen]

    def _ask(
        self,
        row: Row,
        lesson: Lesson,
        symmetry: Symmetry,
        rng: np.random.Generator,
        owner: int,
        fork: tuple[int, int],
    ) -> None:
        canonical = not self._train or rng.random() < CANONICAL_SHARE
        text = worded(lesson.phrase, lesson.slots, 0 if canonical else int(rng.integers(1, 5)))
        answer = symmetry.answer(lesson.phrase, lesson.answers[0])
        asked = [
            *self._encode(self._layout.question_prefix),
            *self._encode(text),
            *self._encode(self._layout.question_suffix),
        ]
        told = [*self._encode(written(answer)), *self._encode(self._layout.stop_text)]
        row.lessons.append(lesson)
        row.answers.append(len(row.ids) + len(asked))
        row.extend([*asked, *told], fork[1], owner, fork[0], len(told))


def _shares(lessons: list[Lesson]) -> np.ndarray:
    """How likely each is to be asked."""
    weights = np.array([_weight(lesson) for lesson in lessons])
    return np.asarray(weights / weights.sum())


def _weight(lesson: Lesson) -> float:
    since = lesson.family.startswith("since_")
    return WEIGHTS.get(lesson.family, 1.0) * (LONG_AGO.get(lesson.answers[0], 1.0) if since else 1.0)
