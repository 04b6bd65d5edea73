"""One camera's live sequence in the KV cache: it grows as the camera is watched, and forgets whole GOPs. What it showed
before is brought back from its archive, into the fork of whoever asks about then.

Used by the language model's owner thread alone.
"""

from __future__ import annotations

from collections.abc import Sequence as Several
from dataclasses import dataclass, replace

import numpy as np

from magno.runtime.capture_time import with_time, without_time
from magno.runtime.clock import NS_PER_S
from magno.runtime.language import LanguageModel, Sequence
from magno.runtime.memory import QUESTION_ROOM_TOKENS, plan_eviction, plan_shift, sink_of, spans_after
from magno.runtime.past.archive import Archive
from magno.runtime.past.meaning import Likeness
from magno.runtime.past.recollection import Recollection
from magno.runtime.spec import ModelSpec
from magno.runtime.units import Encoded, MagnoError, Span, SpanKind


def misfit(language: LanguageModel, spec: ModelSpec, budget_tokens: int) -> str | None:
    """Why no stream of such a bundle can live in this language model, on such a budget, in one sentence, or None."""
    if language.embed_dim != spec.embed_dim:
        return (
            f"The language model of {spec.name} wants embeddings of {spec.embed_dim} numbers, found "
            f"{language.embed_dim}. Export the bundle again."
        )
    layout = spec.layout
    before = max(
        len(language.tokenize(layout.text_before_keyframe(0.0, is_cut=cut), special=True))
        for cut in (False, True)
    )
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
class Seen:
    """What a question asked now would see."""

    pts_ns: int
    capture_ns: int
    visual_tokens: int
    cached_tokens: int
    remembered_s: float = 0.0  # from the oldest picture that a question may be about to the newest
    lost: int = 0  # of the past on disk: see Archive.lost


class PastError(MagnoError):
    """A moment that is not remembered."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What is yet to be prefilled of a recalled keyframe or window."""

    text: list[int]  # before its rows
    rows: np.ndarray  # (n, embed_dim) float16

    @property
    def tokens(self) -> int:
        return len(self.text) + len(self.rows)


@dataclass(frozen=True, slots=True)
class Past:
    """A fork of what was seen up to some moment, once its pieces are appended."""

    sequence: Sequence
    pieces: list[Piece]  # none: all of it is in the cache still
    seen: Seen


