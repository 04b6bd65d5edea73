"""The two flavours of TensorRT: one API under two names. Loads either, and keeps what it last complained of.

Differences between versions 8.6 to 11 are told by what the module has, not by its number.
"""

from __future__ import annotations

import importlib
from collections import deque
from dataclasses import dataclass
from typing import Any

from magno.runtime.backends import EncoderError

MODULES = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
INSTALL = {
    "tensorrt": "On a Jetson it comes with JetPack (give the virtual environment --system-site-packages); elsewhere "
    "run: pip install tensorrt cuda-python",
    "tensorrt-rtx": "Run: pip install 'magno[rtx]'",
}


@dataclass(frozen=True, slots=True)
class Library:
    """A loaded TensorRT."""

    flavour: str
    version: str
    trt: Any  # the module
    log: Any  # its logger, which also has `complaints`

    def complaint(self) -> str:
        """What it last reported as an error, in one line; forgotten with that."""
        found = [" ".join(text.split()) for text in self.log.complaints]
        self.log.complaints.clear()
        return found[0][:300].rstrip(".") if found else "no reason given"


def load_library(flavour: str) -> Library:
    """Raises EncoderError, saying how to install what is missing."""
    if flavour not in MODULES:
        raise EncoderError(f"The engine wants to be one of {', '.join(MODULES)}, found {flavour[:80]!r}.")
    try:
        trt = importlib.import_module(MODULES[flavour])
        version = str(trt.__version__)
    except Exception as error:  # a library built for another driver fails in ways of its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise EncoderError(f"{flavour} wants its library, found: {reason}. {INSTALL[flavour]}.") from error
    return Library(flavour, version, trt, _logger(trt))


def _logger(trt: Any) -> Any:
    worst = (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR)

    class Log(trt.ILogger):  # type: ignore[misc]
        """Keeps errors, drops the rest. The library calls it from any of its threads."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.complaints: deque[str] = deque(maxlen=8)

        def log(self, severity: Any, message: str) -> None:
            if severity in worst:
                self.complaints.append(message)

    return Log()
