"""A Query's round trip less the engine's latency: what the service, its wire and the client cost."""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from magno_ros.bench_node import BenchError, active_node, floor, percentiles
from magno_ros.bench_peer import DEADLINE_S, Peer
from magno_ros.conversions import OUTCOME_NAMES

PEERS = 4  # processes that clients are spread over, so that they do not wait for each other


def query_overhead(args: argparse.Namespace, clients: int, folder: Path) -> dict[str, Any]:
    """With so many clients, each asking again when it is answered; and what the same clients measure of a node that is
    nothing but ROS, at the same pace, while the other watches. Raises BenchError."""
    with active_node(args, folder) as node:
        answers = _asked(node.name, clients, args.seconds, 0.0)
        pause_s = statistics.median(own_ms for _, _, own_ms in answers) / 1e3
        with floor() as bare:
            least = _asked(bare.target, clients, args.seconds, pause_s)
    codes = [code for _, code, _ in answers]
    outcomes = {OUTCOME_NAMES.get(code, "?"): codes.count(code) for code in sorted(set(codes))}
    return {
        "clients": clients,
        "outcomes": outcomes,
        **percentiles([over_ms for over_ms, _, _ in answers]),
        "floor": percentiles([over_ms for over_ms, _, _ in least]),
    }


def _asked(name: str, clients: int, seconds: float, pause_s: float) -> list[tuple[float, int, float]]:
    """As bench_peer.ask. Raises BenchError where nothing was answered."""
    shares = [clients // PEERS + (peer < clients % PEERS) for peer in range(PEERS)]
    peers = [Peer("ask", name, str(share), str(seconds), str(pause_s)) for share in shares if share]
    try:
        for peer in peers:
            peer.wait_ready()
        for peer in peers:
            peer.begin()
        answers = [tuple(answer) for peer in peers for answer in peer.result(seconds + DEADLINE_S) or ()]
    finally:
        for peer in peers:
            peer.close()
    if not answers:
        raise BenchError("A bench wants answers, found none in time. Ask for longer (--seconds).")
    return answers
