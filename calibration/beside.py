"""Work on a thread of its own, while something else is measured."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TypeVar

Itself = TypeVar("Itself", bound="Beside")


class Beside:
    """Runs `_run` from entering to leaving; `_over` is set once it is to end."""

    def __init__(self, name: str, patience_s: float | None = None) -> None:
        """`patience_s`: how long leaving waits for it; None: as long as it takes."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._patience_s = patience_s

    def _run(self) -> None:
        raise NotImplementedError

    def __enter__(self: Itself) -> Itself:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(self._patience_s)
