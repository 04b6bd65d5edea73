"""What a reader process is at, and how long that may take: a process that is stuck must not say that it is well."""

from __future__ import annotations

from magno.runtime.clock import NS_PER_S, Clock


class Pulse:
    """Set by the thread that works, looked at by the one that says that all is well."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at: tuple[str, float, int] | None = None  # what is wanted, within how many seconds, since when

    def wait_for(self, what: str, within_s: float | None) -> None:
        """The thread begins what may take so long, and no longer; None: as long as it likes."""
        self._at = None if within_s is None else (what, within_s, self._clock.now_ns())

    def rest(self) -> None:
        """The thread is at nothing that could be stuck."""
        self._at = None

    def overdue(self) -> str | None:
        """A sentence when the thread is stuck."""
        at = self._at
        if at is None or self._clock.now_ns() - at[2] <= at[1] * NS_PER_S:
            return None
        return f"Wanted {at[0]} within {at[1]:g} s, found the reader process stuck at it; it is replaced."
