"""What `/diagnostics` is told: each camera's state, and how questions fare. Pure: knows no node, no engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from magno.runtime.clock import NS_PER_S
from magno.runtime.tally import CameraStatus
from magno.runtime.units import Outcome
from magno_ros.conversions import sendable, time_from_ns

STALE_S = 2.0  # a streaming camera's newest picture should not be older
LEVELS = {
    "streaming": DiagnosticStatus.OK,
    "ended": DiagnosticStatus.OK,
    "opening": DiagnosticStatus.WARN,
    "silent": DiagnosticStatus.WARN,
    "lost": DiagnosticStatus.ERROR,
}


def diagnostics(
    node: str,
    cameras: Iterable[CameraStatus],
    outcomes: Mapping[Outcome, int],
    about: Mapping[str, str],
    now_ns: tuple[int, int],
) -> DiagnosticArray:
    """`about` the engine, in words; `now_ns` by the ROS clock and by the monotonic one."""
    ros_now_ns, monotonic_now_ns = now_ns
    message = DiagnosticArray()
    message.header.stamp = time_from_ns(ros_now_ns)
    message.status = [_engine(node, outcomes, about)]
    message.status += [_camera(node, camera, monotonic_now_ns) for camera in cameras]
    return message


def _engine(node: str, outcomes: Mapping[Outcome, int], about: Mapping[str, str]) -> DiagnosticStatus:
    asked = sum(outcomes.values())
    values = {"questions": asked, **{each.value: outcomes.get(each, 0) for each in Outcome}, **about}
    whole = outcomes.get(Outcome.COMPLETE, 0)
    return _status(f"{node}: engine", DiagnosticStatus.OK, f"{whole} of {asked} answered whole", values)


def _camera(node: str, camera: CameraStatus, monotonic_now_ns: int) -> DiagnosticStatus:
    level, said = LEVELS[camera.state], camera.error or camera.state
    age = "none"
    if camera.newest_capture_ns is not None:
        age_s = (monotonic_now_ns - camera.newest_capture_ns) / NS_PER_S
        age = f"{age_s:.3f}"
        if camera.state == "streaming" and age_s > STALE_S:
            level, said = DiagnosticStatus.WARN, f"its newest picture is {age_s:.1f} s old"
    values = {
        "state": camera.state,
        "newest picture, s old": age,
        "pictures received": camera.pictures_received,
        "pictures dropped": camera.pictures_dropped,
        "pictures a second": f"{camera.pictures_per_second:.1f}",
        "reconnects": camera.reconnects,
        "reader processes replaced": camera.restarts,
        "tokens in the cache": camera.cached_tokens,
        "remembered, s": f"{camera.remembered_s:.0f}",
        "taken in": camera.tier,
    }
    return _status(f"{node}: camera {camera.name}", level, said, values)


def _status(name: str, level: bytes, said: str, values: Mapping[str, object]) -> DiagnosticStatus:
    pairs = [KeyValue(key=key, value=sendable(str(value))) for key, value in values.items()]
    return DiagnosticStatus(
        name=sendable(name), level=level, message=sendable(said), hardware_id="magno", values=pairs
    )
