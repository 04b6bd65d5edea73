"""`magno bench ros`: what ROS costs, and what its node stands. The bench is magno_ros's own, since magno knows no ROS.

Nothing of ROS is imported before it is measured: the row is there without ROS, and says in one sentence what it wants.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table

from magno.runtime.units import MagnoError

BENCH = "magno_ros.bench"


class RosError(MagnoError):
    """ROS is not to be had."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads. 0 leaves a part out."""
    add = parser.add_argument
    add("--bundle", type=Path, default=Path("bundles/pocket"), metavar="DIR")
    add("--clip", type=Path, default=Path("tests/clips/car-detection.mp4"))
    add("--clients", type=int, nargs="+", default=(1, 32), metavar="N", help="default: 1 and 32")
    add("--seconds", type=float, default=20.0, help="of asking; default: %(default)s")
    add("--pictures", type=int, default=300, help="that are published; default: %(default)s")
    add("--goals-seconds", type=float, default=10.0, help="of a storm of goals; default: %(default)s")
    add("--goals-rate", type=float, default=1000.0, help="goals a second; default: %(default)s")
    add("--long", type=int, default=20, help="questions of a million characters; default: %(default)s")
    add(
        "--soak",
        type=int,
        default=0,
        metavar="N",
        help="questions, goals and queries in turns; default: none",
    )
    add("--soak-seconds", type=float, default=0.0, help="that the soak may take at most; default: no bound")


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """The figures. Raises MagnoError."""
    figures: dict[str, Any] = _bench().measure(args, say)
    return figures


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    table: Table = _bench().report(figures)
    return table


def _bench() -> Any:
    try:
        return importlib.import_module(BENCH)
    except ImportError as error:
        raise RosError(
            "This bench wants ROS 2 with the packages magno_ros and magno_interfaces, "
            f"found no {error.name or error}. Source the workspace that they are built in, then run it again."
        ) from error
