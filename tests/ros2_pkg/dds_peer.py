"""A program of another maker's DDS (Eclipse Cyclone), in an environment without ROS: reads the node's status, asks it
one question, and prints both as JSON. What it knows of the node are names and types as ROS maps them to DDS
(design.ros2.org, "Topic and Service name mapping to DDS"): rt, rq and rr before names, dds_ and an underscore in types.

    python dds_peer.py NODE CAMERA QUESTION DEADLINE_S
"""

import json
import os
import sys
import time
from dataclasses import dataclass

from cyclonedds.core import Policy, Qos
from cyclonedds.domain import DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.idl.annotations import final
from cyclonedds.idl.types import float32, int32, uint8, uint16, uint32, uint64
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration

PATIENCE_S = 20.0


@dataclass
@final
class Time(IdlStruct, typename="builtin_interfaces::msg::dds_::Time_"):
    sec: int32 = 0
    nanosec: uint32 = 0


@dataclass
@final
class Duration(IdlStruct, typename="builtin_interfaces::msg::dds_::Duration_"):
    sec: int32 = 0
    nanosec: uint32 = 0


@dataclass
@final
class Header(IdlStruct, typename="std_msgs::msg::dds_::Header_"):
    stamp: Time
    frame_id: str


@dataclass
@final
class StreamStatus(IdlStruct, typename="magno_interfaces::msg::dds_::StreamStatus_"):
    header: Header
    camera: str
    state: uint8
    error_msg: str
    pictures_received: uint64
    pictures_dropped: uint64
    reconnects: uint32
    restarts: uint32
    pictures_per_second: float32
    newest_picture_age: Duration
    cached_tokens: uint32
    remembered: Duration
    tier: str
    tier_changes: uint32


@dataclass
@final
class Request(IdlStruct, typename="magno_interfaces::srv::dds_::Query_Request_"):
    camera: str
    question: str
    deadline: Duration
    max_tokens: uint32
    all_or_nothing: bool
    at: Time
    recall: bool
    conversation: str


@dataclass
@final
class Response(IdlStruct, typename="magno_interfaces::srv::dds_::Query_Response_"):
    answer: str
    outcome: uint16
    error_msg: str
    stamp: Time
    age: Duration
    time_to_first_token: Duration
    latency: Duration
    retry_after: Duration
    visual_tokens: uint32
    cached_tokens: uint32
    recalled_tokens: uint32
    foretold_tokens: uint32
    earlier_turns: uint32
    dropped_pictures: uint32


def qos() -> Qos:
    return Qos(
        Policy.Reliability.Reliable(duration(seconds=1)),
        Policy.Durability.Volatile,
        Policy.History.KeepLast(10),
        Policy.DataRepresentation(use_cdrv0_representation=True),
    )


def first(reader: DataReader, wanted) -> object:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        for sample in reader.take(10):
            if wanted(sample):
                return sample
        time.sleep(0.02)
    sys.exit(f"nothing came within {PATIENCE_S:.0f} s on {reader.topic.name}")


def main(node: str, camera: str, question: str, deadline_s: float) -> None:
    participant = DomainParticipant(int(os.environ["ROS_DOMAIN_ID"]))

    def topic(name: str, kind: type) -> Topic:
        return Topic(participant, f"{name[:2]}/{node}/{name[3:]}", kind, qos=qos())

    statuses = DataReader(participant, topic("rt/stream_status", StreamStatus), qos=qos())
    replies = DataReader(participant, topic("rr/queryReply", Response), qos=qos())
    requests = DataWriter(participant, topic("rq/queryRequest", Request), qos=qos())
    status = first(statuses, lambda one: one.camera == camera and one.cached_tokens > 0)
    # A service is there once its node listens and can be heard.
    end = time.monotonic() + PATIENCE_S
    while not (requests.get_matched_subscriptions() and replies.get_matched_publications()):
        if time.monotonic() > end:
            sys.exit("the service was not found")
        time.sleep(0.02)
    sec, part = divmod(deadline_s, 1.0)
    requests.write(
        Request(camera, question, Duration(int(sec), int(part * 1e9)), 0, False, Time(), False, "")
    )
    reply = first(replies, lambda one: True)
    told = {
        "camera": status.camera,
        "state": status.state,
        "pictures_received": status.pictures_received,
        "cached_tokens": status.cached_tokens,
        "answer": reply.answer,
        "outcome": reply.outcome,
        "error_msg": reply.error_msg,
        "stamp_s": reply.stamp.sec,
        "visual_tokens": reply.visual_tokens,
        "latency_s": reply.latency.sec + reply.latency.nanosec / 1e9,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
