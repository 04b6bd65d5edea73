"""`--topic`: which of a bag's cameras a command is about. Declared in one place for all that read bags."""

from __future__ import annotations

import argparse


def add_topic(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Declare it: a string, "" where it is not given; of `several` a list, which may be empty."""
    said = "of a bag (*.mcap) with several cameras"
    if several:
        parser.add_argument(
            "--topic",
            action="append",
            default=[],
            metavar="NAME",
            help=said + "; may be given again: all are asked",
        )
    else:
        parser.add_argument("--topic", default="", metavar="NAME", help=said)
