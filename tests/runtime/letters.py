"""Streams and what a windower makes of them, written as letters."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from magno.runtime.units import BlockMode, CodecFrame, Link
from magno.runtime.window import FusedWindow, Keyframe
from tests.synthetic import codec_frame, uniform_field

LINKS = {"I": Link.RESET, "x": Link.BROKEN, "X": Link.BROKEN, "h": Link.BROKEN}
BLOCKS = (4, 6)


def stream(letters: str) -> list[CodecFrame]:
    """I, P and B as they are; b a B-picture that others are predicted from; f a B-picture predicted from what is
    shown later alone; c a P without a vector, as after a cut; x a damaged P, X a damaged I, h a P that is healing, -
    a picture that was dropped on the way. References tell how far the content of all came since the newest one."""
    frames, since = [], 0
    for sequence, letter in enumerate(letters):
        since += 1
        if letter == "-":
            continue
        pict_type = {"x": "P", "h": "P", "X": "I", "b": "B", "f": "B", "c": "P"}.get(letter, letter)
        mode = {"f": BlockMode.MISSING, "c": BlockMode.INTRA}.get(letter, BlockMode.INTER)
        field = uniform_field((4 * since, 0), BLOCKS, link=LINKS.get(letter, Link.OK), mode=mode)
        frame = codec_frame(sequence, pict_type, field)
        is_reference = letter not in "Bf"
        frames.append(dataclasses.replace(frame, is_reference=is_reference, is_healing=letter == "h"))
        since = 0 if is_reference else since
    return frames


def told(items: Iterable[Keyframe | FusedWindow]) -> str:
    """K7 is a keyframe at picture 7; W3-7 a window from picture 3 to 7."""
    words = []
    for item in items:
        last = item.frame.sequence
        if isinstance(item, Keyframe):
            words.append(f"K{last}")
        else:
            words.append(f"W{int(item.before[0, 0, 0])}-{last}")
    return " ".join(words)