class LiveStream:
    """The live sequence and the spans in it."""

    def __init__(
        self, language: LanguageModel, spec: ModelSpec, budget_tokens: int, archive: Archive | None = None
    ) -> None:
        """Without an archive it remembers nothing that left the cache."""
        self._language, self._spec, self._budget_tokens = language, spec, budget_tokens
        self.archive = archive or Archive(0)
        self.recollection = Recollection()
        self.sequence: Sequence = language.open_sequence()
        try:
            start, stop = self.sequence.append(language.tokenize(spec.layout.system_text, special=True))
        except BaseException:  # the cache is full, say: the place must not stay taken
            self.sequence.release()
            raise
        self._spans = [Span(SpanKind.SYSTEM, start, stop, -1)]
        self.evicted_gops = self.evicted_tokens = 0  # so far

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
        self.archive.add(item)
        # What something looks like is no matter of when it was seen.
        self.recollection.add(replace(item, rows=without_time(item.rows, self._spec.layout.time_periods_s)))

    def seen(self) -> Seen | None:
        """What is in the cache; None before the first keyframe."""
        return self._seen(self._spans)

    def holds(self, pts_ns: int) -> bool:
        """Whether the cache itself tells what was seen at this moment: nothing of it was evicted."""
        return pts_ns >= self._held_since_ns()

    def moment_ns(self, words: Several[Likeness]) -> int | None:
        """When it was shown what these words are most like (see Recollection); None: the cache holds that, or nobody
        remembers any. From any thread."""
        since_ns = min(self.archive.since_ns(), self._held_since_ns())
        found_ns = self.recollection.moment_ns(words, since_ns)
        return None if found_ns is None or self.holds(found_ns) else found_ns

    def until(self, pts_ns: int, *, gop_alone: bool = False) -> Past:
        """A fork of what was seen up to this moment; `gop_alone`: of what left the cache its GOP, and none before it.

        Raises PastError, LanguageError.
        """
        kept = [span for span in self._spans if span.kind is SpanKind.SYSTEM or span.pts_ns <= pts_ns]
        if self.holds(pts_ns) and (seen := self._seen(kept)) is not None:
            return Past(self._fork_to(kept[-1].stop), [], seen)
        sink = sink_of(self._spans)
        sink_tokens = sum(span.tokens for span in sink)
        most_tokens = 0 if gop_alone else self._budget_tokens - sink_tokens
        items = self._recalled(pts_ns, sink[-1], most_tokens)
        if items is None:
            newest = self._spans[-1]
            raise PastError(
                f"A question about the past wants a moment in the last {self._remembered_s(newest):.0f} s, "
                f"which are remembered, found {(newest.pts_ns - pts_ns) / NS_PER_S:.0f} s ago. Ask about a later one."
            )
        if items and items[0].pts_ns < sink[-1].pts_ns:
            # Of before this stream: its first keyframe was yet to come.
            sink = sink[:-1]
            sink_tokens = sum(span.tokens for span in sink)
        last = items[-1] if items else sink[-1]
        before_ns = [sink[-1].pts_ns, *(item.pts_ns for item in items)]
        pieces = [self._piece(item, before) for item, before in zip(items, before_ns, strict=False)]
        rows = sum(len(item.rows) for item in items)
        rows += self._spec.layout.keyframe_tokens * (sink[-1].kind is SpanKind.KEYFRAME)
        tokens = sink_tokens + sum(piece.tokens for piece in pieces)
        return Past(self._fork_to(sink[-1].stop), pieces, Seen(last.pts_ns, last.capture_ns, rows, tokens))

    def release(self) -> None:
        self.sequence.release()
        self.archive.close()

    def _seen(self, spans: list[Span]) -> Seen | None:
        newest = spans[-1]
        if newest.kind is SpanKind.SYSTEM:
            return None
        layout = self._spec.layout
        rows = {
            SpanKind.SYSTEM: 0,
            SpanKind.KEYFRAME: layout.keyframe_tokens,
            SpanKind.WINDOW: layout.window_tokens,
        }
        visual_tokens = sum(rows[span.kind] for span in spans)
        tokens = sum(span.tokens for span in spans)
        remembered_s, lost = self._remembered_s(newest), self.archive.lost
        return Seen(newest.pts_ns, newest.capture_ns, visual_tokens, tokens, remembered_s, lost)

    def _remembered_s(self, newest: Span) -> float:
        return (newest.pts_ns - min(self.archive.since_ns(), self._held_since_ns())) / NS_PER_S

    def _held_since_ns(self) -> int:
        """From when on nothing was evicted."""
        sink = sink_of(self._spans)
        after = self._spans[len(sink)] if len(self._spans) > len(sink) else sink[-1]
        return after.pts_ns if self.evicted_gops else sink[-1].pts_ns

    def _recalled(self, pts_ns: int, first: Span, most_tokens: int) -> list[Encoded] | None:
        """What follows the `first` keyframe, which is in the cache, up to a moment; None where nobody remembers."""
        from_first = self.archive.until(pts_ns, most_tokens + first.tokens, self._tokens_of)
        if from_first and from_first[0].pts_ns == first.pts_ns:
            return from_first[1:]
        return self.archive.until(pts_ns, most_tokens, self._tokens_of) or None

    def _fork_to(self, stop: int) -> Sequence:
        fork = self.sequence.fork()
        fork.evict(stop, fork.position)
        return fork

    def _piece(self, item: Encoded, before_ns: int) -> Piece:
        """`before_ns`: when what is before it in the stream was. Raises PastError."""
        layout = self._spec.layout
        is_window = item.kind is SpanKind.WINDOW
        wanted = layout.window_tokens if is_window else layout.keyframe_tokens
        if len(item.rows) != wanted:
            raise PastError(
                f"What is remembered of a {item.kind.value} wants {wanted} rows, found {len(item.rows)}. "
                "Delete the files of the past."
            )
        # Of an earlier life of the stream: its rows tell the time as that one counted it.
        lags_ns = layout.lags_ns(item.pts_ns - before_ns) if is_window else ()
        rows = with_time(item.rows, item.pts_ns, layout.time_periods_s, lags_ns)
        return Piece(self._text_before(item), rows)

    def _tokens_of(self, item: Encoded) -> int:
        return len(self._text_before(item)) + len(item.rows)

    def _text_before(self, item: Encoded) -> list[int]:
        if item.kind is not SpanKind.KEYFRAME:
            return []
        text = self._spec.layout.text_before_keyframe(item.pts_ns / NS_PER_S, is_cut=item.is_cut)
        return self._language.tokenize(text, special=True)

    def _make_room(self, incoming_tokens: int) -> None:
        leaving = plan_eviction(self._spans, incoming_tokens, self._budget_tokens)
        self.evicted_gops += len({span.gop for span in leaving})
        self.evicted_tokens += sum(span.tokens for span in leaving)
        for span in leaving:
            self.sequence.evict(span.start, span.stop)
        self._spans = spans_after(self._spans, leaving)
        room = incoming_tokens + QUESTION_ROOM_TOKENS
        shift = plan_shift(self._spans, self.sequence.position, room, self._spec.trained_context)
        # A fork still reads what would move: the shift waits, positions may pass the trained context meanwhile.
        if shift is not None and not self.sequence.shares(shift.start):
            self.sequence.shift(shift.start, shift.delta)
            self._spans = spans_after(self._spans, shift=shift)
