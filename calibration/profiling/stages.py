"""A real clip through the runtime's own parts, one stage at a time: decoder, windower, features, encoders, live stream,
question. Everything in this process and this thread, so that nothing else of ours is timed with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from magno.calibration.at_query import question_tokens
from magno.calibration.profiling.settings import ProfileError, Settings
from magno.calibration.profiling.spread import Spread, spread
from magno.runtime.bundle import Bundle
from magno.runtime.camera.decoders import open_decoder
from magno.runtime.camera.request import CameraRequest
from magno.runtime.camera.sources import open_source
from magno.runtime.clock import NS_PER_MS, NS_PER_S, WallClock
from magno.runtime.encoder import Encoder, open_encoder
from magno.runtime.encoding import with_rows
from magno.runtime.features import keyframe_pixels, window_arrays
from magno.runtime.language import LanguageConfig, LanguageModel
from magno.runtime.spec import TokenLayout
from magno.runtime.stream import LiveStream
from magno.runtime.units import CodecFrame, Encoded, SpanKind
from magno.runtime.window import FusedWindow, Keyframe, Windower

Item = Keyframe | FusedWindow
Inputs = dict[str, NDArray[np.float32]]
Say = Callable[[str], None]
# Stage -> what one time is of, in the order of the data's way.
STAGES = {
    "decode": "picture",
    "fuse motion": "picture",
    "keyframe features": "keyframe",
    "window features": "window",
    "keyframe encoder": "keyframe",
    "delta encoder": "window",
    "keyframe prefill": "keyframe",
    "window prefill": "window",
    "question prefill": "question",
    "decode step": "token",
}
WATCHING = tuple(STAGES)[:8]  # what the robot pays whether it is asked or not
ROOM_TOKENS = 512  # cells for a question and its answer, and for texts before keyframes


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    per: str
    spread: Spread


@dataclass(frozen=True, slots=True)
class StageProfile:
    """All stages on one clip, and one real input of each encoder."""

    stages: tuple[Stage, ...]
    video_s: float
    pictures: int
    visual_tokens: int  # prefilled, all told
    question_tokens: int
    keyframe: Inputs
    window: Inputs | None  # None: a keyframe-only bundle, or too short a clip

    def per_video_second_ms(self, stage: Stage) -> float | None:
        """What a second of this video costs in this stage; None for one that a question pays."""
        return stage.spread.total_ms / self.video_s if stage.name in WATCHING else None


@dataclass(slots=True)
class _Times:
    """Milliseconds by stage, as they are taken."""

    ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    clock: WallClock = field(default_factory=WallClock)

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        began_ns = self.clock.now_ns()
        yield
        self.ms[stage].append((self.clock.now_ns() - began_ns) / NS_PER_MS)

    def stages(self) -> tuple[Stage, ...]:
        return tuple(Stage(name, per, spread(self.ms[name])) for name, per in STAGES.items() if self.ms[name])


def profile_stages(bundle: Bundle, settings: Settings, say: Say) -> StageProfile:
    """Raises MagnoError: a clip that cannot be read, a backend that cannot run, a model without room."""
    times = _Times()
    say("decoding the clip")
    frames = _decoded(bundle, settings, times)
    items = _windows(bundle, frames, times)
    if not items:
        raise ProfileError(
            f"A profile wants an intact picture in {settings.clip}, found none: name another --clip."
        )
    say("encoding")
    with open_encoder(bundle, settings.backend, settings.encoder_threads) as encoder:
        arrays = [_features(item, bundle, times) for item in items]
        encoded = _encoded(encoder, items, arrays, settings, times, bundle.spec.layout)
    say("asking")
    question_tokens = _ask(bundle, encoded, settings, times)
    windows = [inputs for inputs in arrays if "motion" in inputs]
    first_ns, last_ns = frames[0].pts_ns, frames[-1].pts_ns
    return StageProfile(
        stages=times.stages(),
        video_s=max((last_ns - first_ns) / NS_PER_S * len(frames) / max(1, len(frames) - 1), 1e-3),
        pictures=len(frames),
        visual_tokens=sum(len(one.rows) for one in encoded),
        question_tokens=question_tokens,
        keyframe=next(inputs for inputs in arrays if "pixels" in inputs),
        window=windows[len(windows) // 2] if windows else None,
    )


def _decoded(bundle: Bundle, settings: Settings, times: _Times) -> list[CodecFrame]:
    request = CameraRequest(
        settings.clip,
        bundle.spec.codec.image_px,
        "fast",
        until_s=settings.seconds,
        keyframes_only=bundle.delta is None,
    )
    source = open_source(request, times.clock)
    frames: list[CodecFrame] = []
    try:
        decoder = open_decoder(source, request)
        for unit in source.units():
            with times.of("decode"):
                frames += decoder.decode(unit)
        frames += decoder.flush()
    finally:
        source.close()
    return frames


def _windows(bundle: Bundle, frames: list[CodecFrame], times: _Times) -> list[Item]:
    codec = bundle.spec.codec
    windower = Windower(codec.window_pictures, codec.windows_per_gop, keyframes_only=bundle.delta is None)
    items: list[Item] = []
    for frame in frames:
        with times.of("fuse motion"):
            items += windower.step(frame)
    return items + windower.flush()


def _features(item: Item, bundle: Bundle, times: _Times) -> Inputs:
    if isinstance(item, Keyframe):
        with times.of("keyframe features"):
            return {"pixels": keyframe_pixels(item.frame.picture)}
    with times.of("window features"):
        motion, residual = window_arrays(item, bundle.spec.codec)
    return {"motion": motion, "residual": residual}


def _encoded(
    encoder: Encoder,
    items: list[Item],
    arrays: list[Inputs],
    settings: Settings,
    times: _Times,
    layout: TokenLayout,
) -> list[Encoded]:
    for kind in ("pixels", "motion"):
        example = next((inputs for inputs in arrays if kind in inputs), None)
        for _ in range(settings.warm_up if example is not None else 0):
            _tokens(encoder, example or {})
    found = []
    for item, inputs in zip(items, arrays, strict=True):
        with times.of("keyframe encoder" if isinstance(item, Keyframe) else "delta encoder"):
            rows = _tokens(encoder, inputs)[0]
        found.append(with_rows(item, rows, layout))
    return found


def _tokens(encoder: Encoder, inputs: Inputs) -> NDArray[np.float32]:
    return encoder.keyframe(inputs["pixels"]) if "pixels" in inputs else encoder.window(**inputs)


def _ask(bundle: Bundle, encoded: list[Encoded], settings: Settings, times: _Times) -> int:
    """Prefill the whole stream, then ask the question again and again; how many tokens it has."""
    spec = bundle.spec
    gop = 2 * spec.layout.keyframe_tokens + spec.codec.windows_per_gop * spec.layout.window_tokens
    budget_tokens = min(gop + ROOM_TOKENS, spec.trained_context)
    config = LanguageConfig(
        context_tokens=budget_tokens + ROOM_TOKENS + settings.answer_tokens,
        max_sequences=2,
        threads=settings.language_threads,
        batch_tokens=settings.max_step_tokens,
    )
    with LanguageModel.open(bundle.llm, config) as language:
        stream = LiveStream(language, spec, budget_tokens)
        _warm(language, settings)
        for item in encoded:
            with times.of("keyframe prefill" if item.kind is SpanKind.KEYFRAME else "window prefill"):
                stream.append(item)
        prompt = question_tokens(language, spec.layout, settings.question)
        for _ in range(settings.runs):
            _question(stream, prompt, settings, times)
    return len(prompt)


def _warm(language: LanguageModel, settings: Settings) -> None:
    token = language.tokenize("a")[0]
    with language.open_sequence() as sequence:
        for _ in range(settings.warm_up):
            sequence.append([token] * 8, want_logits=True)
            sequence.step()


def _question(stream: LiveStream, prompt: list[int], settings: Settings, times: _Times) -> None:
    """On a fork, as the engine does. The first token costs no step, and an answer goes on past its end."""
    with stream.sequence.fork() as fork:
        with times.of("question prefill"):
            fork.append(prompt, want_logits=True)
        fork.step()
        for _ in range(settings.answer_tokens):
            with times.of("decode step"):
                fork.step()
