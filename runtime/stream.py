"""One camera's live sequence in the KV cache: it grows as the camera is watched, and forgets whole GOPs.

Used by the language model's owner thread alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.runtime.clock import NS_PER_S
from magno.runtime.language import LanguageModel, Sequence
from magno.runtime.memory import QUESTION_ROOM_TOKENS, plan_eviction, plan_shift, spans_after
from magno.runtime.spec import ModelSpec
from magno.runtime.units import Span, SpanKind


def check_budget(language: LanguageModel, spec: ModelSpec, budget_tokens: int) -> str | None:
    """Why no stream can live on such a budget, in one sentence, or None."""
    layout = spec.layout
    before = len(language.tokenize(layout.text_before_keyframe(0.0), special=True))
    keyframe = before + layout.keyframe_tokens
    sink = len(language.tokenize(layout.system_text, special=True)) + keyframe
    least = sink + keyframe + spec.codec.windows_per_gop * layout.window_tokens
    most = spec.trained_context - QUESTION_ROOM_TOKENS
    if least <= budget_tokens <= most:
        return None
    return (
        f"budget_tokens wants {least} (system text, first keyframe and one GOP of this model) to {most} (what it "
        f"was trained for), found {budget_tokens}. Change it."
    )


@dataclass(frozen=True, slots=True)
class Encoded:
    """A keyframe or window, ready for the language model."""

    kind: SpanKind
    rows: np.ndarray  # (n, embed_dim) float32
    gop: int
    pts_ns: int  # of the newest picture in it
    capture_ns: int
    pictures: int  # it stands for so many pictures


@dataclass(frozen=True, slots=True)
class Seen:
    """What a question asked now would see."""

    pts_ns: int
    capture_ns: int
    visual_tokens: int
    cached_tokens: int


class LiveStream:
    """The live sequence and the spans in it."""

    def __init__(self, language: LanguageModel, spec: ModelSpec, budget_tokens: int) -> None:
        self._language, self._spec, self._budget_tokens = language, spec, budget_tokens
        self.sequence: Sequence = language.open_sequence()
        try:
            start, stop = self.sequence.append(language.tokenize(spec.layout.system_text, special=True))
        except BaseException:  # the cache is full, say: the place must not stay taken
            self.sequence.release()
            raise
        self._spans = [Span(SpanKind.SYSTEM, start, stop, -1)]
        self.cached_tokens = stop - start

    def append(self, item: Encoded) -> None:
        """Prefill a keyframe or window; whole GOPs leave first where the budget wants it.

        Raises LanguageError (CacheFullError when forks hold the room), and is then as before but for what left.
        """
        text = self._text_before(item)
        self._make_room(len(text) + len(item.rows))
        start = self.sequence.position
        try:
            self.sequence.append(text)
            _, stop = self.sequence.append(np.ascontiguousarray(item.rows))
        except Exception:
            self.sequence.evict(start, self.sequence.position)
            raise
        self._spans.append(Span(item.kind, start, stop, item.gop, item.pts_ns, item.capture_ns))
        self.cached_tokens = self.sequence.tokens

    def seen(self) -> Seen | None:
        """What is in the cache; None before the first keyframe."""
        newest = self._spans[-1]
        if newest.kind is SpanKind.SYSTEM:
            return None
        layout = self._spec.layout
        rows = {
            SpanKind.SYSTEM: 0,
            SpanKind.KEYFRAME: layout.keyframe_tokens,
            SpanKind.WINDOW: layout.window_tokens,
        }
        visual_tokens = sum(rows[span.kind] for span in self._spans)
        return Seen(newest.pts_ns, newest.capture_ns, visual_tokens, self.cached_tokens)

    def release(self) -> None:
        self.sequence.release()

    def _text_before(self, item: Encoded) -> list[int]:
        if item.kind is not SpanKind.KEYFRAME:
            return []
        text = self._spec.layout.text_before_keyframe(item.pts_ns / NS_PER_S)
        return self._language.tokenize(text, special=True)

    def _make_room(self, incoming_tokens: int) -> None:
        leaving = plan_eviction(self._spans, incoming_tokens, self._budget_tokens)
        for span in leaving:
            self.sequence.evict(span.start, span.stop)
        self._spans = spans_after(self._spans, leaving)
        room = incoming_tokens + QUESTION_ROOM_TOKENS
        shift = plan_shift(self._spans, self.sequence.position, room, self._spec.trained_context)
        # A fork still reads what would move: the shift waits, positions may pass the trained context meanwhile.
        if shift is not None and not self.sequence.shares(shift.start):
            self.sequence.shift(shift.start, shift.delta)
            self._spans = spans_after(self._spans, shift=shift)
