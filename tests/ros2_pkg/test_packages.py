"""What colcon and ros2 launch will read on a robot.

launch itself cannot be had from PyPI: its files are compiled and their contents looked at, not run.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROS = Path(__file__).parents[2] / "ros2_pkg"
PACKAGES = ("magno_interfaces", "magno_ros")
LAUNCH = sorted((ROS / "magno_ros/launch").glob("*.launch.py"))
OWN_OR_STANDARD = {"magno", "magno_ros", *sys.stdlib_module_names}
FROM_PIP = {"rich", "av", "numpy"}  # magno needs them already
BY_NAME = {
    "sensor_msgs"
}  # topics.py finds the classes of cameras' messages; other packages of theirs may be absent


@pytest.mark.parametrize("name", PACKAGES)
def test_package_xml_is_valid_and_complete(name: str) -> None:
    package_format = pytest.importorskip("catkin_pkg.package")
    warnings: list[str] = []
    package = package_format.parse_package(str(ROS / name / "package.xml"), warnings=warnings)
    package.validate()
    assert not warnings
    assert package.name == name and package.package_format == 3
    assert package.licenses == ["Apache-2.0"]
    assert package.get_build_type() == ("ament_cmake" if name == "magno_interfaces" else "ament_python")


def test_the_node_declares_every_ros_package_that_it_imports() -> None:
    package_format = pytest.importorskip("catkin_pkg.package")
    package = package_format.parse_package(str(ROS / "magno_ros/package.xml"))
    declared = {depend.name for depend in package.exec_depends}
    imported = set()
    for path in [*(ROS / "magno_ros/magno_ros").glob("*.py"), *LAUNCH]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
    assert imported - OWN_OR_STANDARD - FROM_PIP == declared


def test_every_interface_is_built_and_every_field_told() -> None:
    cmake = (ROS / "magno_interfaces/CMakeLists.txt").read_text()
    for path in [
        path for kind in ("msg", "srv", "action") for path in (ROS / "magno_interfaces" / kind).iterdir()
    ]:
        assert f'"{path.parent.name}/{path.name}"' in cmake
        before = ""
        for line in path.read_text().splitlines():
            constant = re.match(r"uint\d+ [A-Z_]+=", line)
            if line and line != "---" and not line.startswith("#") and not constant:
                assert before.startswith("#"), f"{path.name}: {line} has no word about it"
            before = line


def test_query_and_ask_have_the_same_fields() -> None:
    def fields(path: str) -> list[list[str]]:
        parts = (ROS / "magno_interfaces" / path).read_text().split("---")
        return [[line for line in part.splitlines() if line and line[0] != "#"] for part in parts]

    assert fields("srv/Query.srv") == fields("action/Ask.action")[:2]


@pytest.mark.parametrize("path", LAUNCH, ids=lambda path: path.name)
def test_launch_files_compile_and_start_the_node(path: Path) -> None:
    source = path.read_text()
    compile(source, str(path), "exec")
    assert "def generate_launch_description" in source
    assert 'executable="magno_node"' in source and 'package="magno_ros"' in source
    assert {"TRANSITION_CONFIGURE", "TRANSITION_ACTIVATE"} <= set(re.findall(r"TRANSITION_\w+", source))


def test_setup_installs_what_a_robot_looks_for() -> None:
    told = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "--name", "--version"],
        cwd=ROS / "magno_ros",
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == ["magno_ros", "0.1.0"]
    setup = (ROS / "magno_ros/setup.py").read_text()
    for path in (*LAUNCH, ROS / "magno_ros/config/magno.yaml"):
        assert f"{path.parent.name}/{path.name}" in setup
