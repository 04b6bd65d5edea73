"""A Query's round trip less the engine's latency: what the service, its wire and the client cost."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from magno_ros.bench_node import BenchError, active_node, percentiles
from magno_ros.bench_peer import Peer
from magno_ros.conversions import OUTCOME_NAMES

PEERS = 4  # processes that clients are spread over, so that they do not wait for each other


def query_overhead(args: argparse.Namespace, clients: int, folder: Path) -> dict[str, Any]:
    """With so many clients, each asking again when it is answered. Raises BenchError."""
    with active_node(args, folder) as node:
        shares = [clients // PEERS + (peer < clients % PEERS) for peer in range(PEERS)]
        peers = [Peer("ask", node.name, str(share), str(args.seconds)) for share in shares if share]
        try:
            for peer in peers:
                peer.wait_ready()
            for peer in peers:
                peer.begin()
            answers = [answer for peer in peers for answer in peer.result() or ()]
        finally:
            for peer in peers:
                peer.close()
    if not answers:
        raise BenchError("A bench wants answers, found none in time. Ask for longer (--seconds).")
    codes = [int(code) for _, code in answers]
    outcomes = {OUTCOME_NAMES.get(code, "?"): codes.count(code) for code in sorted(set(codes))}
    return {"clients": clients, "outcomes": outcomes, **percentiles([over_ms for over_ms, _ in answers])}
