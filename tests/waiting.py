"""Wait for what other threads and processes bring about."""

from __future__ import annotations

import threading
from collections.abc import Callable

PATIENCE_S = 60.0
LOOK_S = 0.02


def happens(condition: Callable[[], bool]) -> bool:
    """Whether `condition` comes true in PATIENCE_S."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / LOOK_S)):
        if condition():
            return True
        pause.wait(LOOK_S)
    return False
