"""The other end of a bench, a process of its own: clients that ask, or a camera that publishes.

It says "ready", begins at a line on its standard input, prints what it measured as one JSON line, and is gone. Nothing
of it is closed: where many clients go together, Fast DDS can spin for ever in one's end (see main.EXIT_S).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage

from magno.runtime.camera.encode import PictureEncoder
from magno_ros.bench_floor import serve
from magno_ros.bench_loads import QUESTION, soak, storm
from magno_ros.client import ClientError, MagnoClient
from magno_ros.conversions import ms_from_duration, time_from_ns

DEADLINE_S = 10.0
SIZE, RATE = (1280, 720), 30  # of what is published: pixels, pictures a second
STEP_PX = 8  # that the scene moves from picture to picture
MEET_S = 20.0
SLACK_S = 60.0  # beyond what it was told to take, before it is held for stuck


class Peer:
    """The process, seen from the bench. Close it."""

    def __init__(self, *words: str) -> None:
        command = [sys.executable, "-m", "magno_ros.bench_peer", *words]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def wait_ready(self) -> None:
        self._line(0.0)

    def begin(self) -> None:
        with suppress(BrokenPipeError):  # its result will be None
            print("go", file=self._stdin, flush=True)

    def result(self, seconds: float | None) -> Any:
        """What it measured over these seconds (None: for as long as it takes); None where it failed or is stuck."""
        try:
            return json.loads(self._line(seconds))
        except ValueError:
            return None

    def _line(self, seconds: float | None) -> str:
        """The next one that it prints; killed, and empty, where that takes much longer than these seconds."""
        limit = threading.Timer((seconds or 0.0) + SLACK_S, self._process.kill)
        if seconds is not None:
            limit.start()
        try:
            return self._stdout.readline()
        finally:
            limit.cancel()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def ask(target: str, clients: int, seconds: float, pause_s: float) -> list[tuple[float, int, float]]:
    """Round trip less the engine's latency, the outcome, and that latency, of every question of these clients;
    milliseconds. Each asks again after a pause."""
    answers: list[tuple[float, int, float]] = []
    owned = [MagnoClient(target) for _ in range(clients)]
    for client in owned:
        client.ask(QUESTION, deadline_s=DEADLINE_S)  # discovery, and all that is done once
    wait_to_begin()
    end = time.monotonic() + seconds

    def keep_asking(client: MagnoClient) -> None:
        while time.monotonic() < end:
            began = time.monotonic()
            with suppress(ClientError):
                answer = client.ask(QUESTION, deadline_s=DEADLINE_S)
                round_trip_ms, own_ms = (time.monotonic() - began) * 1e3, ms_from_duration(answer.latency)
                answers.append((round_trip_ms - own_ms, int(answer.outcome), own_ms))
            time.sleep(pause_s)

    threads = [threading.Thread(target=keep_asking, args=(client,)) for client in owned]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def publish(topic: str, pictures: int) -> list[int]:
    """Publish H.264 at its rate, each stamped when it is handed to ROS; the stamps, nanoseconds of the wall clock."""
    coded = scene(pictures)
    rclpy.init()
    node = Node("bench_camera", start_parameter_services=False)
    quality = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = node.create_publisher(CompressedImage, topic, quality)
    wait_to_begin()
    until = time.monotonic() + MEET_S
    while not publisher.get_subscription_count() and time.monotonic() < until:
        time.sleep(0.05)
    stamps, began = [], time.monotonic()
    for number, data in enumerate(coded):
        time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        message = CompressedImage(format="h264", data=data)
        stamps.append(time.time_ns())
        message.header.stamp = time_from_ns(stamps[-1])
        publisher.publish(message)
    return stamps


def scene(pictures: int) -> list[bytes]:
    """Access units of a textured scene that pans, with noise as a sensor's."""
    rng, encoder = np.random.default_rng(0), PictureEncoder()
    width, height = SIZE
    coarse = rng.integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    wide = np.repeat(np.repeat(coarse, 16, 0), 16, 1)
    units = []
    for number in range(pictures):
        picture = np.roll(wide, number * STEP_PX, axis=1) // 2 + rng.integers(0, 8, wide.shape, np.uint8)
        units.append(encoder.encode(picture, 0, 0).data)
    return units


def wait_to_begin() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def main(words: list[str]) -> int:
    kind, target, count, *rest = words
    limit, pause_s = (float(word) for word in [*rest, "0", "0"][:2])
    peers: dict[str, Callable[[], Any]] = {
        "ask": lambda: ask(target, int(count), limit, pause_s),
        "floor": lambda: serve(target, wait_to_begin),
        "publish": lambda: publish(target, int(count)),
        "storm": lambda: storm(target, float(count), limit, wait_to_begin),
        "soak": lambda: soak(target, int(count), limit, wait_to_begin),
    }
    print(json.dumps(peers[kind]()), flush=True)
    return 0


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
