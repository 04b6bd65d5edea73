"""Predict, admit, refuse; what is left of a budget. Pure: milliseconds in, decisions out; knows no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

from magno.runtime.latency import LatencyProfile
from magno.runtime.units import Query

MAX_QUESTION_BYTES = 4096
MAX_DEADLINE_MS = 86_400_000.0  # a day
MAX_ANSWER_TOKENS = 1024
MAX_AGO_S = 86_400.0
MAX_CONVERSATION_BYTES = 128
ON_DEADLINE = (PARTIAL, REFUSE) = ("partial", "refuse")  # what an asker wants of an answer that is cut


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a question may start, and if not why, and whether waiting helps."""

    admitted: bool
    predicted_ms: float  # until its first token or its end, the margin included
    reason: str = ""  # one sentence, when refused
    retry_after_ms: float | None = None  # None: waiting does not help


def admit(
    remaining_ms: float,
    queue_ms: float,
    prompt_tokens: int,
    profile: LatencyProfile,
    decode_ms: float = 0.0,
) -> Admission:
    """Whether the first token can come in the `remaining_ms` of a question behind `queue_ms` of other work; and the
    answer's end, where that is so many `decode_ms` later.

    The first token costs no decode step: the prefill of the prompt yields it.
    """
    alone_ms = profile.prefill_ms(prompt_tokens) + decode_ms + profile.margin_ms
    predicted_ms = queue_ms + alone_ms
    if predicted_ms <= remaining_ms:
        return Admission(True, predicted_ms)
    what = "A whole answer" if decode_ms else "A first token"
    wanted = f"{what} wants {predicted_ms:.0f} ms on this device now, found {max(remaining_ms, 0):.0f} left"
    if alone_ms > remaining_ms:
        return Admission(
            False, predicted_ms, f"{wanted}: give a deadline of {math.ceil(alone_ms)} ms or more."
        )
    retry_ms = float(max(1, math.ceil(predicted_ms - remaining_ms)))
    return Admission(
        False, predicted_ms, f"{wanted}: other questions are first, ask again in {retry_ms:.0f} ms.", retry_ms
    )


def foretold_tokens(
    remaining_ms: float, queue_ms: float, prompt_tokens: int, together: int, profile: LatencyProfile
) -> int:
    """How many tokens of an answer come in the `remaining_ms` of a question behind `queue_ms` of other work, with so
    many in each decode step. It is the least that is promised: others leave, and steps get shorter."""
    first = admit(remaining_ms, queue_ms, prompt_tokens, profile)
    if not first.admitted:
        return 0
    step_ms = profile.native_ms(0, together)
    more = (remaining_ms - first.predicted_ms) / step_ms if step_ms > 0 else math.inf
    return 1 + int(min(more, MAX_ANSWER_TOKENS))


def refuse_late(
    deadline_ms: float, remaining_ms: float, queue_ms: float, prompt_tokens: int, profile: LatencyProfile
) -> Admission:
    """The refusal of a question that was admitted with `deadline_ms` and has waited until too little remains.

    The others took longer than predicted, and waiting helps: asked again, it has all its time again, behind
    the `queue_ms` of others that there are now.
    """
    again = admit(deadline_ms, queue_ms, prompt_tokens, profile)
    retry_ms = 1.0 if again.admitted else again.retry_after_ms
    if retry_ms is None:
        return again
    wanted_ms = profile.prefill_ms(prompt_tokens) + profile.margin_ms
    reason = (
        f"A first token wants {wanted_ms:.0f} ms on this device now, found {max(remaining_ms, 0):.0f} left after "
        f"other questions: ask again in {retry_ms:.0f} ms."
    )
    return Admission(False, wanted_ms, reason, retry_ms)


def fits_another_step(remaining_ms: float, profile: LatencyProfile) -> bool:
    """Whether one more decode step ends within `remaining_ms`; else the answer so far is the answer."""
    return profile.step_ms + profile.margin_ms <= remaining_ms


def check_query(query: Query) -> str | None:
    """The one-sentence fault of a question, or None. Looks at nothing but the question itself."""
    question = query.question
    if not question.strip():
        return "A question wants text, found none: say what you want to know."
    if "\0" in question:
        return "A question wants plain text, found a NUL character: leave it out."
    try:
        size_bytes = len(question.encode("utf-8"))
    except UnicodeEncodeError as error:
        return f"A question wants valid UTF-8, found a broken character at {error.start}: encode it as UTF-8."
    if size_bytes > MAX_QUESTION_BYTES:
        return f"A question wants {MAX_QUESTION_BYTES} bytes at most, found {size_bytes}: ask a shorter one."
    if not (math.isfinite(query.deadline_ms) and 0 < query.deadline_ms <= MAX_DEADLINE_MS):
        return (
            f"A deadline wants milliseconds above 0 and up to {MAX_DEADLINE_MS:.0f} (a day), "
            f"found {query.deadline_ms}: say how long the answer is of use."
        )
    whole = isinstance(query.max_tokens, int) and not isinstance(query.max_tokens, bool)
    if not whole or not 1 <= query.max_tokens <= MAX_ANSWER_TOKENS:
        return f"max_tokens wants a whole number from 1 to {MAX_ANSWER_TOKENS}, found {query.max_tokens}."
    if query.on_deadline not in ON_DEADLINE:
        return f"on_deadline wants {' or '.join(ON_DEADLINE)}, found {str(query.on_deadline)[:40]!r}."
    if not (math.isfinite(query.ago_s) and 0 <= query.ago_s <= MAX_AGO_S):
        return f"ago_s wants seconds from 0 to {MAX_AGO_S:.0f} (a day), found {query.ago_s}: say how long ago it was."
    if len(query.conversation.encode("utf-8", "replace")) > MAX_CONVERSATION_BYTES:
        return f"A conversation's id wants {MAX_CONVERSATION_BYTES} bytes at most, found more: choose a shorter one."
    return None
