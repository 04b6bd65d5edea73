"""The paper's way (CoPE-VideoLM, arXiv 2602.13191, section 4): watch without prefilling, and once a question is there
encode and prefill all of the past in one go. What the benches hold the engine against; knows no engine.

It is given every advantage: its encoders run in batches, and what is prefilled runs in native steps as long as the
token layout lets them be, with no look at a deadline between two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from magno.runtime.bundle import Bundle
from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.request import CameraRequest
from magno.runtime.clock import NS_PER_S
from magno.runtime.encoder import Encoder
from magno.runtime.encoding import timed
from magno.runtime.features import keyframe_pixels, window_arrays
from magno.runtime.language import LanguageConfig, LanguageModel, Sequence
from magno.runtime.spec import ModelSpec, TokenLayout
from magno.runtime.window import FusedWindow, Keyframe, Windower

BATCH = 16  # windows or keyframes that an encoder takes at once
BATCH_TOKENS = 512  # of the language model's prefill
TEXT_TOKENS = 8  # before a keyframe, at most
QUESTION_TOKENS = 1024  # room for the system text, a question and its answer
DENSE_KEYFRAMES = 64  # of the baseline that the paper compares itself with

Rows = list[int] | np.ndarray  # token ids, or (n, embed_dim) float32


@dataclass(frozen=True, slots=True)
class Shown:
    """A keyframe or window, and when it was known: the time of the picture that ended it."""

    item: Keyframe | FusedWindow
    known_ns: int


def shown(
    bundle: Bundle, clip: str, at_s: float | None, tell: Callable[[int], None] = lambda pictures: None
) -> list[Shown]:
    """What a clip shows; where `at_s` is told up to then, begun again at its end. Raises CameraError."""
    codec = bundle.spec.codec
    windower = Windower(codec.window_pictures, codec.windows_per_gop, keyframes_only=bundle.delta is None)
    request = CameraRequest(clip, codec.image_px, "fast", loop=at_s is not None, until_s=at_s)
    found, newest_ns = [], 0
    with CameraReader(request) as reader:
        reader.opened()
        for pictures, frame in enumerate(reader.frames(), start=1):
            newest_ns = max(newest_ns, frame.pts_ns)
            found += [Shown(item, newest_ns) for item in windower.step(frame)]
            tell(pictures)
    return found + [Shown(item, newest_ns) for item in windower.flush()]


def dense(items: list[Keyframe | FusedWindow]) -> list[Keyframe | FusedWindow]:
    """The past without codec data: DENSE_KEYFRAMES of the items' newest pictures, evenly spread, each whole; of fewer
    items all."""
    at = np.unique(np.linspace(0, len(items) - 1, min(DENSE_KEYFRAMES, len(items))).astype(int))
    return [Keyframe(items[i].frame, gop) for gop, i in enumerate(at)]


def encode(encoder: Encoder, bundle: Bundle, items: list[Keyframe | FusedWindow]) -> list[np.ndarray]:
    """Every item's rows, in order; encoders run over BATCH items at once."""
    rows: dict[int, np.ndarray] = {}
    keyframes = [(at, item) for at, item in enumerate(items) if isinstance(item, Keyframe)]
    windows = [(at, item) for at, item in enumerate(items) if isinstance(item, FusedWindow)]
    for first in range(0, len(keyframes), BATCH):
        some = keyframes[first : first + BATCH]
        pixels = np.concatenate([keyframe_pixels(item.frame.picture) for _, item in some])
        rows |= {at: tokens for (at, _), tokens in zip(some, encoder.keyframe(pixels), strict=True)}
    for first in range(0, len(windows), BATCH):
        group = windows[first : first + BATCH]
        arrays = [window_arrays(item, bundle.spec.codec) for _, item in group]
        motion, residual = (np.concatenate(column) for column in zip(*arrays, strict=True))
        rows |= {at: tokens for (at, _), tokens in zip(group, encoder.window(motion, residual), strict=True)}
    return [timed(item, rows[at], bundle.spec.layout) for at, item in enumerate(items)]


def language_config(spec: ModelSpec, items: list[Keyframe | FusedWindow]) -> LanguageConfig:
    """Room for all of them and a question, in long steps through flash attention, which slows short ones alone."""
    layout, gops = spec.layout, sum(isinstance(item, Keyframe) for item in items)
    tokens = gops * (layout.keyframe_tokens + TEXT_TOKENS) + (len(items) - gops) * layout.window_tokens
    return LanguageConfig(
        context_tokens=tokens + QUESTION_TOKENS,
        max_sequences=1,
        batch_tokens=BATCH_TOKENS,
        flash_attention=True,
    )


def past_of(
    language: LanguageModel, layout: TokenLayout, items: list[Keyframe | FusedWindow], rows: list[np.ndarray]
) -> list[Rows]:
    """The system text and the stream, in prompt order; neighbours of a kind are one, for one long step."""
    return list(_joined(_parts(language, layout, items, rows)))


def prefill(language: LanguageModel, layout: TokenLayout, past: list[Rows], question: str) -> Sequence:
    """A sequence of the past and the question, its logits wanted; the caller releases it. Raises LanguageError."""
    sequence = language.open_sequence()
    try:
        for part in past:
            sequence.append(part)
        sequence.append(question_tokens(language, layout, question), want_logits=True)
    except BaseException:
        sequence.release()
        raise
    return sequence


def question_tokens(language: LanguageModel, layout: TokenLayout, question: str) -> list[int]:
    """A question as it stands behind a stream, up to where its answer begins."""
    return [
        *language.tokenize(layout.question_prefix, special=True),
        *language.tokenize(question),
        *language.tokenize(layout.question_suffix, special=True),
    ]


def decode(language: LanguageModel, sequence: Sequence, token: int, most_tokens: int) -> str:
    """The answer that begins with this token, which the sequence has just said."""
    text = b""
    for _ in range(most_tokens):
        if language.is_end(token):
            break
        text += language.piece(token)
        token = sequence.step()
    return text.decode("utf-8", "replace").strip()


def _parts(
    language: LanguageModel, layout: TokenLayout, items: list[Keyframe | FusedWindow], rows: list[np.ndarray]
) -> Iterator[Rows]:
    yield language.tokenize(layout.system_text, special=True)
    for item, embeddings in zip(items, rows, strict=True):
        if isinstance(item, Keyframe):
            text = layout.text_before_keyframe(item.frame.pts_ns / NS_PER_S, is_cut=item.is_cut)
            yield language.tokenize(text, special=True)
        yield embeddings


def _joined(parts: Iterator[Rows]) -> Iterator[Rows]:
    tokens: list[int] = []
    rows: list[np.ndarray] = []
    for part in parts:
        if isinstance(part, np.ndarray):
            if tokens:
                yield tokens
                tokens = []
            rows.append(part)
        elif part:
            if rows:
                yield np.concatenate(rows)
                rows = []
            tokens = tokens + part
    if rows:
        yield np.concatenate(rows)
    if tokens:
        yield tokens
