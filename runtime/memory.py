"""Which spans of the stream stay in the KV cache, which leave, in what order. Pure; knows no language model.

Memory is a sink (the system text and the first keyframe, to which attention falls back: StreamingLLM, arXiv
2309.17453) and then the newest GOPs. Whole GOPs leave, oldest first, and leave a gap in the positions; it is
closed only when the trained context would be exceeded.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from magno.runtime.spec import ModelSpec
from magno.runtime.units import Span, SpanKind

QUESTION_ROOM_TOKENS = 256  # positions kept for a question and its answer below the trained context
TEXT_TOKENS = 16  # of the system text, or of the one before a keyframe, about
GOPS = 3.5  # three whole ones, and the newest in the middle of being written


def usual_budget(spec: ModelSpec) -> int:
    """Tokens of one camera's stream where nobody says how many: the sink and the newest GOPs (416 for pocket)."""
    sink = TEXT_TOKENS + spec.layout.keyframe_tokens
    return min(int(sink + GOPS * gop_tokens(spec)), spec.trained_context - QUESTION_ROOM_TOKENS)


def gop_tokens(spec: ModelSpec) -> int:
    """Of a whole GOP, the text before its keyframe aside."""
    return spec.layout.keyframe_tokens + spec.codec.windows_per_gop * spec.layout.window_tokens


@dataclass(frozen=True, slots=True)
class Shift:
    """Every position from `start` on moves by `delta`."""

    start: int
    delta: int  # below 0: towards the sink


def sink_of(spans: Sequence[Span]) -> list[Span]:
    """The spans that never leave: system text and the first keyframe, in position order."""
    ordered = sorted(spans, key=lambda span: span.start)
    first = next((span for span in ordered if span.kind is SpanKind.KEYFRAME), None)
    return [span for span in ordered if span.kind is SpanKind.SYSTEM or span is first]


def plan_eviction(spans: Sequence[Span], incoming_tokens: int, budget_tokens: int) -> list[Span]:
    """The spans that leave so that `incoming_tokens` more fit into `budget_tokens`, oldest first.

    Whole GOPs leave, but for what the sink holds of them; the newest GOP, which is being written, stays.
    Where that is not enough the budget cannot be held, and everything that may leave does.
    """
    excess = sum(span.tokens for span in spans) + incoming_tokens - budget_tokens
    sink = set(sink_of(spans))
    movable = sorted((span for span in spans if span not in sink), key=lambda span: span.start)
    newest = max((span.gop for span in spans), default=-1)
    leaving: list[Span] = []
    for gop in sorted({span.gop for span in movable if span.gop != newest}):
        if excess <= 0:
            break
        whole = [span for span in movable if span.gop == gop]
        leaving += whole
        excess -= sum(span.tokens for span in whole)
    return leaving


def plan_shift(
    spans: Sequence[Span], next_position: int, room_tokens: int, trained_context: int
) -> Shift | None:
    """The move that closes the gap after the sink, when `room_tokens` more would pass the trained context.

    None: there is room as it is, or there is no gap to close.
    """
    if next_position + room_tokens <= trained_context:
        return None
    sink = sink_of(spans)
    sink_stop = max((span.stop for span in sink), default=0)
    start = min((span.start for span in spans if span.start >= sink_stop), default=sink_stop)
    return Shift(start, sink_stop - start) if start > sink_stop else None


def spans_after(
    spans: Sequence[Span], evicted: Collection[Span] = (), shift: Shift | None = None
) -> list[Span]:
    """The span list once `evicted` have left and then `shift` was made, in the order given."""
    gone = set(evicted)
    kept = [span for span in spans if span not in gone]
    if shift is None:
        return kept
    return [
        replace(span, start=span.start + shift.delta, stop=span.stop + shift.delta)
        if span.start >= shift.start
        else span
        for span in kept
    ]
