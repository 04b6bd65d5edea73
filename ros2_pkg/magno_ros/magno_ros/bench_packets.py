"""From a publisher's packet to a CodecFrame: the node's own subscription and a real reader process, without a model."""

from __future__ import annotations

import threading
import time
import uuid

import rclpy
from rclpy.context import Context
from rclpy.node import Node

from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.process.unit_queue import UnitQueue
from magno.runtime.camera.request import CameraRequest
from magno_ros.bench_peer import MEET_S, RATE, Peer
from magno_ros.parameters import CameraConfig
from magno_ros.taker import Taker
from magno_ros.topics import TopicCamera

PICTURE_PX = 224  # the small picture of a CodecFrame, as a usual model wants it
STOP_S = 5.0


class FrontEnd:
    """What a topic's camera needs of an engine: a queue that a reader process empties."""

    def __init__(self) -> None:
        self.units = UnitQueue()

    def watch_units(self, name: str) -> UnitQueue:
        return self.units


def packet_delays_ms(pictures: int) -> list[float]:
    """How long after its publishing each picture was a CodecFrame in the engine's process, milliseconds."""
    topic = f"/bench_{uuid.uuid4().hex[:8]}/stream"
    front, arrivals = FrontEnd(), dict[int, int]()
    context = Context()
    rclpy.init(context=context)
    node = Node("bench_magno", context=context)
    taker = Taker(node, lambda fault: node.get_logger().error(repr(fault)))
    camera = TopicCamera(node, taker, front, "bench", CameraConfig(topic=topic))  # type: ignore[arg-type]
    peer = Peer("publish", topic, str(pictures))
    try:
        peer.wait_ready()
        taker.start()
        with CameraReader(CameraRequest("units://", PICTURE_PX), front.units) as reader:
            reader.opened()
            hearer = threading.Thread(target=_hear, args=(reader, arrivals), daemon=True)
            hearer.start()
            peer.begin()
            stamps = peer.result(pictures / RATE + MEET_S) or ()
            time.sleep(0.5)  # for what is on its way
            camera.close()
            hearer.join(STOP_S)
    finally:
        peer.close()
        taker.close()
        node.destroy_node()
        rclpy.try_shutdown(context=context)
    return [(arrivals[stamp_ns] - stamp_ns) / 1e6 for stamp_ns in stamps if stamp_ns in arrivals]


def _hear(reader: CameraReader, arrivals: dict[int, int]) -> None:
    """When each frame came, nanoseconds of the wall clock, by its stamp."""
    for frame in reader.frames():
        arrivals[frame.pts_ns] = time.time_ns()
