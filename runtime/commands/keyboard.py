"""A line that is typed while something else is drawn: keys as they come, gathered into a line. Linux and macOS."""

from __future__ import annotations

import codecs
import os
import select
import sys
import termios
import tty
from types import TracebackType

END_OF_INPUT, BACKSPACES, ENTER = "\x04", "\x7f\b", "\r\n"
CLEAR_LINE, ESCAPE = "\x15", "\x1b"
MOST = 500  # characters of a line


class Keyboard:
    """The terminal on stdin, a key at a time and without echo, until it is left."""

    def __init__(self) -> None:
        self.line = Line()
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")

    def __enter__(self) -> Keyboard:
        self._file = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._file)
        tty.setcbreak(self._file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)

    def lines(self, wait_s: float) -> list[str] | None:
        """The lines ended within `wait_s`; None: there will be no more."""
        ready, _, _ = select.select([self._file], [], [], wait_s)
        if not ready:
            return []
        data = os.read(self._file, 1024)
        return self.line.take(self._decoder.decode(data)) if data else None


class Line:
    """What has been typed so far. Pure."""

    def __init__(self) -> None:
        self.text = ""

    def take(self, keys: str) -> list[str] | None:
        """Lines that these keys end; None: the end of the input was asked for."""
        ended = []
        if keys.startswith(ESCAPE):  # an arrow, say: nothing of it is text
            return []
        for key in keys:
            if key == END_OF_INPUT:
                return None
            if key in ENTER:
                ended.append(self.text)
                self.text = ""
            elif key in BACKSPACES:
                self.text = self.text[:-1]
            elif key == CLEAR_LINE:
                self.text = ""
            elif key.isprintable() and len(self.text) < MOST:
                self.text += key
        return ended
