"""Whether a process that says nothing is stuck, or merely kept from running by others. Asks Linux's /proc."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RUNNABLE = "R"
SHARE = 0.5  # of the time: a process that ran for as much was not kept from it


@dataclass(frozen=True, slots=True)
class Running:
    """What a process was doing at one moment."""

    wants: bool  # a thread of it runs, or waits for a core
    ran_ns: int  # so far, all threads together


def running(pid: int) -> Running | None:
    """None: it is gone, or this system does not tell."""
    try:
        tasks = list((Path("/proc") / str(pid) / "task").iterdir())
        # "pid (name) state ...", and the name may hold anything.
        states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks]
        ran_ns = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    except (OSError, ValueError, IndexError):
        return None
    return Running(RUNNABLE in states, ran_ns)


def starved(before: Running | None, after: Running | None, between_ns: int) -> bool:
    """Whether a process wanted to run all the time between two looks, and hardly could."""
    if before is None or after is None:
        return False
    return before.wants and after.wants and after.ran_ns - before.ran_ns < SHARE * between_ns
