"""What keeps a process from being late by chance: a processor for the thread that has little to do, and no long
collection of garbage. Knows no question.
"""

from __future__ import annotations

import gc
import os
from contextlib import suppress

LOWEST = 1  # of the real-time priorities: before every ordinary thread, after all that really is real-time
NICE = -10
# Goals and their handles refer to each other, so that each waits for a collection. By Python's own (700, 10, 10)
# thousands did, 13 MiB; once what is there is frozen, looking through the rest takes next to nothing.
THRESHOLDS = (700, 5, 1)


def run_promptly() -> str:
    """From now on the calling thread, not those that it begins, runs before all that computes, where the system allows
    it; what it got: "real-time", "nice" or "" for neither.

    A model keeps every core busy, and what has a third of a millisecond's work to do was seen to wait a hundred for its
    turn. RLIMIT_RTPRIO (ulimit -r), RLIMIT_NICE or CAP_SYS_NICE allow it: see sched(7), setpriority(2).
    """
    with suppress(OSError, AttributeError):  # of a system without it
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(LOWEST))
        return "real-time"
    with suppress(OSError):  # a thread's own on Linux
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
        return "nice"
    return ""


def settle() -> None:
    """Collect garbage now, and never again look through what is here: a node's 95 ms, with every thread held up.

    To be called again when much of that has gone.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
