"""A keyframe or window -> its rows, ready for the language model. Knows no camera and no language model."""

from __future__ import annotations

import numpy as np

from magno.runtime.capture_time import with_time
from magno.runtime.encoder import Encoder
from magno.runtime.features import keyframe_pixels, window_arrays
from magno.runtime.spec import ModelSpec, TokenLayout
from magno.runtime.units import Encoded, SpanKind
from magno.runtime.window import FusedWindow, Keyframe


def encoded(item: Keyframe | FusedWindow, encoder: Encoder, spec: ModelSpec) -> Encoded:
    """Raises EncoderError."""
    if isinstance(item, Keyframe):
        return with_rows(item, encoder.keyframe(keyframe_pixels(item.frame.picture))[0], spec.layout)
    return with_rows(item, encoder.window(*window_arrays(item, spec.codec))[0], spec.layout)


def with_rows(item: Keyframe | FusedWindow, rows: np.ndarray, layout: TokenLayout) -> Encoded:
    """The item with what its encoder said of it, (tokens, width) float32, and when it was."""
    frame = item.frame
    if isinstance(item, Keyframe):
        kind, pictures, is_cut = SpanKind.KEYFRAME, 1, item.is_cut
    else:
        kind, pictures, is_cut = SpanKind.WINDOW, item.displacement.pictures, False
    return Encoded(
        kind, timed(item, rows, layout), item.gop, frame.pts_ns, frame.capture_ns, pictures, is_cut
    )


def timed(item: Keyframe | FusedWindow, rows: np.ndarray, layout: TokenLayout) -> np.ndarray:
    """rows (tokens, width) float32, their last columns telling when it was."""
    pts_ns = item.frame.pts_ns
    lags_ns = () if isinstance(item, Keyframe) else layout.lags_ns(pts_ns - item.before_pts_ns)
    return with_time(rows, pts_ns, layout.time_periods_s, lags_ns)
