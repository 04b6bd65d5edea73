"""What a model wants: sizes, units and token layout, as a checkpoint and a bundle's manifest both state them.

Knows no file and no library: dictionaries in, frozen dataclasses out, one sentence for anything that is wrong.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import Any, TypeVar

from magno.runtime.units import MagnoError, ResidualKind


class SpecError(MagnoError, ValueError):
    """A manifest, checkpoint or configuration that does not say what it must."""


@dataclass(frozen=True, slots=True)
class CodecSpec:
    """How codec data becomes the encoders' input arrays."""

    image_px: int  # S: pictures and residuals are (S, S)
    patch_px: int  # a patch of the Δ-encoder, in model pixels
    motion_grid: int  # G: the fused field is pooled to (G, G) cells; a multiple of S / patch_px
    motion_scale_px: float  # displacement in model pixels that becomes 1.0
    motion_clip: float  # scaled displacement is clipped to +-this
    residual_scale: float  # luma levels that become 1.0
    window_pictures: int  # pictures fused into one window (the paper's s)
    windows_per_gop: int  # windows between two keyframes
    residual_kinds: tuple[ResidualKind, ...]  # what the checkpoint was trained with; none: keyframes only

    def __post_init__(self) -> None:
        if self.image_px < 1 or self.patch_px < 1 or self.image_px % self.patch_px:
            raise SpecError(f"image_px wants a multiple of patch_px {self.patch_px}, found {self.image_px}.")
        if self.motion_grid < 1 or self.motion_grid % self.patches:
            raise SpecError(
                f"motion_grid wants a multiple of {self.patches} patches a side, found {self.motion_grid}."
            )
        if self.image_px % self.motion_grid:
            raise SpecError(
                f"motion_grid wants a divisor of image_px {self.image_px}, found {self.motion_grid}."
            )
        for name in (
            "motion_scale_px",
            "motion_clip",
            "residual_scale",
            "window_pictures",
            "windows_per_gop",
        ):
            if not getattr(self, name) > 0:
                raise SpecError(f"{name} wants a number above 0, found {getattr(self, name)}.")

    @classmethod
    def keyframes_only(cls, image_px: int, pictures: int) -> CodecSpec:
        """Of a model without a Δ-encoder: a keyframe every so many pictures, and nothing of motion."""
        return cls(image_px, image_px, 1, 1.0, 1.0, 1.0, pictures, 1, ())

    @property
    def patches(self) -> int:
        """Patches a side."""
        return self.image_px // self.patch_px

    @property
    def cells(self) -> int:
        """Motion cells a side of one patch."""
        return self.motion_grid // self.patches

    @property
    def motion_width(self) -> int:
        """Numbers a patch: dx, dy and validity of each of its cells."""
        return self.cells * self.cells * 3


