"""The SROS2 policy, held against what the running node and its client offer and use: no less, and no more.

`ros2 security` cannot be had from PyPI: the file's elements are compared with sros2's published schema, and its names
with the graph. It was enforced nowhere here.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from rclpy.action import get_action_client_names_and_types_by_node, get_action_server_names_and_types_by_node
from rclpy.node import Node

from tests.ros2_pkg.robot import robot, until

POLICY = Path(__file__).parents[2] / "ros2_pkg/magno_ros/config/magno_policy.xml"
CAMERA = "/back/image_raw/compressed"  # as the policy has it, for whoever copies it
PARTS = {
    "topics": ("topic", {"publish", "subscribe"}),
    "services": ("service", {"reply", "request"}),
    "actions": ("action", {"execute", "call"}),
}
Allowed = dict[str, set[str]]  # publish, subscribe, reply, request, execute, call -> full names


def allowed(context: str, magno: str) -> Allowed:
    """What a context's profile allows, where the node is called `magno`."""
    (profile,) = ET.parse(POLICY).findall(f"contexts/context[@path='{context}']/profiles/profile")
    assert profile.get("ns") == "/"
    own = f"/{magno}" if profile.get("node") == "magno" else f"/{profile.get('node')}"
    names = defaultdict(set)
    for part in profile:
        for rule, verdict in part.attrib.items():
            assert verdict == "ALLOW"
            for item in part:
                name = (item.text or "").replace("~", own)
                names[rule].add(name.replace("/magno/", f"/{magno}/"))
    return dict(names)


def used(graph: Node, node: str) -> Allowed:
    """What a node publishes, takes, serves and calls, as another sees it."""

    def plain(found: Iterable[tuple[str, list[str]]]) -> set[str]:
        return {name for name, _ in found if "/_action/" not in name}

    names = {
        "publish": plain(graph.get_publisher_names_and_types_by_node(node, "/")),
        "subscribe": plain(graph.get_subscriber_names_and_types_by_node(node, "/")),
        "reply": plain(graph.get_service_names_and_types_by_node(node, "/")),
        "request": plain(graph.get_client_names_and_types_by_node(node, "/")),
        "execute": plain(get_action_server_names_and_types_by_node(graph, node, "/")),
        "call": plain(get_action_client_names_and_types_by_node(graph, node, "/")),
    }
    return {rule: found for rule, found in names.items() if found}


def test_the_node_and_its_client_may_do_what_they_do_and_no_more(tiny_bundle: Path, tmp_path: Path) -> None:
    parameters = {"cameras": ["back"], "back__topic": CAMERA, "use_sim_time": True}
    with robot(tmp_path, bundle=str(tiny_bundle), **parameters) as started:
        started.go("configure", "activate")
        graph, magno = started.client._node, started.node.name
        for context, node in (("/magno", magno), ("/magno_client", "magno_client")):
            wanted = allowed(context, magno)
            try:
                until(lambda node=node, wanted=wanted: used(graph, node) == wanted)
            except AssertionError:
                assert used(graph, node) == wanted  # which tells how they differ


def test_the_file_has_the_elements_of_sros2s_schema() -> None:
    policy = ET.parse(POLICY).getroot()
    assert (policy.tag, policy.attrib) == ("policy", {"version": "0.2.0"})
    assert [child.tag for child in policy] == ["contexts"]
    for context in policy[0]:
        assert (context.tag, set(context.attrib)) == ("context", {"path"})
        assert [child.tag for child in context] == ["profiles"]
        for profile in context[0]:
            assert (profile.tag, set(profile.attrib)) == ("profile", {"ns", "node"})
            for part in profile:
                child, rules = PARTS[part.tag]
                assert part.attrib and set(part.attrib) <= rules
                assert len(part) and all(item.tag == child and not item.attrib for item in part)


def test_the_package_installs_it() -> None:
    assert f'"config/{POLICY.name}"' in (POLICY.parents[1] / "setup.py").read_text(encoding="utf-8")
