"""What is asked of a clip when, and how far two answers to the same question are apart. Pure; knows no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from magno.calibration.at_query import TEXT_TOKENS, Shown
from magno.export.verify.kl import kl_nats
from magno.runtime.spec import ModelSpec
from magno.runtime.window import Keyframe


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and the time of the newest picture that it may see."""

    at_ns: int
    question: str


@dataclass(frozen=True, slots=True)
class Said:
    """Its answer, one way."""

    text: str
    logits: np.ndarray  # (vocab_size,) float32, of its first token
    past_tokens: int  # that were prefilled before the question


@dataclass(frozen=True, slots=True)
class Compared:
    """Both answers to a question."""

    clip: str
    asked: Asked
    texts: tuple[str, str]  # while watching, when asked
    logits: float  # the largest difference of a logit
    kl: float  # nats
    margin: float  # between the two likeliest first tokens, when asked
    past_tokens: int

    @property
    def same_text(self) -> bool:
        return self.texts[0] == self.texts[1]


def that_fit(found: Sequence[Shown], spec: ModelSpec, budget_tokens: int) -> list[Shown]:
    """The first of them that are known before the clip's end and that a live sequence holds without eviction."""
    fit: list[Shown] = []
    left = budget_tokens - len(spec.layout.system_text.encode())  # a token is a byte or more
    for one in found:
        is_keyframe = isinstance(one.item, Keyframe)
        left -= spec.layout.keyframe_tokens + TEXT_TOKENS if is_keyframe else spec.layout.window_tokens
        if left < 0 or one.known_ns >= found[-1].known_ns:
            break
        fit.append(one)
    return fit


def spaced(fit: Sequence[Shown], questions: Sequence[str], wanted: int) -> list[Asked]:
    """So many questions, all of them at a moment before the next; moments evenly spaced, and fewer where a clip is too
    short."""
    count = min(len(fit), -(-wanted // len(questions)))
    moments = sorted({fit[len(fit) * (at + 1) // count - 1].known_ns for at in range(count)})
    return [Asked(at_ns, question) for at_ns in moments for question in questions][:wanted]


def compared(clip: str, asked: Asked, ours: Said, theirs: Said) -> Compared:
    """`ours` was said while watching, `theirs` when asked."""
    two = np.partition(theirs.logits, -2)[-2:]
    return Compared(
        clip,
        asked,
        (ours.text, theirs.text),
        float(np.abs(ours.logits - theirs.logits).max()),
        float(kl_nats(theirs.logits[None], ours.logits[None])[0]),
        float(two[1] - two[0]),
        theirs.past_tokens,
    )
