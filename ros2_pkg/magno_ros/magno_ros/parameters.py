"""ROS parameters <-> the engine's one configuration class and the cameras. Knows no engine, only its class.

A parameter is read once, at configure, but for those of live.py. `sort_parameters` is pure; the others touch the node.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

from magno.runtime.camera.topic.messages import FORMATS, TOPIC_TYPES
from magno.runtime.spec import SpecError, from_dict
from magno_ros.live import LIVE, LiveConfig, changed

CAMERAS = "cameras"
ROS_OWN = ("use_sim_time", "start_type_description_service")
ROS_OWN_PREFIX = "qos_overrides."
PACES = ("live", "fast")
TRANSPORTS = ("tcp", "udp")
CAMERA_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


class ParameterError(SpecError):
    """ROS parameters that do not make a configuration."""


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """One camera: the parameters `<name>.url`, `<name>.topic` and so on. It has one of these two."""

    url: str = ""  # a file, rtsp://... or another kind that the engine's table of sources has
    loop: bool = False  # begin again at the end
    pace: str = "live"  # "live": the clip's own rate; "fast": as fast as it can be read
    transport: str = "tcp"  # of RTSP: "tcp" loses nothing, "udp" waits for nothing

    topic: str = ""  # that its pictures come on; relative names are the node's
    type: str = TOPIC_TYPES[0]  # of the topic
    format: str = FORMATS[0]  # of a CompressedImage
    reliable: bool = False  # wait for what was lost on the way: only from publishers that are reliable too

    def __post_init__(self) -> None:
        if bool(self.url) == bool(self.topic):
            found = "both" if self.url else "neither"
            raise ParameterError(f"A camera wants a url (a file or a camera) or a topic, found {found}.")
        for name, known in (("type", TOPIC_TYPES), ("format", FORMATS)):
            if getattr(self, name) not in known:
                told = str(getattr(self, name))[:80]
                raise ParameterError(f"{name} wants one of {', '.join(known)}, found {told!r}.")
        if self.pace not in PACES:
            raise ParameterError(f"pace wants one of {', '.join(PACES)}, found {self.pace[:80]!r}.")
        if self.transport not in TRANSPORTS:
            raise ParameterError(
                f"transport wants one of {', '.join(TRANSPORTS)}, found {self.transport[:80]!r}."
            )


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NodeConfig(Generic[T]):
    engine: T
    cameras: Mapping[str, CameraConfig]
    live: LiveConfig = dataclasses.field(default_factory=LiveConfig)


def declare_parameters(node: Node, kind: type) -> None:
    """Declare `cameras` and a parameter for each field of the configuration class, with its default."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        default = _default(field, hints[field.name])
        # An int is welcome where a float is wanted, and None has no ROS type to hold on to.
        dynamic = hints[field.name] not in (str, int, bool)
        _declare(node, field.name, default, ParameterDescriptor(dynamic_typing=dynamic))
    for name, value in LIVE.items():
        described = ParameterDescriptor(description="may be changed at any time", dynamic_typing=True)
        _declare(node, name, value, described)
    _declare(node, CAMERAS, [""], ParameterDescriptor(description="names of the cameras to watch"))
    declare_cameras(node)


def declare_cameras(node: Node) -> None:
    """Declare the parameters of every camera that is listed, so that they can be set from outside."""
    names = node.get_parameter(CAMERAS).value
    for name in names if isinstance(names, (list, tuple)) else ():
        if CAMERA_NAME.fullmatch(str(name)):
            _declare(node, f"{name}.url", "", ParameterDescriptor(description="what to watch"))
            _declare(node, f"{name}.topic", "", ParameterDescriptor(description="or the topic to watch"))
            types = ParameterDescriptor(description=f"of the topic: {', '.join(TOPIC_TYPES)}")
            _declare(node, f"{name}.type", TOPIC_TYPES[0], types)
            formats = ParameterDescriptor(description=f"of a CompressedImage: {' or '.join(FORMATS)}")
            _declare(node, f"{name}.format", FORMATS[0], formats)
            reliable = ParameterDescriptor(description="whether the topic is waited for where some was lost")
            _declare(node, f"{name}.reliable", False, reliable)
            _declare(node, f"{name}.loop", False, ParameterDescriptor(description="begin again at the end"))
            _declare(node, f"{name}.pace", "live", ParameterDescriptor(description=" or ".join(PACES)))
            transports = ParameterDescriptor(description=f"of RTSP: {' or '.join(TRANSPORTS)}")
            _declare(node, f"{name}.transport", "tcp", transports)


def read_parameters(node: Node, kind: type[T]) -> NodeConfig[T]:
    """All that is set on the node. Raises SpecError: one sentence for the first thing that is wrong."""
    values = {name: parameter.value for name, parameter in node.get_parameters_by_prefix("").items()}
    return sort_parameters(values, kind)


def sort_parameters(values: Mapping[str, Any], kind: type[T]) -> NodeConfig[T]:
    """Flat ROS names and values -> engine configuration and cameras. Unknown names are refused."""
    fields = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    names = _camera_names(values.get(CAMERAS))
    engine: dict[str, Any] = {}
    cameras: dict[str, dict[str, Any]] = {name: {} for name in names}
    for key, value in values.items():
        camera, dot, rest = key.partition(".")
        if key == CAMERAS or key in ROS_OWN or key in LIVE or key.startswith(ROS_OWN_PREFIX):
            continue
        if dot and camera in cameras:
            cameras[camera][rest] = value
        elif key not in fields:
            raise ParameterError(_unknown(key, fields | {CAMERAS, *LIVE}, names))
        elif value is not None:
            engine[key] = value if isinstance(value, (str, bool, int, float)) else list(value)
    if not engine.get("bundle"):
        raise ParameterError("The parameter bundle wants a bundle's folder, found nothing; set it.")
    return NodeConfig(
        from_dict(kind, engine, "parameters"),
        {name: from_dict(CameraConfig, given, f"camera {name}") for name, given in cameras.items()},
        changed(LiveConfig(), values),
    )


def _camera_names(value: Any) -> list[str]:
    if value is None or isinstance(value, (str, bytes, int, float)):
        if value is None:
            return []
        raise ParameterError(f"The parameter cameras wants a list of names, found {str(value)[:80]!r}.")
    names = [str(name) for name in value if name != ""]
    for name in names:
        if not CAMERA_NAME.fullmatch(name):
            raise ParameterError(
                f"cameras wants names of letters, digits and _, a letter first; found {name[:80]!r}."
            )
    if len(set(names)) != len(names):
        raise ParameterError(f"cameras wants each name once, found {', '.join(names)[:200]}.")
    return names


def _unknown(key: str, known: set[str], cameras: list[str]) -> str:
    if "." in key:
        listed = ", ".join(cameras) or "none"
        return f"The parameter {key[:80]!r} wants a camera that cameras names, found {listed}; add it there."
    near = get_close_matches(key, sorted(known), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(sorted(known))}."
    return f"Unknown parameter {key[:80]!r}.{hint}"


def _default(field: dataclasses.Field[Any], hint: Any) -> Any:
    if field.default is not dataclasses.MISSING:
        return list(field.default) if isinstance(field.default, tuple) else field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return hint() if hint in (str, int, float, bool) else None


def _declare(node: Node, name: str, default: Any, descriptor: ParameterDescriptor) -> None:
    if not node.has_parameter(name):
        node.declare_parameter(name, default, descriptor)
    elif descriptor.dynamic_typing:  # rclpy has declared it by what it was given: 60 would never be 0.5
        node.set_descriptor(name, descriptor)