@dataclass(frozen=True, slots=True)
class TokenLayout:
    """Prompt order is training order: system text, then the stream, then the question."""

    system_text: str
    keyframe_text: str  # before each keyframe's embeddings; may name {seconds}; empty: none
    keyframe_tokens: int  # rows of vision.onnx's output, row newlines included
    window_tokens: int  # rows of delta.onnx's output; 0: keyframes only, there is no delta.onnx
    question_prefix: str
    question_suffix: str
    stop_text: str  # the special token that ends an answer
    turn_prefix: str = (
        ""  # before a later question of a conversation, after stop_text; empty: question_prefix
    )
    cut_text: str = (
        ""  # instead of keyframe_text, of a keyframe that shows another scene; empty: keyframe_text
    )
    # Of the cosines and sines in which the last columns of each keyframe's and window's embeddings tell when it was
    # captured (capture_time.py); none: they are the encoders' own.
    time_periods_s: tuple[float, ...] = ()
    # Of each of a window's tokens: by how many of its lengths the time that it tells is before its end; none: 0.
    time_lags: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not all(SHORTEST_PERIOD_S <= period <= LONGEST_PERIOD_S for period in self.time_periods_s):
            raise SpecError(
                f"time_periods_s wants {SHORTEST_PERIOD_S:g} to {LONGEST_PERIOD_S:g} seconds, found "
                f"{min(self.time_periods_s):g} to {max(self.time_periods_s):g}."
            )
        if self.time_lags and len(self.time_lags) != self.window_tokens:
            raise SpecError(
                f"time_lags wants one of each of a window's {self.window_tokens} tokens, found {len(self.time_lags)}."
            )
        if not all(0 <= lag <= MOST_LAG for lag in self.time_lags):
            raise SpecError(
                f"time_lags wants 0 to {MOST_LAG} lengths of a window, found {min(self.time_lags):g} to "
                f"{max(self.time_lags):g}."
            )
        for name in ("keyframe_text", "cut_text"):
            text = getattr(self, name)
            if re.search(r"[{}]", TIME_FIELD.sub("", text)):
                raise SpecError(
                    f"{name} wants plain text and at most {{seconds}} or {{seconds:.1f}}, found {text[:80]!r}."
                )

    def text_before_keyframe(self, seconds: float, *, is_cut: bool = False) -> str:
        """keyframe_text or cut_text, told the time of the picture in the stream."""
        text = self.cut_text if is_cut and self.cut_text else self.keyframe_text
        return text.format(seconds=seconds) if "{" in text else text

    def lags_ns(self, length_ns: int) -> tuple[int, ...]:
        """Of each token of a window of this length, by how much the time that it tells is before its end; none: 0."""
        return tuple(round(lag * length_ns) for lag in self.time_lags)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    name: str
    embed_dim: int  # width of the language model's embeddings
    trained_context: int  # tokens; positions beyond it were never trained
    codec: CodecSpec
    layout: TokenLayout

    def __post_init__(self) -> None:
        told = 2 * len(self.layout.time_periods_s)
        if told and told >= self.embed_dim:
            raise SpecError(
                f"time_periods_s wants fewer columns than the {self.embed_dim} of an embedding, found {told}."
            )


SHORTEST_PERIOD_S, LONGEST_PERIOD_S = 0.001, 1e6
MOST_LAG = 16  # lengths of a window
LARGEST = 1e300  # of a float field: a longer integer would not convert
# A keyframe's text may tell the time, and ask nothing else of str.format.
TIME_FIELD = re.compile(r"\{seconds(:\.[0-9]f)?\}")

T = TypeVar("T")


def from_dict(kind: type[T], values: object, where: str) -> T:
    """Fill a dataclass from JSON values, strictly: no unknown, missing or mistyped key.

    `where` names the place in messages ("manifest.json: model"). Raises SpecError.
    """
    if not isinstance(values, dict):
        raise SpecError(f"{where} wants an object, found {type(values).__name__}.")
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            near = get_close_matches(str(key), fields, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(fields)}."
            raise SpecError(f"{where} has an unknown key {str(key)[:80]!r}.{hint}")
    filled: dict[str, Any] = {}
    for name, f in fields.items():
        if name in values:
            filled[name] = _convert(hints[name], values[name], f"{where}.{name}")
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise SpecError(f"{where} lacks the key {name!r}.")
    return kind(**filled)


def to_dict(value: Any) -> Any:
    """The JSON values of a dataclass: enums by value, tuples as lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [to_dict(item) for item in value]
    if isinstance(value, dict):
        return {key: to_dict(item) for key, item in value.items()}
    return value


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_dict(hint, value, where)
    if isinstance(hint, type) and issubclass(hint, Enum):
        known = [member.value for member in hint]
        if value not in known:
            raise SpecError(f"{where} wants one of {', '.join(known)}, found {str(value)[:80]!r}.")
        return hint(value)
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        inner = next(arg for arg in typing.get_args(hint) if arg is not type(None))
        return _convert(inner, value, where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise SpecError(f"{where} wants a list, found {type(value).__name__}.")
        return tuple(_convert(typing.get_args(hint)[0], item, where) for item in value)
    if origin is dict:
        if not isinstance(value, dict):
            raise SpecError(f"{where} wants an object, found {type(value).__name__}.")
        inner = typing.get_args(hint)[1]
        return {str(key): _convert(inner, item, f"{where}.{key}") for key, item in value.items()}
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not -LARGEST <= value <= LARGEST:  # false for NaN too
            raise SpecError(f"{where} wants a finite number, found {str(value)[:40]}.")
        return float(value)
    if isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise SpecError(f"{where} wants {hint.__name__}, found {str(value)[:80]!r}.")
