"""What ROS costs and its node stands: round trips, packets, a storm of goals, endless questions, a soak.

    magno bench ros --bundle bundles/pocket --clip clip.mp4
    ros2 run magno_ros bench --soak 100000 --seconds 0 --pictures 0 --goals-seconds 0 --long 0

Everything in processes of their own on loopback, as on a robot. Its flags are magno.calibration.ros's.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table

from magno.calibration.bench import run
from magno.calibration.ros import add_arguments
from magno_ros import bench_long, bench_soak, bench_storm
from magno_ros.bench_node import percentiles
from magno_ros.bench_packets import packet_delays_ms
from magno_ros.bench_queries import query_overhead
from magno_ros.process import loopback_environment, other_running_threads

WANTED_MS = {1: "3 ms", 32: "10 ms"}  # by clients, over the engine's latency


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """The figures of all parts that are not left out. Raises MagnoError."""
    os.environ.update(loopback_environment())
    figures: dict[str, Any] = {"other_running_threads": other_running_threads()}
    with tempfile.TemporaryDirectory(prefix="magno-bench-") as name:
        folder = Path(name)
        if args.seconds:
            say("round trips")
            figures["queries"] = [query_overhead(args, clients, folder) for clients in args.clients]
        if args.pictures:
            say("packets")
            delays_ms = packet_delays_ms(args.pictures)
            counts = {"pictures": args.pictures, "arrived": len(delays_ms)}
            figures["packets"] = {**counts, **percentiles(delays_ms)}
        if args.long:
            say("questions of a million characters")
            figures["long"] = bench_long.long_figures(args, folder)
        if args.goals_seconds:
            say(f"{args.goals_rate:.0f} goals a second, {args.goals_seconds:.0f} s")
            figures["storm"] = bench_storm.storm_figures(args, folder)
        if args.soak:
            say(f"{args.soak} questions")
            figures["soak"] = bench_soak.soak_figures(args, folder)
    return figures


def report(figures: dict[str, Any]) -> Table:
    """The figures for people."""
    busy = figures["other_running_threads"]
    table = Table(title="What ROS costs" + (f"; {busy} other threads were running" if busy else ""))
    for heading in ("", "wanted", "found"):
        table.add_column(heading, justify="right" if heading == "wanted" else "left")
    for one in figures.get("queries", ()):
        name = f"Query less the engine's latency, {one['clients']} clients, {sum(one['outcomes'].values())} asked"
        table.add_row(f"{name}: p50, p99, worst", WANTED_MS.get(one["clients"], ""), _spread(one))
        table.add_row("the same of ROS alone, the floor", "", _spread(one["floor"]))
    if packets := figures.get("packets"):
        name = f"{packets['arrived']} packets of 720p30, published to CodecFrame: p50, p99, worst"
        table.add_row(name, "33 ms", _spread(packets))
    for part, rows in (("long", bench_long.rows), ("storm", bench_storm.rows), ("soak", bench_soak.rows)):
        for row in rows(figures[part]) if part in figures else ():
            table.add_row(*row)
    return table


def _spread(one: dict[str, Any]) -> str:
    return "{p50_ms:.2f}, {p99_ms:.2f}, {max_ms:.2f} ms".format(**one)


def main(argv: list[str] | None = None) -> int:
    """Exit code 2 and one sentence: it cannot be measured."""
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="the JSON line alone")
    parser.set_defaults(bench="ros")
    args, _ = parser.parse_known_args(argv)  # ros2 run adds its own
    return run(args)


if __name__ == "__main__":
    sys.exit(main())
