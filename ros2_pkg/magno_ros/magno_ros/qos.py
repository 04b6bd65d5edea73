"""Quality of service, chosen. Knows no node.

ROS keeps 10 messages of a service by default and loses the rest without a word: of 40 questions at once, 17
never got an answer. Services here keep as many as can pile up while a busy node says so.
"""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

QUESTIONS_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1024,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
# Text so far replaces text so far: what a slow client misses is in the next one.
FEEDBACK_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=32,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
# 1 Hz a camera; late joiners wait a second.
STATUS_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=16,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
# Few and far between; who comes late hears the newest.
EVENTS_QOS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=32,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
