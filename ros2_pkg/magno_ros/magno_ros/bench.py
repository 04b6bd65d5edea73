"""What ROS costs: a Query's round trip less the engine's latency, and a packet from its publisher to a CodecFrame.

    ros2 run magno_ros bench --bundle bundles/pocket --clip clip.mp4 --json

Everything in processes of their own on loopback, as on a robot. A table for people, then one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from magno.runtime.tables import stdout_console
from magno.runtime.units import MagnoError
from magno_ros.bench_packets import packet_delays_ms
from magno_ros.bench_peer import Peer
from magno_ros.client import MagnoClient
from magno_ros.conversions import OUTCOME_NAMES
from magno_ros.process import NodeProcess, loopback_environment, other_running_threads

CLIENTS = (1, 32)
PEERS = 4  # processes that clients are spread over, so that they do not wait for each other
PICTURES_S = 30.0  # that the camera is given to show something


class BenchError(MagnoError):
    """What cannot be measured."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    parser.add_argument("--bundle", type=Path, default=Path("bundles/pocket"), metavar="DIR")
    parser.add_argument("--clip", type=Path, default=Path("tests/clips/car-detection.mp4"))
    parser.add_argument(
        "--clients", type=int, nargs="+", default=CLIENTS, metavar="N", help="default: 1 and 32"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of asking; default: %(default)s")
    parser.add_argument("--pictures", type=int, default=300, help="that are published; default: %(default)s")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The figures. Raises MagnoError."""
    os.environ.update(loopback_environment())
    busy = other_running_threads()
    with tempfile.TemporaryDirectory(prefix="magno-bench-") as folder:
        queries = [query_overhead(args, clients, Path(folder)) for clients in args.clients]
        delays_ms = packet_delays_ms(args.pictures)
    packets = {"pictures": args.pictures, "arrived": len(delays_ms), **percentiles(delays_ms)}
    return {"other_running_threads": busy, "queries": queries, "packets": packets}


def query_overhead(args: argparse.Namespace, clients: int, folder: Path) -> dict[str, Any]:
    """Round trip less latency with so many clients, each asking again when it is answered."""
    name = f"magno_{uuid.uuid4().hex[:8]}"
    parameters = {"bundle": str(args.bundle), "cameras": ["front"], "front.url": str(args.clip)}
    with (
        NodeProcess({**parameters, "front.loop": True}, folder / f"{clients}.log", name) as node,
        MagnoClient(name) as client,
    ):
        for transition in ("configure", "activate"):
            if not client.change_state(transition):
                raise BenchError(f"The node did not {transition}: {node.last_error()}")
        until = time.monotonic() + PICTURES_S
        while not any(camera.cached_tokens for camera in client.cameras()):
            if time.monotonic() > until:
                raise BenchError(f"A bench wants a camera's pictures within {PICTURES_S:.0f} s, found none.")
            time.sleep(0.1)
        shares = [clients // PEERS + (peer < clients % PEERS) for peer in range(PEERS)]
        peers = [Peer("ask", name, str(share), str(args.seconds)) for share in shares if share]
        try:
            for peer in peers:
                peer.wait_ready()
            for peer in peers:
                peer.begin()
            answers = [answer for peer in peers for answer in peer.result()]
        finally:
            for peer in peers:
                peer.close()
    if not answers:
        raise BenchError("A bench wants answers, found none in time. Ask for longer (--seconds).")
    codes = [int(code) for _, code in answers]
    outcomes = {OUTCOME_NAMES.get(code, "?"): codes.count(code) for code in sorted(set(codes))}
    return {"clients": clients, "outcomes": outcomes, **percentiles([over_ms for over_ms, _ in answers])}


def percentiles(figures_ms: list[float]) -> dict[str, float]:
    """p50, p99 and the largest, in milliseconds. Raises BenchError where there are no figures."""
    if not figures_ms:
        raise BenchError("A bench wants figures, found none. Is the machine too busy?")
    p50, p99, most = np.percentile(figures_ms, [50, 99, 100])
    return {"p50_ms": round(p50, 3), "p99_ms": round(p99, 3), "max_ms": round(most, 3)}


def report(figures: dict[str, Any]) -> Table:
    """The figures for people."""
    busy = figures["other_running_threads"]
    table = Table(title="What ROS costs, ms" + (f"; {busy} other threads were running" if busy else ""))
    for heading in ("", "n", "p50", "p99", "max"):
        table.add_column(heading, justify="left" if not heading else "right")
    rows = [
        (f"Query less the engine's latency, {one['clients']} clients", sum(one["outcomes"].values()), one)
        for one in figures["queries"]
    ]
    packets = figures["packets"]
    rows.append(("720p30 packet published to CodecFrame", packets["arrived"], packets))
    for name, count, one in rows:
        table.add_row(name, str(count), *(f"{one[key]:.2f}" for key in ("p50_ms", "p99_ms", "max_ms")))
    return table


def main(argv: list[str] | None = None) -> int:
    """Exit code 2 and one sentence: it cannot be measured."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="the JSON line alone")
    args, _ = parser.parse_known_args(argv)  # ros2 run adds its own
    try:
        with Console(stderr=True).status("measuring"):
            figures = measure(args)
    except MagnoError as fault:
        print(f"bench: {fault}", file=sys.stderr)
        return 2
    if not args.json:
        stdout_console().print(report(figures))
    print(json.dumps({"bench": "ros", "cores": len(os.sched_getaffinity(0)), **figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
