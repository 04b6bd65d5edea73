"""Where tables for people are printed: as wide as the terminal, and wide enough for figures where there is none."""

from __future__ import annotations

import os
import sys

from rich.console import Console

WIDTH = 120  # columns of a file or a pipe; rich would take 80, and cut figures off


def stdout_console() -> Console:
    """A console on stdout. COLUMNS has its say."""
    told = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if told else WIDTH)
