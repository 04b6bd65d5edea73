"""Whether libavcodec concealed damage, as its log says. Knows PyAV's log.

It flags damage on a picture that it gives, which may be some pictures later. And of a stream that was joined in the
middle it flags every picture until it has found one to begin from: which of these are damaged besides, and so no part
of a sound refresh, its log alone tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import av

CONCEALED = ("concealing", "error while decoding")

Result = TypeVar("Result")


def heard_concealing(act: Callable[[], Result]) -> tuple[Result, bool]:
    """What `act` gives, and whether libavcodec told of concealment meanwhile. Raises what `act` raises."""
    level, skips = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_skip_repeated(False)
    av.logging.set_level(av.logging.INFO)
    try:
        with av.logging.Capture() as told:
            result = act()
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skips)
    return result, any(text.startswith(CONCEALED) for _, _, text in told)
