"""A keyframe or window -> its rows, ready for the language model. Knows no camera and no language model."""

from __future__ import annotations

from magno.runtime.encoder import Encoder
from magno.runtime.features import keyframe_pixels, window_arrays
from magno.runtime.spec import CodecSpec
from magno.runtime.units import Encoded, SpanKind
from magno.runtime.window import FusedWindow, Keyframe


def encoded(item: Keyframe | FusedWindow, encoder: Encoder, codec: CodecSpec) -> Encoded:
    """Raises EncoderError."""
    frame = item.frame
    if isinstance(item, Keyframe):
        kind, pictures, is_cut = SpanKind.KEYFRAME, 1, item.is_cut
        rows = encoder.keyframe(keyframe_pixels(frame.picture))[0]
    else:
        kind, pictures, is_cut = SpanKind.WINDOW, item.displacement.pictures, False
        rows = encoder.window(*window_arrays(item, codec))[0]
    return Encoded(kind, rows, item.gop, frame.pts_ns, frame.capture_ns, pictures, is_cut)
