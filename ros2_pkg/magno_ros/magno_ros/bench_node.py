"""The node that is measured: a process of its own that watches a clip, and what it holds meanwhile."""

from __future__ import annotations

import argparse
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from magno.calibration.footprint import Footprint, footprint
from magno.runtime.units import MagnoError
from magno_ros.bench_peer import Peer
from magno_ros.client import MagnoClient
from magno_ros.process import NodeProcess

PICTURES_S = 30.0  # that the camera is given to show something


class BenchError(MagnoError):
    """What cannot be measured."""


@dataclass(frozen=True, slots=True)
class BenchNode:
    """An active node whose camera has shown something."""

    name: str
    client: MagnoClient
    pid: int


@contextmanager
def active_node(args: argparse.Namespace, folder: Path, **more: Any) -> Iterator[BenchNode]:
    """`more` are parameters of the node. Raises BenchError."""
    name = f"magno_{uuid.uuid4().hex[:8]}"
    parameters: dict[str, Any] = {
        "bundle": str(args.bundle),
        "cameras": ["front"],
        "front.url": str(args.clip),
    }
    with (
        NodeProcess({**parameters, "front.loop": True, **more}, folder / f"{name}.log", name) as node,
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
        assert node.process is not None
        yield BenchNode(name, client, node.process.pid)


@contextmanager
def floor() -> Iterator[MagnoClient]:
    """A client of a node that is nothing but ROS (bench_floor), in a process of its own."""
    name = f"magno_{uuid.uuid4().hex[:8]}"
    peer = Peer("floor", name, "0")
    try:
        peer.wait_ready()
        with MagnoClient(name) as client:
            yield client
    finally:
        peer.close()


class Footprints:
    """A context manager: looks at a process again and again, on a thread of its own."""

    def __init__(self, pid: int, every_s: float) -> None:
        self._pid, self._every_s = pid, every_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, name="footprints", daemon=True)
        self.seen: list[Footprint] = []

    def __enter__(self) -> Footprints:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        with suppress(OSError):  # it has ended, and whoever asks it will hear so
            while True:
                self.seen.append(footprint(self._pid))
                if self._end.wait(self._every_s):
                    self.seen.append(footprint(self._pid))
                    return


def loaded(
    node: BenchNode, look_s: float, kind: str, amount: float, seconds: float
) -> tuple[Any, list[Footprint]]:
    """A load of another process on the node (bench_loads): what that measured, None where it failed, and what the node
    held meanwhile, seen every `look_s`. It takes these seconds; 0: as long as it takes."""
    peer = Peer(kind, node.name, str(amount), str(seconds))
    try:
        peer.wait_ready()
        with Footprints(node.pid, look_s) as footprints:
            peer.begin()
            offered = peer.result(seconds or None)
    finally:
        peer.close()
    return offered, footprints.seen


def percentiles(figures_ms: list[float]) -> dict[str, float]:
    """p50, p99 and the largest, in milliseconds. Raises BenchError where there are no figures."""
    if not figures_ms:
        raise BenchError("A bench wants figures, found none. Is the machine too busy?")
    p50, p99, most = np.percentile(figures_ms, [50, 99, 100])
    return {"p50_ms": round(p50, 3), "p99_ms": round(p99, 3), "max_ms": round(most, 3)}
